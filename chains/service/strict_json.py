"""Request bodies of strict JSON: UTF-8, no NaN, no lone surrogates, at most 64 levels deep, no text too long."""

from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute

__all__ = ["strict_route"]

DEEPEST = 64


def strict_route(characters: int) -> type[APIRoute]:
    """Make the class of routes whose body must be strict JSON, with at most so many characters in each text.

    The texts are measured before anything is made of them, since a text's tokens cost time with its length.
    """

    class StrictRequest(Request):
        async def json(self) -> Any:
            if not hasattr(self, "_parsed"):
                self._parsed = _parse(await self.body(), characters)
            return self._parsed

    class StrictRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            answer = super().get_route_handler()

            async def handle(request: Request) -> Response:
                return await answer(StrictRequest(request.scope, request.receive))

            return handle

    return StrictRoute


def _parse(body: bytes, characters: int) -> Any:
    try:
        read = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise HTTPException(422, f"the body is not strict JSON in UTF-8: {error.msg}") from None
    level, depth = [read], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise HTTPException(422, f"the body is nested deeper than {DEEPEST} levels")
        if any(isinstance(one, str) and len(one) > characters for one in level):
            raise HTTPException(422, f"a text may have {characters} characters; send a shorter one")
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return read

"""Request bodies of strict JSON: UTF-8, no NaN, no lone surrogates, at most 64 levels deep."""

from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute

__all__ = ["StrictRoute"]

DEEPEST = 64


class StrictRoute(APIRoute):
    """A route whose body must be strict JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Read each request's body strictly."""
        answer = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await answer(_StrictRequest(request.scope, request.receive))

        return handle


def _parse(body: bytes) -> Any:
    try:
        read = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise HTTPException(422, f"the body is not strict JSON in UTF-8: {error.msg}") from None
    level, depth = [read], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise HTTPException(422, f"the body is nested deeper than {DEEPEST} levels")
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return read


class _StrictRequest(Request):
    async def json(self) -> Any:
        if not hasattr(self, "_parsed"):
            self._parsed = _parse(await self.body())
        return self._parsed

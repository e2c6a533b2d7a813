"""Limits of a server, and middleware that refuses requests beyond them at once."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields
from math import isfinite

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from metachain.chains.service.problems import error_response
from metachain.errors import DataError

__all__ = ["RETRY_AFTER", "BodySize", "Caller", "InFlight", "Limits", "TimeLimit"]

RETRY_AFTER = {"Retry-After": "1"}
COMPRESSED = "a request's body must not be compressed; send it as it is, without Content-Encoding"
Caller = Callable[[Scope], str | None]
"""Name that a request is counted under; None for a request that is not counted."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one worker process. Raises DataError for a number that is not above 0."""

    body_bytes: int = 1_000_000
    """Maximum request body, in bytes; a larger one is answered 413."""
    characters: int = 100_000
    """Maximum characters of one text; a longer one is answered 422 before it is read."""
    batch: int = 100
    """Maximum inputs of one batch, and examples of one adaptation; more are answered 413."""
    texts: int = 10_000
    """Maximum texts of one request for label suggestions, and answers of one adaptation; more are answered 413."""
    unreviewed: int = 10_000
    """Maximum examples and corrections of one key that wait for a review; more are answered 403."""
    batch_concurrency: int = 8
    """Maximum concurrent inputs of one batch."""
    requests: int = 64
    """Maximum concurrent requests; one more is answered 503."""
    requests_of_one: int = 32
    """Maximum concurrent requests of one institution, with all its keys; one more is answered 429."""
    inputs_of_one: int = 200
    """Maximum concurrent inputs of one institution's batches and adaptations; a request beyond is answered 429."""
    turns: int = 2
    """Computations of each kind at once, each for another institution; the institutions come in turn."""
    seconds: float = 60.0
    """Maximum seconds of one request, with its body and its answer; then it is answered 504, or its stream is cut."""

    def __post_init__(self) -> None:
        for one in fields(self):
            given = getattr(self, one.name)
            if not (isinstance(given, int | float) and isfinite(given) and given > 0):
                raise DataError(f"the limit {one.name!r} must be above 0, got {given!r}")


class BodySize:
    """Refuses request bodies of more than ``most`` bytes, with or without a Content-Length header."""

    def __init__(self, app: ASGIApp, *, most: int) -> None:
        self._app, self._most = app, most
        self._reason = f"a request's body may have {most} bytes; send less at once"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse with 413, or with 415 where the body is compressed."""
        if scope["type"] == "http" and Headers(scope=scope).get("content-encoding", "identity") != "identity":
            await error_response(415, COMPRESSED)(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "") if scope["type"] == "http" else ""
        if length.isdecimal() and int(length) > self._most:
            await error_response(413, self._reason)(scope, receive, send)
            return
        read = 0

        async def receiving() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._most:
                raise HTTPException(413, self._reason)
            return message

        await self._app(scope, receiving, send)


class InFlight:
    """Lets ``most`` concurrent requests of each caller through, and refuses others at once."""

    def __init__(self, app: ASGIApp, *, most: int, status: int, reason: str, caller: Caller) -> None:
        self._app, self._most, self._status, self._reason, self._caller = app, most, status, reason, caller
        self._running: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse; a request whose caller is None is not counted."""
        name = self._caller(scope) if scope["type"] == "http" else None
        if name is None:
            await self._app(scope, receive, send)
            return
        if self._running[name] >= self._most:
            await error_response(self._status, self._reason, RETRY_AFTER)(scope, receive, send)
            return
        self._running[name] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._running[name] -= 1
            if not self._running[name]:
                del self._running[name]


class TimeLimit:
    """Ends each request after ``seconds``: with 504, or with an error event where a stream has begun."""

    def __init__(self, app: ASGIApp, *, seconds: float) -> None:
        self._app, self._seconds = app, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer within the time limit, or with 504."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = streaming = False

        async def sending(message: Message) -> None:
            nonlocal begun, streaming
            begun = True
            if message["type"] == "http.response.start":
                streaming = Headers(raw=message["headers"]).get("content-type", "").startswith("text/event-stream")
            await send(message)

        try:
            async with asyncio.timeout(self._seconds) as limit:
                await self._app(scope, receive, sending)
        except TimeoutError:
            if not limit.expired():
                raise
            reason = f"this took longer than {self._seconds:g} seconds; ask again, or for less at once"
            if not begun:
                await error_response(504, reason, RETRY_AFTER)(scope, receive, send)
            elif streaming:
                data = json.dumps({"status_code": 504, "message": reason})
                last = f"event: error\r\ndata: {data}\r\n\r\n".encode()
                await send({"type": "http.response.body", "body": last, "more_body": False})

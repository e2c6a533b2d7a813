"""HTTP transports that retry, for clients without retries of their own."""

import asyncio
import random
import time

import httpx

from metachain.errors import DataError

__all__ = ["AsyncRetryTransport", "RetryTransport", "checked_retries"]

BUSY = frozenset({408, 409, 429, 500, 502, 503, 504})
"""Statuses after which a request is sent again."""
FIRST_WAIT = 0.5
LONGEST_WAIT = 8.0
LONGEST_RETRY_AFTER = 60.0
"""Waits, in seconds."""


class RetryTransport(httpx.BaseTransport):
    """Sends a request up to ``retries`` times more after 408, 409, 429, 5xx and errors of the connection.

    It waits for the server's ``retry-after`` (seconds, up to 60), or else for half a second, doubled each time. A
    response that breaks off after it has begun is not requested again.
    """

    def __init__(self, retries: int) -> None:
        self._retries = retries
        self._inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, with retries."""
        for done in range(self._retries):
            try:
                response = self._inner.handle_request(request)
            except httpx.TransportError:
                time.sleep(_wait(done))
                continue
            if response.status_code not in BUSY:
                return response
            response.close()
            time.sleep(_wait(done, response.headers.get("retry-after")))
        return self._inner.handle_request(request)

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


class AsyncRetryTransport(httpx.AsyncBaseTransport):
    """The asynchronous twin of ``RetryTransport``."""

    def __init__(self, retries: int) -> None:
        self._retries = retries
        self._inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, with retries."""
        for done in range(self._retries):
            try:
                response = await self._inner.handle_async_request(request)
            except httpx.TransportError:
                await asyncio.sleep(_wait(done))
                continue
            if response.status_code not in BUSY:
                return response
            await response.aclose()
            await asyncio.sleep(_wait(done, response.headers.get("retry-after")))
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


def checked_retries(retries: object) -> int:
    """Return a whole number, 0 or more. Raises DataError for anything else."""
    if not isinstance(retries, int) or isinstance(retries, bool) or retries < 0:
        raise DataError(f"'max_retries' must be a whole number, 0 or more, got {retries!r}")
    return retries


def _wait(done: int, asked: str | None = None) -> float:
    """Seconds until the next try: up to a quarter less, so that many clients don't return at once."""
    try:
        seconds = float(asked or "")
    except ValueError:
        seconds = -1.0
    if 0 <= seconds <= LONGEST_RETRY_AFTER:
        return seconds
    return min(FIRST_WAIT * 2.0**done, LONGEST_WAIT) * random.uniform(0.75, 1.0)  # noqa: S311

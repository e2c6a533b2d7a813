"""Connections of a worker: bounded in number, and closed where a request's head takes too long."""

import asyncio
import resource
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

__all__ = ["BoundedConnection"]

HEAD_SECONDS = 10.0
"""Time from a connection, or from the first byte of a further request, until its head must be complete."""
MOST_CONNECTIONS = 1000


class BoundedConnection(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """A connection of uvicorn that is closed where no request is complete in time.

    Where a worker has as many connections as it may have, the one that has waited longest for a head is closed.
    """

    waiting: "dict[BoundedConnection, asyncio.TimerHandle]" = {}  # noqa: RUF012 - of all connections of a process
    """Connections without a complete head, the oldest first, with the timers that close them."""

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a head."""
        super().connection_made(transport)
        if len(self.connections) > most_connections() and self.waiting:
            next(iter(self.waiting))._give_up()
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Read, and wait for the rest of a head; uvicorn itself waits for what comes after one."""
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._wait()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self not in self.waiting and not self.transport.is_closing():
            self.waiting[self] = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        timer = self.waiting.pop(self, None)
        if timer is not None:
            timer.cancel()

    def _give_up(self) -> None:
        self._stop_waiting()
        self.transport.abort()


def most_connections() -> int:
    """Maximum connections of this process: 1,000, or half of the files that it may open where that is less."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if files == resource.RLIM_INFINITY else min(MOST_CONNECTIONS, max(1, files // 2))

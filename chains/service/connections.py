"""Connections of a worker: bounded in number, and closed where a request's head takes too long."""

import asyncio
import resource
import socket
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

__all__ = ["BoundedConnection"]

HEAD_SECONDS = 10.0
"""Time from a connection, or from the first byte of a further request, until its head must be complete."""
HEAD_BYTES = 32_768
"""Bytes of an incomplete head beyond which it is answered 400."""
MOST_CONNECTIONS = 1000


class BoundedConnection(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """A connection of uvicorn that is closed where no request is complete in time.

    Where a worker has as many connections as it may have, the one that has waited longest for a head is closed.
    """

    waiting: "dict[BoundedConnection, asyncio.TimerHandle]" = {}  # noqa: RUF012 - of all connections of a process
    """Connections without a complete head, the oldest first, with the timers that close them."""
    head = 0
    """Bytes since the last complete head."""

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a head."""
        super().connection_made(transport)
        # asyncio leaves this to the listening socket, which several workers inherit without its protocol.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if len(self.connections) > most_connections() and self.waiting:
            next(iter(self.waiting))._give_up()
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Read, and wait for the rest of a head; uvicorn itself waits for what comes after one."""
        reads_head = self.cycle is None or (self.cycle.response_complete and not self.cycle.more_body)
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
            return
        self._wait()
        self.head += len(data) if reads_head else 0
        if self.head > HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("a request's head is too long")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self not in self.waiting and not self.transport.is_closing():
            self.waiting[self] = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        self.head = 0
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

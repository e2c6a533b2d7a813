"""A queue from which a worker serves its institutions in turn, so that none has to wait for another's backlog."""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Literal, TypeVar

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from metachain.chains.service.limits import RETRY_AFTER, Caller, Limits
from metachain.chains.service.metrics import Metrics
from metachain.chains.service.problems import error_response

__all__ = ["FairQueue", "Kind", "LargeBodies"]

Kind = Literal["ask", "adapt", "label", "feedback", "body"]
SMALL_BODY = 16_384
"""Bytes of a body up to which it needs no turn."""
Result = TypeVar("Result")
TEXTS_OF_ONE_COST = 100
"""Texts of a request for label suggestions that cost as much as one input of a batch."""


class FairQueue:
    """Runs the computations of one worker: few at once, the institutions in turn, and one at a time of each.

    Each kind of work has a pool of its own. An institution has at most one selection and one other computation at
    once, since the threads of a process share one processor, and one large body that is read. All calls come from one
    event loop.
    """

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._limits, self._metrics = limits, metrics
        self._cost: Counter[str] = Counter()
        busy: set[str] = set()
        self._pools: dict[Kind, _Pool] = {
            "ask": _Pool(limits.turns, set()),
            "adapt": _Pool(limits.turns, busy),
            "label": _Pool(limits.turns, busy),
            "feedback": _Pool(limits.turns, busy),
            "body": _Pool(limits.requests, set()),
        }

    @contextmanager
    def taking(self, caller: str, inputs: int = 0, texts: int = 0) -> Iterator[None]:
        """Count the inputs or texts of a request until it ends.

        Raises HTTPException 429 where the caller's requests hold too many; one request alone is always taken.
        """
        cost = max(1, inputs, -(-texts // TEXTS_OF_ONE_COST))
        if reason := self.refusal(caller, cost):
            raise HTTPException(429, reason, RETRY_AFTER)
        self._cost[caller] += cost
        try:
            yield
        finally:
            self._cost[caller] -= cost
            if not self._cost[caller]:
                del self._cost[caller]

    def refusal(self, caller: str, more: int = 1) -> str:
        """Reason why the caller's requests may not hold so many inputs more; empty where they may."""
        held = self._cost[caller]
        if not held or held + more <= self._limits.inputs_of_one:
            return ""
        return f"this institution has {held} inputs under way; wait for their answers"

    async def run(self, kind: Kind, caller: str, work: Callable[[], Awaitable[Result]]) -> Result:
        """Wait for the caller's turn, and do the work.

        Work that has begun runs to its end, and holds its turn until then, also where the request is given up.
        """
        pool, begun = self._pools[kind], perf_counter()
        await pool.turn(caller)
        self._metrics.queue_seconds.labels(kind).observe(perf_counter() - begun)
        running = asyncio.ensure_future(work())
        running.add_done_callback(lambda done: self._end(pool, caller, done))
        return await asyncio.shield(running)

    def _end(self, pool: "_Pool", caller: str, done: "asyncio.Future[Result]") -> None:
        if not done.cancelled():
            done.exception()  # else asyncio logs it where the request was given up
        pool.end(caller)
        for one in self._pools.values():
            one.start()


class LargeBodies:
    """Reads large bodies whole, one at a time of each caller: many at once would take all turns of the event loop.

    Where the caller has as many inputs under way as it may, its large bodies are refused unread.
    """

    def __init__(self, app: ASGIApp, *, queue: FairQueue, caller: Caller) -> None:
        self._app, self._queue, self._caller = app, queue, caller

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body where it is large, and answer."""
        name = self._caller(scope) if scope["type"] == "http" and _has_large_body(Headers(scope=scope)) else None
        if name is None:
            await self._app(scope, receive, send)
            return
        if reason := self._queue.refusal(name):
            await error_response(429, reason, RETRY_AFTER)(scope, receive, send)
            return
        try:
            read = deque(await self._queue.run("body", name, lambda: _whole(receive)))
        except HTTPException as error:
            await error_response(error.status_code, str(error.detail))(scope, receive, send)
            return

        async def receiving() -> Message:
            return read.popleft() if read else await receive()

        await self._app(scope, receiving, send)


def _has_large_body(headers: Headers) -> bool:
    length = headers.get("content-length", "")
    return "transfer-encoding" in headers or (length.isdecimal() and int(length) > SMALL_BODY)


async def _whole(receive: Receive) -> list[Message]:
    """Read a body; the last message has no more of it, or says that the caller hung up."""
    messages = [await receive()]
    while messages[-1].get("more_body"):
        messages.append(await receive())
    return messages


class _Pool:
    """Turns of one kind of work: ``width`` at once, and none for a caller that is in ``busy``."""

    def __init__(self, width: int, busy: set[str]) -> None:
        self._width, self._busy, self._running = width, busy, 0
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._last: dict[str, int] = {}
        """By caller, the number of its last turn; the one whose last turn is longest ago comes first."""
        self._turns = 0

    async def turn(self, caller: str) -> None:
        """Wait for a turn; ``end`` must follow."""
        mine = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(mine)
        self.start()
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():  # the turn came at the same moment
                self.end(caller)
                self.start()
            raise

    def end(self, caller: str) -> None:
        """Give a turn back; ``start`` must follow, for each pool with the same ``busy``."""
        self._running -= 1
        self._busy.discard(caller)

    def start(self) -> None:
        """Give free turns to those who wait."""
        free = [one for one in self._waiting if one not in self._busy]
        for caller in sorted(free, key=lambda one: self._last.get(one, 0)):
            if self._running >= self._width:
                return
            self._next(caller)

    def _next(self, caller: str) -> None:
        queue = self._waiting.pop(caller)
        while queue:
            first = queue.popleft()
            if not first.done():
                first.set_result(None)
                self._running += 1
                self._busy.add(caller)
                self._turns += 1
                self._last[caller] = self._turns
                break
        if queue:
            self._waiting[caller] = queue

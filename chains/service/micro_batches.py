"""Micro-batches: what waits for the same turn is computed together."""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Generic, TypeVar

from starlette.concurrency import run_in_threadpool

from metachain.chains.service.fair_queue import FairQueue
from metachain.errors import DataError

__all__ = ["MicroBatches"]

MOST = 8
"""Maximum items of one batch; a turn must be short, as others wait for theirs."""
CHARACTERS = 4000
"""Maximum characters of a batch of more than one item."""
Item = TypeVar("Item")
Result = TypeVar("Result")
Work = Callable[[Sequence[Item]], Sequence[Result]]


class MicroBatches(Generic[Item, Result]):
    """Selections of one chain. All calls come from one event loop."""

    def __init__(self, queue: FairQueue) -> None:
        self._queue = queue
        self._waiting: dict[tuple[str, Hashable], deque[_Waiting[Item, Result]]] = {}
        self._taking: set[asyncio.Task[None]] = set()

    async def run(self, caller: str, group: Hashable, item: Item, characters: int, work: Work[Item, Result]) -> Result:
        """Compute one item in the caller's turn, together with others that wait in the same group.

        ``work`` is a function of several items, run in a thread; all of a group have the same. Where it raises a
        DataError, each item is computed alone, and raises its own.
        """
        mine = _Waiting[Item, Result](item, characters, asyncio.get_running_loop().create_future())
        key = caller, group
        if key in self._waiting:
            self._waiting[key].append(mine)
        else:
            self._waiting[key] = deque([mine])
            taking = asyncio.create_task(self._take_turns(key, work))
            self._taking.add(taking)
            taking.add_done_callback(self._taking.discard)
        return await mine.result

    async def _take_turns(self, key: tuple[str, Hashable], work: Work[Item, Result]) -> None:
        waiting = self._waiting[key]
        try:
            while waiting:
                await self._queue.run("ask", key[0], partial(self._compute, waiting, work))
        finally:
            del self._waiting[key]
            for one in waiting:  # none, unless the server ends
                one.result.cancel()

    async def _compute(self, waiting: "deque[_Waiting[Item, Result]]", work: Work[Item, Result]) -> None:
        batch = _next(waiting)
        if not batch:
            return
        try:
            results = await run_in_threadpool(work, [one.item for one in batch])
        except Exception as error:  # noqa: BLE001 - the requests raise it
            if isinstance(error, DataError) and len(batch) > 1:
                for one in batch:
                    await self._compute(deque([one]), work)
            else:
                for one in batch:
                    one.fail(error)
            return
        for one, result in zip(batch, results, strict=True):
            if not one.result.done():
                one.result.set_result(result)


class _Waiting(Generic[Item, Result]):
    """An item that waits, and the future of its result; a request that was given up has cancelled it."""

    def __init__(self, item: Item, characters: int, result: "asyncio.Future[Result]") -> None:
        self.item, self.characters, self.result = item, characters, result

    def fail(self, error: Exception) -> None:
        if not self.result.done():
            self.result.set_exception(error)


def _next(waiting: "deque[_Waiting[Item, Result]]") -> "list[_Waiting[Item, Result]]":
    """Take the next batch out of the queue, without what was given up."""
    batch: list[_Waiting[Item, Result]] = []
    characters = 0
    while waiting and len(batch) < MOST:
        if waiting[0].result.done():
            waiting.popleft()
            continue
        characters += waiting[0].characters
        if batch and characters > CHARACTERS:
            break
        batch.append(waiting.popleft())
    return batch

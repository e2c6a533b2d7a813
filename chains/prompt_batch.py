"""One list of prompts, answered by several workers of one event loop."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from langchain_core.messages import BaseMessage

from metachain.chains.budget_gate import CURRENT_SLOT, Slot

__all__ = ["Prompt", "PromptBatch"]

DRAIN = 30.0
"""Seconds that calls under way get to end after an error or an interruption, because they are paid for."""

Answered = TypeVar("Answered")
Prompt = Sequence[BaseMessage]


class PromptBatch(Generic[Answered]):
    """Answers a list of prompts, ``concurrency`` of them at a time.

    ``ask`` answers one prompt; None stands for no answer. ``arrived`` is called in the event loop's thread with the
    number of each answered prompt, from 0, and its answer.
    """

    def __init__(
        self,
        ask: Callable[[Prompt, Slot], Awaitable[Answered | None]],
        prompts: Sequence[Prompt],
        concurrency: int,
        arrived: Callable[[tuple[int, Answered]], None],
    ) -> None:
        self._ask, self._arrived = ask, arrived
        self._waiting = iter(enumerate(prompts))
        self._slots = [Slot() for _ in range(concurrency)]
        self._workers: list[asyncio.Task[None]] = []
        self._deadline: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Work until all prompts are answered, or one fails: then wait for the calls under way, and start no more."""
        self._workers = [asyncio.create_task(self._work(slot)) for slot in self._slots]
        _, pending = await asyncio.wait(self._workers, return_when=asyncio.FIRST_EXCEPTION)
        if pending:
            self.stop()
            await asyncio.wait(pending)
        if self._deadline:
            self._deadline.cancel()
        failures = [error for one in self._workers if not one.cancelled() and (error := one.exception())]
        if failures:
            raise failures[0]

    def stop(self) -> None:
        """Start no more calls, and cancel those under way after ``DRAIN`` seconds."""
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().call_later(DRAIN, self._cancel)
        for slot, worker in zip(self._slots, self._workers, strict=False):
            slot.closing = True
            if slot.reservation is None:
                worker.cancel()

    def _cancel(self) -> None:
        for worker in self._workers:
            worker.cancel()

    async def _work(self, slot: Slot) -> None:
        CURRENT_SLOT.set(slot)
        for number, prompt in self._waiting:
            answer = await self._ask(prompt, slot)
            if answer is not None:
                self._arrived((number, answer))
            if slot.closing:
                return

"""Many prompts, one model: within a budget, some at a time, asked again where that helps, nothing lost on the way."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count
from math import isfinite
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Self

from langchain_core.globals import get_llm_cache
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.rate_limiters import BaseRateLimiter, InMemoryRateLimiter

from metachain.chains.api_failures import costs_nothing, is_passing, retry_after, status_of
from metachain.chains.call_budget import Account, CallBudget, Usage, output_limit, prompt_limit
from metachain.errors import DataError, MetachainError, ModelError
from metachain.progress import ModelProgress, ModelProgressCallback, silent_model

__all__ = ["Answer", "ModelCaller", "backoff"]

UNLIMITED = CallBudget()
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
PATIENCE = 300.0
"""Seconds; a server that asks to wait longer is not waited for."""
DRAIN = 30.0
"""Seconds in which calls under way may end after an error or an interruption, as they are paid for."""

Prompt = Sequence[BaseMessage]
OnAnswer = Callable[[int, "Answer"], None]
OnArrival = Callable[[tuple[int, "Answer"]], None]


@dataclass(frozen=True)
class Answer:
    """What a model said to one prompt, and what that used."""

    text: str
    """Empty for a model that says nothing, and a refusal in words as it is: both are answers, for a metric to score."""
    input_tokens: int
    output_tokens: int
    cached: bool
    """Whether LangChain's cache gave it: then it was no call, and cost nothing."""
    estimated: bool
    """Whether the model reported no usage, so that the tokens are LangChain's approximate count."""


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures of a call in a row: 1, 2, 4, … to 60, of which a random half to all."""
    longest: float = min(FIRST_WAIT * 2.0 ** (failures - 1), LONGEST_WAIT)
    return longest * random.uniform(0.5, 1)  # noqa: S311 -- no secret, only so that callers don't return all at once


def unheard(number: int, answer: Answer) -> None:
    """Keep an answer nowhere but in the list that is given back."""


class ModelCaller:
    """Asks a chat model many prompts; a context manager, as it owns a thread with an event loop until it is closed.

    ``model`` is a chat model, and no other Runnable: ``with_retry`` or a fallback would hide calls. So do retries of
    the client's own: make the model with ``max_retries=0`` where its class takes that, or such calls are not counted.

    ``budget`` holds exactly. Each call that is sent counts, also one that fails and is sent again. Tokens and money
    count as reported in ``usage_metadata``; where they are unknown, the most that they can be is charged: for a model
    that reports none, and for a call that timed out, lost its connection or met a fault of the server. Calls refused
    unread (4xx but 408, 503, 529) count as calls, without tokens. ``spent`` was used of the budget before, in earlier
    runs. Answers from LangChain's cache (``set_llm_cache``, ``model.cache``) use nothing.

    At most ``max_concurrency`` calls run at once, and ``requests_per_second`` are begun, beside the model's own rate
    limiter. Calls that fail with 408, 429, 5xx or without an answer are sent again up to ``retries`` times, after the
    wait that the server asks for, or ``wait(failures)`` seconds.

    Raises DataError for anything that is not a chat model, for settings out of range, and for a budget of tokens or
    money with a model that doesn't limit its answers.
    """

    def __init__(
        self,
        model: BaseChatModel,
        *,
        budget: CallBudget = UNLIMITED,
        spent: Usage | None = None,
        max_concurrency: int = 4,
        requests_per_second: float | None = None,
        retries: int = 5,
        wait: Callable[[int], float] = backoff,
        progress: ModelProgressCallback = silent_model,
    ) -> None:
        if not isinstance(model, BaseChatModel):
            raise DataError(f"'model' must be a chat model, whose calls can be counted, got {type(model).__name__}")
        _check_whole("max_concurrency", max_concurrency, 1)
        _check_whole("retries", retries, 0)
        self._account = Account(budget, spent)
        self._written = output_limit(model) if budget.counts_tokens else 0
        self._concurrency, self._retries, self._wait, self._progress = max_concurrency, retries, wait, progress
        self._gate = _BudgetGate(
            self._account, [one for one in (model.rate_limiter, _limiter(requests_per_second)) if one]
        )
        # LangChain asks its rate limiter between the cache and the call: where a call is known to be one.
        self._model = model.model_copy(update={"rate_limiter": self._gate})
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=_serve, args=[self._loop], name="metachain-models", daemon=True)
        self._thread.start()

    @property
    def spent(self) -> Usage:
        """What was used so far, and before."""
        return self._account.spent

    @property
    def money(self) -> float | None:
        """What that costs; None without prices."""
        budget = self._account.budget
        return None if budget.prices is None else float(budget.cost(self.spent))

    def charge(self, used: Usage) -> None:
        """Count what was used of the budget before, such as for an answer that an earlier run has kept."""
        asyncio.run_coroutine_threadsafe(self._account.charge(used), self._loop).result()

    def answers(self, prompts: Sequence[Prompt], on_answer: OnAnswer = unheard) -> list[Answer | None]:
        """Answer each prompt; None for one that the budget leaves no room for.

        ``on_answer(number, answer)`` is called in this thread once for each answer as it arrives. So what it stores is
        kept, whatever happens to later ones. Before an error is raised, or an interruption passed on, calls under way
        are waited for a while, and their answers handed on too. Raises ModelError for a model that refuses to answer
        at all (401, 404), and for one that doesn't after all retries.
        """
        if not self._thread.is_alive():
            raise DataError("this ModelCaller is closed; make another")
        found: list[Answer | None] = [None] * len(prompts)
        arrived: SimpleQueue[tuple[int, Answer] | None] = SimpleQueue()
        run = _Batch(self._ask, prompts, self._concurrency, arrived.put)
        ended = asyncio.run_coroutine_threadsafe(run.all(), self._loop)
        ended.add_done_callback(lambda _: arrived.put(None))
        try:
            for done, (number, answer) in enumerate(iter(arrived.get, None), start=1):
                found[number] = answer
                on_answer(number, answer)
                self._progress(ModelProgress(done, len(prompts), self.spent.calls, self.spent.tokens, self.money))
        except BaseException:
            self._loop.call_soon_threadsafe(run.stop)
            with suppress(Exception):
                for number, answer in iter(arrived.get, None):
                    on_answer(number, answer)
            raise
        ended.result()
        return found

    async def aanswers(self, prompts: Sequence[Prompt], on_answer: OnAnswer = unheard) -> list[Answer | None]:
        """Answer as ``answers`` does, which runs in another thread meanwhile, and so does ``on_answer``."""
        return await asyncio.to_thread(self.answers, prompts, on_answer)

    def close(self) -> None:
        """Cancel what is under way and end the thread; a second time it does nothing."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _ask(self, prompt: Prompt, line: "_Slot") -> Answer | None:
        """Ask once, and again where that may help; None where the budget leaves no room."""
        line.worst = Usage(1, prompt_limit(prompt) if self._account.budget.counts_tokens else 0, self._written)
        for attempt in count(1):
            try:
                return await self._once(prompt, line)
            except _NoRoomError:
                return None
            except MetachainError:
                raise
            except Exception as error:
                asked = retry_after(error) or 0.0
                if line.closing or attempt > self._retries or not is_passing(error) or asked > PATIENCE:
                    raise ModelError(_told(error, attempt)) from error
                seconds = max(asked, self._wait(attempt))
            await asyncio.sleep(seconds)
        return None

    async def _once(self, prompt: Prompt, line: "_Slot") -> Answer:
        used: Usage | None = None
        try:
            message = await self._model.ainvoke(list(prompt))
            answer = self._read(prompt, message, cached=line.number is None)
            if not (answer.estimated and self._account.budget.counts_tokens):
                used = Usage(1, answer.input_tokens, answer.output_tokens)
        except Exception as error:
            used = Usage(calls=1) if costs_nothing(error) else None
            raise
        finally:
            self._gate.settle(line, used)
        return answer

    def _read(self, prompt: Prompt, message: AIMessage, *, cached: bool) -> Answer:
        if cached and (self._model.cache is False or not (self._model.cache or get_llm_cache())):
            name = type(self._model).__name__
            raise DataError(f"calls of {name} can't be counted, as it asks no 'rate_limiter' before one")
        text, usage = str(message.text), message.usage_metadata
        if usage is not None and "input_tokens" in usage:
            return Answer(text, usage["input_tokens"], usage["output_tokens"], cached, estimated=False)
        read, written = count_tokens_approximately(prompt), count_tokens_approximately([AIMessage(text)])
        return Answer(text, read, written, cached, estimated=True)


class _NoRoomError(Exception):
    """The budget leaves no room for a call."""


@dataclass(eq=False)
class _Slot:
    """A worker's line to the model."""

    worst: Usage = field(default_factory=Usage)
    """Of the call that it is about to make."""
    number: int | None = None
    """Of its reservation, while a call is under way."""
    closing: bool = False
    """Whether no further call is made on it."""


LINE: ContextVar[_Slot] = ContextVar("LINE")


class _BudgetGate(BaseRateLimiter):
    """Lets calls through one after the other, each when there is room for it in the budget and it is its time."""

    def __init__(self, account: Account, limiters: Sequence[BaseRateLimiter]) -> None:
        self._account = account
        self._limiters = limiters
        self._door = asyncio.Lock()
        self._settled = asyncio.Event()

    async def aacquire(self, *, blocking: bool = True) -> bool:
        line = LINE.get()
        self.settle(line, None)
        async with self._door:
            while not self._account.fits(line.worst):
                if not self._account.may_fit(line.worst):
                    raise _NoRoomError
                self._settled.clear()
                await self._settled.wait()
            for limiter in self._limiters:
                await limiter.aacquire(blocking=True)
            line.number = self._account.reserve(line.worst)
        return True

    def acquire(self, *, blocking: bool = True) -> bool:
        raise DataError("this model asks synchronously within its asynchronous method, so its calls can't be counted")

    def settle(self, line: _Slot, used: Usage | None) -> None:
        """Charge the call that is under way on a line, if there is one."""
        if line.number is not None:
            self._account.settle(line.number, used)
            line.number = None
            self._settled.set()


class _Batch:
    """One list of prompts on its way, a few at a time."""

    def __init__(
        self,
        ask: Callable[[Prompt, _Slot], Awaitable[Answer | None]],
        prompts: Sequence[Prompt],
        concurrency: int,
        arrived: OnArrival,
    ) -> None:
        self._ask = ask
        self._waiting = iter(enumerate(prompts))
        self._arrived = arrived
        self._lines = [_Slot() for _ in range(concurrency)]
        self._workers: list[asyncio.Task[None]] = []
        self._last: asyncio.TimerHandle | None = None

    async def all(self) -> None:
        """Work until all are answered, or one fails: then those under way are waited for, and no more are asked."""
        self._workers = [asyncio.create_task(self._work(line)) for line in self._lines]
        _, pending = await asyncio.wait(self._workers, return_when=asyncio.FIRST_EXCEPTION)
        if pending:
            self.stop()
            await asyncio.wait(pending)
        if self._last:
            self._last.cancel()
        failures = [error for one in self._workers if not one.cancelled() and (error := one.exception())]
        if failures:
            raise failures[0]

    def stop(self) -> None:
        """Ask no more, and cut calls under way off after a while."""
        if self._last is None:
            self._last = asyncio.get_running_loop().call_later(DRAIN, self._cut)
        for line, worker in zip(self._lines, self._workers, strict=False):
            line.closing = True
            if line.number is None:
                worker.cancel()

    def _cut(self) -> None:
        for worker in self._workers:
            worker.cancel()

    async def _work(self, line: _Slot) -> None:
        LINE.set(line)
        for number, prompt in self._waiting:
            answer = await self._ask(prompt, line)
            if answer is not None:
                self._arrived((number, answer))
            if line.closing:
                return


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        for end in (_cancel_others(), loop.shutdown_asyncgens(), loop.shutdown_default_executor()):
            loop.run_until_complete(end)
        loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for one in others:
        one.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _told(error: Exception, attempts: int) -> str:
    status = status_of(error)
    what = f"{type(error).__name__}{f' {status}' if status else ''}: {' '.join(str(error).split())[:200]}"
    if status in {401, 403}:
        return f"the model may not be asked ({what}); set or renew the provider's key"
    if status == 404:
        return f"the provider has no such model ({what}); look its name up"
    if is_passing(error):
        return f"the model didn't answer in {attempts} attempts ({what}); what was answered is kept, go on later"
    return f"the model can't be asked ({what}); what was answered before is kept"


def _limiter(requests_per_second: float | None) -> BaseRateLimiter | None:
    if requests_per_second is None:
        return None
    if isinstance(requests_per_second, bool) or not (requests_per_second > 0 and isfinite(requests_per_second)):
        raise DataError(f"'requests_per_second' must be over 0, got {requests_per_second!r}")
    often = min(0.1, 0.25 / requests_per_second)
    return InMemoryRateLimiter(requests_per_second=requests_per_second, check_every_n_seconds=often)


def _check_whole(name: str, number: object, least: int) -> None:
    if isinstance(number, bool) or not isinstance(number, int) or number < least:
        raise DataError(f"{name!r} must be a whole number, {least} or more, got {number!r}")

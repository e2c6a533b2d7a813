"""Calls of one chat model for many prompts: within a budget, several at a time, with retries."""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from math import isfinite
from queue import SimpleQueue
from threading import Thread
from typing import Self

from langchain_core.globals import get_llm_cache
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.rate_limiters import BaseRateLimiter, InMemoryRateLimiter

from metachain.chains.api_failures import is_transient, is_unbilled, retry_after, status_of
from metachain.chains.budget_gate import BudgetGate, NoRoomError, Slot
from metachain.chains.call_budget import Account, CallBudget, Usage, output_limit, prompt_limit
from metachain.chains.prompt_batch import Prompt, PromptBatch
from metachain.errors import DataError, MetachainError, ModelError
from metachain.progress import ModelProgress, ModelProgressCallback, silent_model

__all__ = ["Answer", "ModelCaller", "backoff"]

UNLIMITED = CallBudget()
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds."""
LONGEST_RETRY_AFTER = 300.0
"""Seconds; a call fails where the server asks for a longer wait."""

OnAnswer = Callable[[int, "Answer"], None]


@dataclass(frozen=True)
class Answer:
    """Answer of a model to one prompt, and its usage."""

    text: str
    """Empty for an empty answer. Refusals in words stay as they are; both are answers, for a metric to score."""
    input_tokens: int
    output_tokens: int
    cached: bool
    """True if the answer is from LangChain's cache; then it was no call, and cost nothing."""
    estimated: bool
    """True if the tokens are LangChain's approximate count, because the model reported no usage."""


def backoff(failures: int) -> float:
    """Seconds to wait after ``failures`` failed calls in a row: a random half to all of 1, 2, 4, … up to 60."""
    longest: float = min(FIRST_WAIT * 2.0 ** (failures - 1), LONGEST_WAIT)
    return longest * random.uniform(0.5, 1)  # noqa: S311 -- no secret, only so that callers don't return all at once


def ignore_answer(number: int, answer: Answer) -> None:
    """Do nothing with an answer; it is in the returned list all the same."""


class ModelCaller:
    """Asks a chat model many prompts; a context manager, because it owns a thread with an event loop until it closes.

    ``model`` is a chat model, and no other Runnable: ``with_retry`` or a fallback would hide calls. Retries within the
    client hide calls too: make the model with ``max_retries=0`` where its class takes that argument.

    ``budget`` holds exactly. Each call that is sent counts, including calls that fail and are sent again. Tokens and
    money count as reported in ``usage_metadata``. Where usage is unknown, the call's worst case is charged: for a model
    that reports none, and for a call that timed out, lost its connection or met a fault of the server. Calls refused
    unread (4xx but 408, 503, 529) count as calls, without tokens. ``spent`` is the part of the budget that earlier runs
    used. Answers from LangChain's cache (``set_llm_cache``, ``model.cache``) use nothing.

    At most ``max_concurrency`` calls run at once, and ``requests_per_second`` start, in addition to the model's own
    rate limiter. Calls that fail with 408, 429, 5xx or without an answer are sent again up to ``retries`` times, after
    the wait that the server asks for, or ``wait(failures)`` seconds where that is longer.

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
        self._output_limit = output_limit(model) if budget.counts_tokens else 0
        self._concurrency, self._retries, self._wait, self._progress = max_concurrency, retries, wait, progress
        limiters = [one for one in (model.rate_limiter, _limiter(requests_per_second)) if one]
        self._gate = BudgetGate(self._account, limiters)
        # LangChain asks its rate limiter after the cache and before the call, so each request is a real call.
        self._model = model.model_copy(update={"rate_limiter": self._gate})
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=_run_loop, args=[self._loop], name="metachain-models", daemon=True)
        self._thread.start()

    @property
    def spent(self) -> Usage:
        """Usage so far, including that of earlier runs."""
        return self._account.spent

    @property
    def money(self) -> float | None:
        """Cost of ``spent``; None without prices."""
        budget = self._account.budget
        return None if budget.prices is None else float(budget.cost(self.spent))

    def charge(self, used: Usage) -> None:
        """Charge usage of an earlier run to the budget, such as that of a stored answer."""
        asyncio.run_coroutine_threadsafe(self._account.charge(used), self._loop).result()

    def answers(self, prompts: Sequence[Prompt], on_answer: OnAnswer = ignore_answer) -> list[Answer | None]:
        """Answer each prompt; None for a prompt that the budget has no room for.

        ``on_answer(number, answer)`` is called in this thread once for each answer as it arrives. So an answer that it
        stores is kept if later calls fail. Before an error or an interruption is raised, calls under way get 30 seconds
        to end, and their answers are handed on too. Raises ModelError for a model that refuses all calls (401, 404),
        and for one that still fails after all retries.
        """
        if not self._thread.is_alive():
            raise DataError("this ModelCaller is closed; make another")
        found: list[Answer | None] = [None] * len(prompts)
        arrived: SimpleQueue[tuple[int, Answer] | None] = SimpleQueue()
        batch = PromptBatch(self._ask, prompts, self._concurrency, arrived.put)
        ended = asyncio.run_coroutine_threadsafe(batch.run(), self._loop)
        ended.add_done_callback(lambda _: arrived.put(None))
        try:
            for done, (number, answer) in enumerate(iter(arrived.get, None), start=1):
                found[number] = answer
                on_answer(number, answer)
                self._progress(ModelProgress(done, len(prompts), self.spent.calls, self.spent.tokens, self.money))
        except BaseException:
            self._loop.call_soon_threadsafe(batch.stop)
            with suppress(Exception):
                for number, answer in iter(arrived.get, None):
                    on_answer(number, answer)
            raise
        ended.result()
        return found

    async def aanswers(self, prompts: Sequence[Prompt], on_answer: OnAnswer = ignore_answer) -> list[Answer | None]:
        """Answer as ``answers`` does, in another thread; ``on_answer`` is called in that thread too."""
        return await asyncio.to_thread(self.answers, prompts, on_answer)

    def close(self) -> None:
        """Cancel the calls under way and end the thread; closing again does nothing."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _ask(self, prompt: Prompt, slot: Slot) -> Answer | None:
        """Call the model, with retries; None where the budget has no room."""
        slot.worst = Usage(1, prompt_limit(prompt) if self._account.budget.counts_tokens else 0, self._output_limit)
        for attempt in count(1):
            try:
                return await self._call(prompt, slot)
            except NoRoomError:
                return None
            except MetachainError:
                raise
            except Exception as error:
                asked = retry_after(error) or 0.0
                final = slot.closing or attempt > self._retries or asked > LONGEST_RETRY_AFTER
                if final or not is_transient(error):
                    raise ModelError(_failure_message(error, attempt)) from error
                seconds = max(asked, self._wait(attempt))
            await asyncio.sleep(seconds)
        return None

    async def _call(self, prompt: Prompt, slot: Slot) -> Answer:
        used: Usage | None = None
        try:
            message = await self._model.ainvoke(list(prompt))
            answer = self._answer(prompt, message, cached=slot.reservation is None)
            if not (answer.estimated and self._account.budget.counts_tokens):
                used = Usage(1, answer.input_tokens, answer.output_tokens)
        except Exception as error:
            used = Usage(calls=1) if is_unbilled(error) else None
            raise
        finally:
            self._gate.settle(slot, used)
        return answer

    def _answer(self, prompt: Prompt, message: AIMessage, *, cached: bool) -> Answer:
        if cached and (self._model.cache is False or not (self._model.cache or get_llm_cache())):
            name = type(self._model).__name__
            raise DataError(f"calls of {name} can't be counted, as it asks no 'rate_limiter' before one")
        text, usage = str(message.text), message.usage_metadata
        if usage is not None and "input_tokens" in usage:
            return Answer(text, usage["input_tokens"], usage["output_tokens"], cached, estimated=False)
        read, written = count_tokens_approximately(prompt), count_tokens_approximately([AIMessage(text)])
        return Answer(text, read, written, cached, estimated=True)


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
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


def _failure_message(error: Exception, attempts: int) -> str:
    status = status_of(error)
    what = f"{type(error).__name__}{f' {status}' if status else ''}: {' '.join(str(error).split())[:200]}"
    if status in {401, 403}:
        return f"the model may not be asked ({what}); set or renew the provider's key"
    if status == 404:
        return f"the provider has no such model ({what}); look its name up"
    if is_transient(error):
        return f"the model didn't answer in {attempts} attempts ({what}); all answers so far are kept, go on later"
    return f"the model can't be asked ({what}); all answers so far are kept"


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

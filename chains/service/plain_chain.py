"""Answers of metachain's own chains as plain calls: no tree of runs, where nothing listens to one."""

import asyncio
import logging
from collections.abc import Sequence
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any
from uuid import uuid4

from langchain_core.globals import get_debug
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable, RunnableBinding, RunnableConfig, RunnableLambda, RunnableSequence
from langserve.serialization import WellKnownLCSerializer
from langsmith.utils import tracing_is_enabled
from starlette.responses import Response

from metachain.chains.answers.cleaning import Cleaning
from metachain.chains.audit_callback import complete_entry, demonstration_tokens, model_name, usage_of
from metachain.chains.feedback import cleaned_answer, outcome_of, text_of_answer
from metachain.chains.few_shot import AnswerStep, PlainSteps
from metachain.chains.select_step import INSTITUTION, SelectDemonstrations
from metachain.chains.service.fair_queue import FairQueue
from metachain.chains.service.metrics import Metrics
from metachain.chains.service.micro_batches import MicroBatches
from metachain.failures import facts_of
from metachain.library.caller import Caller, caller
from metachain.library.library import Library

__all__ = ["PlainChain"]

logger = logging.getLogger("metachain.server")

CLEANING = Cleaning()
SERIALIZER = WellKnownLCSerializer()
Prepared = tuple[dict[str, Any], list[BaseMessage], Any]
"""Demonstrations as shown, messages for the model, and facts that its answer needs."""


@dataclass(frozen=True)
class _Input:
    given: dict[str, Any]
    caller: Caller
    characters: int


@dataclass(frozen=True)
class PlainChain:
    """A chain that selects, asks one chat model once in words, and turns its answer into its own."""

    select: SelectDemonstrations
    chat: BaseChatModel
    steps: PlainSteps
    rest: Sequence[Runnable[Any, Any]]
    library: Library
    metrics: Metrics
    batches: MicroBatches[_Input, Prepared]

    @classmethod
    def of(cls, chain: Runnable[Any, Any], library: Library, metrics: Metrics, queue: FairQueue) -> "PlainChain | None":
        """The plain form of a chain; None where it has none, or something listens to its runs."""
        if tracing_is_enabled() or get_debug() or not isinstance(chain, RunnableSequence):
            return None
        select, answering, *rest = map(_bare, chain.steps)
        if not isinstance(select, SelectDemonstrations) or not isinstance(answering, AnswerStep):
            return None
        if answering.chat is None or answering.plain is None or not all(map(_is_function, rest)):
            return None
        if select.audit is not library.audit:
            return None
        return cls(select, answering.chat, answering.plain, rest, library, metrics, MicroBatches(queue))

    async def invoke(self, given: dict[str, Any], institution: str, asking: str) -> Response:
        """Answer one input as LangServe does; the selection waits for the turn of ``asking``, the caller's name.

        What waits for one institution is selected together.
        """
        one = _Input(given, caller(), sum(len(text) for text in given.values() if isinstance(text, str)))
        select = partial(self._prepared, institution)
        group = institution, given.get(INSTITUTION, "")
        shown, messages, prepared = await self.batches.run(asking, group, one, one.characters, select)
        if type(self.chat)._agenerate is BaseChatModel._agenerate:  # a thread would run it anyway
            body = await asyncio.to_thread(self._asked_and_answered, shown, messages, prepared)
        else:
            body = await asyncio.to_thread(self._answered, shown, await self._asked(shown, messages), prepared)
        return Response(body, media_type="application/json")

    def _prepared(self, institution: str, batch: "Sequence[_Input]") -> list[Prepared]:
        begun, config = perf_counter(), RunnableConfig(configurable={INSTITUTION: institution})
        every = self.select.show_many([one.given for one in batch], config, [one.caller for one in batch])
        for shown in every:
            self.metrics.count_selection(shown, (perf_counter() - begun) / len(batch))
        return [(shown, *self.steps.prompt_of(shown)) for shown in every]

    async def _asked(self, shown: dict[str, Any], messages: list[BaseMessage]) -> AIMessage:
        try:
            return await self.chat.ainvoke(messages)
        except BaseException as error:
            completing = asyncio.get_running_loop().run_in_executor(None, copy_context().run, self._failed, shown)
            if isinstance(error, Exception):  # a request that was given up does not wait
                await completing
            raise

    def _asked_and_answered(self, shown: dict[str, Any], messages: list[BaseMessage], prepared: Any) -> bytes:
        try:
            message = self.chat.invoke(messages)
        except Exception:
            self._failed(shown)
            raise
        return self._answered(shown, message, prepared)

    def _failed(self, shown: dict[str, Any]) -> None:
        """Note a call that gave no answer: the model was sent the demonstrations all the same."""
        self.metrics.count_call(None)
        facts = {"model": self._model(), **demonstration_tokens(shown)}
        complete_entry(self.library.audit, shown["selection_id"], **facts)

    def _answered(self, shown: dict[str, Any], message: AIMessage, prepared: Any) -> bytes:
        self.metrics.count_call([message])
        answer, id = self.steps.answer_of(str(message.text), shown, prepared), str(uuid4())
        for one in self.rest:
            answer = one.invoke(answer)
        self._record(id, shown, message, answer)
        return b'{"output":%b,"metadata":{"run_id":"%b","feedback_tokens":[]}}' % (
            SERIALIZER.dumps(answer),
            id.encode(),
        )

    def _record(self, id: str, shown: dict[str, Any], message: AIMessage, answer: Any) -> None:
        """Store the answer; it reaches the caller even where that fails."""
        model, used, text = self._model(), usage_of([message]), text_of_answer(answer)
        try:
            if text is None:
                complete_entry(self.library.audit, shown["selection_id"], model=model, **used)
                return
            outcome = outcome_of(id, shown, model, cleaned_answer(text, shown, CLEANING), used)
            facts: dict[str, Any] = {"model": model, **demonstration_tokens(shown), **used}
            self.library.record_answer(outcome, shown["selection_id"], **facts)
        except Exception as error:  # noqa: BLE001 - counted and logged, with ids only
            self.metrics.count_unwritten(error)
            logger.warning("the run %s was not recorded: %s", id, type(error).__name__, extra=facts_of(error))

    def _model(self) -> str:
        return model_name(dict(self.chat._get_ls_params()))


def _is_function(step: Runnable[Any, Any]) -> bool:
    """True for a step that calls a function which is not asynchronous."""
    return hasattr(step, "func") if isinstance(step, RunnableLambda) else hasattr(step, "_transform")


def _bare(step: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """A step without a binding that only tells its types."""
    if not isinstance(step, RunnableBinding) or step.kwargs or step.config or step.config_factories:
        return step
    bound: Runnable[Any, Any] = step.bound
    return bound

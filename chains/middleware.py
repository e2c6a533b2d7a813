"""Demonstrations for an agent: selected for the latest user message, and never part of the agent's state."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
from langchain_core.messages import BaseMessage, HumanMessage

from metachain.chains.audit_callback import complete_entry, model_name, usage_of
from metachain.chains.demonstration_source import turn
from metachain.chains.prompt_budget import PromptBudget
from metachain.errors import DataError
from metachain.learning.policy import DEFAULT, Policy
from metachain.library.library import Library
from metachain.normal_form import normal_form
from metachain.selection.selection import Selection
from metachain.selection.selector_cache import SelectorCache

__all__ = ["DemonstrationMiddleware", "institution_of"]


class DemonstrationMiddleware(AgentMiddleware[AgentState[Any], Any, Any]):
    """Adds, in each model call of an agent, the demonstrations for the latest user message right before it.

    They are chat turns as in ``few_shot_prompt``, and part of that call only: the agent's state never holds them. The
    target institution is the ``institution`` of the run's context:
    ``agent.invoke(…, context={"institution": "st-marys"})``. A run without one raises DataError; a run with an
    institution that the library does not know raises NotFoundError. A user message without text gets no
    demonstrations. The library must hold a prior (``metachain learn``). Labels that an institution adds later count
    from the next model call on. ``policy`` and ``k`` are those of ``MetaExampleSelector``.
    """

    def __init__(self, library: Library, k: int | None = None, policy: Policy = DEFAULT) -> None:
        super().__init__()
        self._library = library
        self._selectors = SelectorCache(library, k, policy)

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Call the model with the demonstrations among its messages."""
        extended, shown = self._with_demonstrations(request)
        response: ModelResponse[Any] | None = None
        try:
            response = handler(extended)
            return response
        finally:
            self._complete_entry(shown, request, response)

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """Select without blocking the event loop, then call the model as ``wrap_model_call`` does."""
        extended, shown = await asyncio.to_thread(self._with_demonstrations, request)
        response: ModelResponse[Any] | None = None
        try:
            response = await handler(extended)
            return response
        finally:
            await asyncio.to_thread(self._complete_entry, shown, request, response)

    def _with_demonstrations(self, request: ModelRequest[Any]) -> tuple[ModelRequest[Any], Selection | None]:
        selector = self._selectors.of(institution_of(getattr(request.runtime, "context", None)))
        messages = request.messages
        last = max((place for place, one in enumerate(messages) if isinstance(one, HumanMessage)), default=None)
        if last is None or not str(messages[last].text).strip():
            return request, None
        selection = selector.select(str(messages[last].text))
        turns: list[Any] = _turns(selection)
        return request.override(messages=[*messages[:last], *turns, *messages[last:]]), selection

    def _complete_entry(
        self, shown: Selection | None, request: ModelRequest[Any], response: ModelResponse[Any] | None
    ) -> None:
        if shown is None:
            return
        model = model_name(request.model._get_ls_params())
        used = usage_of(response.result) if response else {}
        tokens = PromptBudget().count(_turns(shown))
        complete_entry(self._library.audit, shown.id, model=model, demonstration_tokens=tokens, **used)


def _turns(shown: Selection) -> list[BaseMessage]:
    return [message for one in shown.demonstrations for message in turn(one.input, one.output)]


def institution_of(context: Any) -> str:
    """Read the target institution: the context's key or attribute ``institution``. Raises DataError without one."""
    named = context.get("institution") if isinstance(context, Mapping) else getattr(context, "institution", None)
    if isinstance(named, str) and normal_form(named):
        return normal_form(named)
    got = "no context" if context is None else f"{named!r} in a context of type {type(context).__name__}"
    raise DataError(
        f"the agent's context must name the institution, got {got}; run it with context={{'institution': 'st-marys'}}"
    )

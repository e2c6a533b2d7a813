"""Demonstrations for an agent: chosen for the latest user message, shown to the model, never kept."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
from langchain_core.messages import BaseMessage, HumanMessage

from metachain.chains.audit_callback import model_name, tell, usage_of
from metachain.chains.few_shot import turn
from metachain.chains.prompt_budget import PromptBudget
from metachain.errors import DataError
from metachain.learning.policy import DEFAULT, Policy
from metachain.library.library import Library
from metachain.selection.selection import Selection
from metachain.selection.selector_cache import SelectorCache

__all__ = ["DemonstrationMiddleware", "institution_of"]


class DemonstrationMiddleware(AgentMiddleware[AgentState[Any], Any, Any]):
    """Shows an agent's model, in each call, the demonstrations for the latest user message, right before it.

    They are chat turns as in ``few_shot_prompt``, part of that call only: the agent's state never holds them. Who asks
    is the ``institution`` of the run's context, ``agent.invoke(…, context={"institution": "st-marys"})``. A run
    without one ends in a DataError, with one that the library does not know in a NotFoundError. Where the user said
    nothing in words, nothing is shown. The library must have learned (``metachain learn``). An institution's later
    labels count from the next model call on. ``policy`` and ``k`` are those of ``MetaExampleSelector``.
    """

    def __init__(self, library: Library, k: int | None = None, policy: Policy = DEFAULT) -> None:
        super().__init__()
        self._library = library
        self._selectors = SelectorCache(library, k, policy)

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Call the model with the demonstrations among its messages."""
        with_them, shown = self._showing(request)
        response: ModelResponse[Any] | None = None
        try:
            response = handler(with_them)
            return response
        finally:
            self._tell(shown, request, response)

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """Select without holding up the event loop, then call the model as ``wrap_model_call`` does."""
        with_them, shown = await asyncio.to_thread(self._showing, request)
        response: ModelResponse[Any] | None = None
        try:
            response = await handler(with_them)
            return response
        finally:
            await asyncio.to_thread(self._tell, shown, request, response)

    def _showing(self, request: ModelRequest[Any]) -> tuple[ModelRequest[Any], Selection | None]:
        selector = self._selectors.of(institution_of(getattr(request.runtime, "context", None)))
        messages = request.messages
        last = max((place for place, one in enumerate(messages) if isinstance(one, HumanMessage)), default=None)
        if last is None or not str(messages[last].text).strip():
            return request, None
        selection = selector.select(str(messages[last].text))
        turns: list[Any] = _turns(selection)
        return request.override(messages=[*messages[:last], *turns, *messages[last:]]), selection

    def _tell(self, shown: Selection | None, request: ModelRequest[Any], response: ModelResponse[Any] | None) -> None:
        if shown is None:
            return
        model = model_name(request.model._get_ls_params())
        used = usage_of(response.result) if response else {}
        tokens = PromptBudget().count(_turns(shown))
        tell(self._library.audit, shown.id, model=model, demonstration_tokens=tokens, **used)


def _turns(shown: Selection) -> list[BaseMessage]:
    return [message for one in shown.demonstrations for message in turn(one.input, one.output)]


def institution_of(context: Any) -> str:
    """Who asks: the context's key or attribute ``institution``. Raises DataError where there is none."""
    named = context.get("institution") if isinstance(context, Mapping) else getattr(context, "institution", None)
    if isinstance(named, str) and named.strip():
        return named
    got = "no context" if context is None else f"{named!r} in a context of type {type(context).__name__}"
    raise DataError(
        f"the agent's context must name who asks as 'institution', got {got}; "
        "run it with context={'institution': 'st-marys'}"
    )

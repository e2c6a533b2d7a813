"""The first step of every chain: find the target institution, and select its demonstrations."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.messages import BaseMessage
from langchain_core.runnables import ConfigurableFieldSpec, Runnable, RunnableConfig, ensure_config
from langchain_core.utils.pydantic import create_model_v2
from pydantic import BaseModel

from metachain.chains.demonstration_source import PromptFrame, Query, source_of
from metachain.chains.prompt_budget import PromptBudget
from metachain.errors import DataError
from metachain.library.audit import Audit
from metachain.library.caller import Caller
from metachain.normal_form import normal_form

__all__ = ["INSTITUTION", "IN_TURN", "SELECTION_RUN", "SelectDemonstrations", "institution_asking"]

SELECTION_RUN = "select_demonstrations"
"""Name of the run. ``on_chain_start`` gets the name; ``on_chain_end`` gets the output."""
INSTITUTION = "institution"
IN_TURN: ContextVar[Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]] = ContextVar(
    "in turn", default=lambda work: work()
)
"""Runs an asynchronous selection, at once by default; a server sets its queue here."""
FIELD = ConfigurableFieldSpec(
    id=INSTITUTION,
    annotation=str,
    name="Institution",
    description="The target institution. Set it from the authenticated caller; an input with another name is refused.",
    default="",
)


class SelectDemonstrations(Runnable[dict[str, Any], dict[str, Any]]):
    """Selects for ``{input_key: text}`` and the institution in the input or the config, within a token budget.

    ``MetaExampleSelector`` and ``LibraryExampleSelector`` give the most useful demonstrations for their length. The
    utility of other selectors' examples is unknown, so as many as fit are kept. The output is a ``Shown``.
    """

    name = SELECTION_RUN

    def __init__(
        self,
        selector: BaseExampleSelector,
        budget: PromptBudget | None = None,
        instructions: Sequence[BaseMessage] = (),
        *,
        input_key: str = "input",
        output_key: str = "output",
    ) -> None:
        if not isinstance(selector, BaseExampleSelector):
            raise DataError(f"'selector' must be a LangChain example selector, got {type(selector).__name__}")
        for key in (input_key, output_key):
            if not isinstance(key, str) or not key.isidentifier() or key == INSTITUTION:
                raise DataError(f"a key of the prompt must be a plain name such as 'input', got {key!r}")
        self._input_key = input_key
        frame = PromptFrame(budget or PromptBudget(), tuple(instructions))
        self._source = source_of(selector, frame, input_key=input_key, output_key=output_key)

    def invoke(self, input: dict[str, Any], config: RunnableConfig | None = None, **kwargs: Any) -> dict[str, Any]:
        """Select. Raises DataError for an input of another shape, and where the institution is not named."""
        ensured = ensure_config(config)
        return self._call_with_config(lambda given: self.show(given, ensured), input, config)

    @property
    def label_separator(self) -> str:
        """Separators of the labels in an output, from the selector's library; empty where each output is one label."""
        return self._source.label_separator

    def show(self, given: dict[str, Any], config: RunnableConfig) -> dict[str, Any]:
        """Select as ``invoke`` does, as no run of its own."""
        return dict(self._source.shown(self._query(given, config)))

    def show_many(
        self, given: Sequence[dict[str, Any]], config: RunnableConfig, callers: Sequence[Caller]
    ) -> list[dict[str, Any]]:
        """Select for n inputs at once, each under its own caller, as no runs of their own."""
        return [dict(one) for one in self._source.shown_many([self._query(one, config) for one in given], callers)]

    async def ainvoke(
        self, input: dict[str, Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Select without blocking the event loop."""
        ensured = ensure_config(config)

        async def select(given: dict[str, Any]) -> dict[str, Any]:
            query = self._query(given, ensured)
            return dict(await IN_TURN.get()(lambda: self._source.ashown(query)))

        return await self._acall_with_config(select, input, config)

    @property
    def audit(self) -> Audit | None:
        """The audit that records the selections; None for selectors other than metachain's."""
        return self._source.audit

    def labels(self, institution: str) -> tuple[str, ...]:
        """Known outputs of the target institution; empty where the selector knows none."""
        return self._source.labels(institution)

    def get_input_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """Two texts: the query and the institution. Neither is nullable, which LangServe's playground can't draw."""
        fields: dict[str, Any] = {self._input_key: (str, ...), INSTITUTION: (str, "")}
        return create_model_v2("ChainInput", field_definitions=fields)

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """The institution, which may be set in ``config["configurable"]``."""
        return [FIELD]

    def _query(self, given: Any, config: RunnableConfig) -> Query:
        key = self._input_key
        if not isinstance(given, Mapping) or not isinstance(given.get(key), str):
            got = (
                {name: type(one).__name__ for name, one in given.items()} if isinstance(given, Mapping) else type(given)
            )
            raise DataError(f"the chain's input must be {{{key!r}: a text}}, got {got}")
        institution = institution_asking(given, config, self._source.institution)
        if not institution and self._source.institution_required:
            raise DataError(
                f"the chain serves a whole library, so each call must name the institution: name it in the input, "
                f"{{{key!r}: …, 'institution': 'st-marys'}}, or in config={{'configurable': {{'institution': …}}}}"
            )
        variables = {name: value for name, value in given.items() if name != INSTITUTION}
        return Query(given[key], institution, variables | ({INSTITUTION: institution} if institution else {}))


def institution_asking(given: Mapping[str, Any], config: RunnableConfig, own: str = "") -> str:
    """Find the target institution in the input, the config, or the selector (``own``); empty where none is named.

    Raises DataError where two of them differ, so that a client can't override the institution that its server sets.
    """
    places = {
        "the input": given.get(INSTITUTION, ""),
        "the config": config.get("configurable", {}).get(INSTITUTION, ""),
        "the selector": own,
    }
    for place, name in places.items():
        if not isinstance(name, str) or (name and not normal_form(name)):
            raise DataError(f"'institution' in {place} must be a name that is not blank, got {name!r}")
    named = {place: normal_form(name) for place, name in places.items() if name}
    if len(set(named.values())) > 1:
        got = ", ".join(f"{place} says {name!r}" for place, name in named.items())
        raise DataError(f"the institution is not clear: {got}; leave it out of the input, or correct it")
    return next(iter(named.values()), "")

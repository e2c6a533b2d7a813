"""The step that begins every chain: who asks, and which demonstrations are shown."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NotRequired

from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import ConfigurableFieldSpec, Runnable, RunnableConfig, ensure_config
from langchain_core.utils.pydantic import create_model_v2
from pydantic import BaseModel
from typing_extensions import TypedDict  # pydantic takes typing's own from Python 3.12 on

from metachain.chains.prompt_budget import PromptBudget
from metachain.data.demonstration import Demonstration
from metachain.errors import DataError
from metachain.library.audit import Audit
from metachain.retrievers.example_selector import MetaExampleSelector
from metachain.retrievers.library_example_selector import LibraryExampleSelector
from metachain.selection.selection import Selection
from metachain.selection.token_budget import positions_within, select_within

__all__ = ["INSTITUTION", "SELECTION_RUN", "SelectDemonstrations", "Shown", "ShownDemonstration", "institution_asking"]


SELECTION_RUN = "select_demonstrations"
"""The run's name: a callback finds its output in ``on_chain_end``, its name in ``on_chain_start``."""


class ShownDemonstration(TypedDict):
    """One demonstration in the prompt. Of a selector that is not metachain's, only texts and tokens are known."""

    input: str
    output: str
    tokens: int
    """Of both turns, as the prompt's budget counts them."""
    institution: NotRequired[str]
    """Where it comes from."""
    id: NotRequired[str]
    score: NotRequired[float]
    similarity: NotRequired[float]
    plausibility: NotRequired[float]
    """As ``metachain.selection.selection.Chosen`` has them."""


class Shown(TypedDict):
    """All of them, as JSON can say it."""

    selection_id: NotRequired[str]
    """Of the entry in the library's audit; another selector's examples have none."""

    institution: str
    """Who asks; empty where nobody was named."""
    method: str
    """Who chose: ``metachain``, ``nearest``, or the class of another selector."""
    input: str
    """The query."""
    demonstrations: list[ShownDemonstration]
    """In prompt order, the best last (first, where the policy says so)."""


INSTITUTION = "institution"
FIELD = ConfigurableFieldSpec(
    id=INSTITUTION,
    annotation=str,
    name="Institution",
    description="Who asks. Set it from whom you have authenticated; an input that names another one is refused.",
    default="",
)


class SelectDemonstrations(Runnable[dict[str, Any], dict[str, Any]]):
    """Chooses for ``{input_key: text}`` and the institution that the input or the config names, within a budget.

    ``MetaExampleSelector`` and ``LibraryExampleSelector`` give what is most useful for its length. The examples of
    other selectors have no known utility, so they count alike: those most of which fit are kept. The output is a
    ``Shown``.
    """

    name = SELECTION_RUN

    def __init__(
        self,
        selector: BaseExampleSelector,
        budget: PromptBudget | None = None,
        told: Sequence[BaseMessage] = (),
        *,
        input_key: str = "input",
        output_key: str = "output",
    ) -> None:
        if not isinstance(selector, BaseExampleSelector):
            raise DataError(f"'selector' must be a LangChain example selector, got {type(selector).__name__}")
        for key in (input_key, output_key):
            if not isinstance(key, str) or not key.isidentifier() or key == INSTITUTION:
                raise DataError(f"a key of the prompt must be a plain name such as 'input', got {key!r}")
        self._selector = selector
        self._budget = budget or PromptBudget()
        self._told = tuple(told)
        self._input_key = input_key
        self._output_key = output_key

    def invoke(self, input: dict[str, Any], config: RunnableConfig | None = None, **kwargs: Any) -> dict[str, Any]:
        """Select. Raises DataError for an input that is not what it must be, or where it is not said who asks."""
        ensured = ensure_config(config)
        return self._call_with_config(lambda given: dict(self._select(given, ensured)), input, config)

    async def ainvoke(
        self, input: dict[str, Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Select without holding up the event loop."""
        ensured = ensure_config(config)

        async def select(given: dict[str, Any]) -> dict[str, Any]:
            return dict(await self._aselect(given, ensured))

        return await self._acall_with_config(select, input, config)

    @property
    def audit(self) -> Audit | None:
        """Where selections are recorded; None with another selector, whose selections are not."""
        selector = self._selector
        return selector.library.audit if isinstance(selector, MetaExampleSelector | LibraryExampleSelector) else None

    def labels(self, institution: str) -> tuple[str, ...]:
        """The asking institution's own known outputs; none where the selector has no such thing."""
        if isinstance(self._selector, LibraryExampleSelector):
            return self._selector.of(institution).labels
        return tuple(getattr(self._selector, "labels", ()))

    def get_input_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """The text, and who asks: never optional in the sense of None, which LangServe's playground can't draw."""
        fields: dict[str, Any] = {self._input_key: (str, ...), INSTITUTION: (str, "")}
        return create_model_v2("ChainInput", field_definitions=fields)

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """Who asks may be set in ``config["configurable"]``."""
        return [FIELD]

    def _select(self, given: Any, config: RunnableConfig) -> Shown:
        text, institution = self._asked(given, config)
        if self._is_ours():
            count = cache(self._count)
            return self._explained(self._choice(text, institution, count), count)
        examples = self._selector.select_examples(_variables(given, institution))
        return self._described(text, institution, examples)

    async def _aselect(self, given: Any, config: RunnableConfig) -> Shown:
        if self._is_ours():
            return await asyncio.to_thread(self._select, given, config)
        text, institution = self._asked(given, config)
        examples = await self._selector.aselect_examples(_variables(given, institution))
        return await asyncio.to_thread(self._described, text, institution, examples)

    def _is_ours(self) -> bool:
        return isinstance(self._selector, MetaExampleSelector | LibraryExampleSelector)

    def _asked(self, given: Any, config: RunnableConfig) -> tuple[str, str]:
        key = self._input_key
        if not isinstance(given, Mapping) or not isinstance(given.get(key), str):
            said = (
                {name: type(one).__name__ for name, one in given.items()} if isinstance(given, Mapping) else type(given)
            )
            raise DataError(f"the chain's input must be {{{key!r}: a text}}, got {said}")
        own = self._selector.institution if isinstance(self._selector, MetaExampleSelector) else ""
        named = institution_asking(given, config, own)
        if not named and isinstance(self._selector, LibraryExampleSelector):
            raise DataError(
                f"the chain serves a whole library and was not told who asks: name it in the input, "
                f"{{{key!r}: …, 'institution': 'st-marys'}}, or in config={{'configurable': {{'institution': …}}}}"
            )
        return given[key], named

    def _choice(self, text: str, institution: str, count: Callable[[Demonstration], int]) -> Selection:
        room = self._budget.room([*self._told, HumanMessage(text)])
        if isinstance(self._selector, LibraryExampleSelector):
            core = self._selector.of(institution)
            return core.select(text) if room is None else select_within(core, text, room, count)
        ours: Any = self._selector
        chosen: Selection = ours.explain(text) if room is None else ours.explain_within(text, room, count)
        return chosen

    def _explained(self, selection: Selection, count: Callable[[Demonstration], int]) -> Shown:
        demonstrations = [
            ShownDemonstration(
                input=one.demonstration.input,
                output=one.demonstration.output,
                tokens=count(one.demonstration),
                institution=one.demonstration.institution,
                id=one.demonstration.id,
                score=one.score,
                similarity=one.similarity,
                plausibility=one.plausibility,
            )
            for one in (reversed(selection.chosen) if selection.best_first else selection.chosen)
        ]
        return Shown(
            selection_id=selection.id,
            institution=selection.institution,
            method=selection.method,
            input=selection.query,
            demonstrations=demonstrations,
        )

    def _described(self, text: str, institution: str, examples: Sequence[Mapping[str, Any]]) -> Shown:
        room = self._budget.room([*self._told, HumanMessage(text)])
        keys = {self._input_key, self._output_key}
        for one in examples:
            if not keys <= one.keys():
                raise DataError(
                    f"the selector's examples must hold {self._input_key!r} and {self._output_key!r}, got "
                    f"{list(one)}: name the keys that they have in 'input_key' and 'output_key'"
                )
        turns = [(str(one[self._input_key]), str(one[self._output_key])) for one in examples]
        found = [ShownDemonstration(input=asked, output=said, tokens=self._turn(asked, said)) for asked, said in turns]
        if room is not None:
            places = positions_within([1.0] * len(found), [one["tokens"] for one in found], room)
            found = [found[place] for place in places]
        return Shown(institution=institution, method=type(self._selector).__name__, input=text, demonstrations=found)

    def _count(self, one: Demonstration) -> int:
        return self._turn(one.input, one.output)

    def _turn(self, asked: str, said: str) -> int:
        return self._budget.count([HumanMessage(asked), AIMessage(said)])


def institution_asking(given: Mapping[str, Any], config: RunnableConfig, own: str = "") -> str:
    """Who asks: named in the input, in the config, or the selector's ``own``; empty where nowhere.

    Raises DataError where two of them differ, so that a client can't name another than its server has set.
    """
    places = {
        "the input": given.get(INSTITUTION, ""),
        "the config": config.get("configurable", {}).get(INSTITUTION, ""),
        "the selector": own,
    }
    for place, name in places.items():
        if not isinstance(name, str) or (name and not name.strip()):
            raise DataError(f"'institution' in {place} must be a name that is not blank, got {name!r}")
    named = {place: name for place, name in places.items() if name}
    if len(set(named.values())) > 1:
        said = ", ".join(f"{place} says {name!r}" for place, name in named.items())
        raise DataError(f"it is not clear which institution asks: {said}; leave it out of the input, or correct it")
    return next(iter(named.values()), "")


def _variables(given: Mapping[str, Any], institution: str) -> dict[str, Any]:
    """What another selector is handed: all of the input, and who asks where somebody is named."""
    rest = {name: value for name, value in given.items() if name != INSTITUTION}
    return {**rest, INSTITUTION: institution} if institution else rest

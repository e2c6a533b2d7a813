"""Sources of the demonstrations in a prompt: selectors of metachain, and any other example selector."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NotRequired, Protocol

from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from typing_extensions import TypedDict  # pydantic accepts typing.TypedDict from Python 3.12 on

from metachain.chains.prompt_budget import PromptBudget
from metachain.data.demonstration import Demonstration
from metachain.errors import DataError
from metachain.library.audit import Audit
from metachain.library.caller import Caller, called_by
from metachain.retrievers.explaining_selector import CountTokens, ExplainingSelector
from metachain.retrievers.library_example_selector import LibraryExampleSelector
from metachain.selection.selection import Selection
from metachain.selection.token_budget import positions_within

__all__ = ["DemonstrationSource", "PromptFrame", "Query", "Shown", "ShownDemonstration", "source_of", "turn"]


class ShownDemonstration(TypedDict):
    """One demonstration in the prompt. Selectors other than metachain's give texts and tokens only."""

    input: str
    output: str
    tokens: int
    """Tokens of both turns, as the prompt's budget counts them."""
    institution: NotRequired[str]
    id: NotRequired[str]
    score: NotRequired[float]
    similarity: NotRequired[float]
    plausibility: NotRequired[float]
    """Score, similarity and plausibility are those of ``metachain.selection.selection.Chosen``."""


class Shown(TypedDict):
    """All demonstrations in one prompt, as JSON."""

    selection_id: NotRequired[str]
    """Id of the entry in the library's audit; absent for selectors other than metachain's."""
    institution: str
    """The target institution; empty where nobody named one."""
    method: str
    """``metachain``, ``nearest``, or the class name of another selector."""
    input: str
    demonstrations: list[ShownDemonstration]
    """In prompt order: the best last, or first where the policy says so."""
    answers: NotRequired[dict[str, float]]
    """Probability of each candidate's answer, most probable first; absent where the selection has no posterior."""


def turn(input: str, output: str) -> list[BaseMessage]:
    """Build the two messages of one demonstration: the user's and the assistant's."""
    return [HumanMessage(input), AIMessage(output)]


@dataclass(frozen=True)
class PromptFrame:
    """The fixed part of a chain's prompt: its instructions, and its token budget."""

    budget: PromptBudget
    instructions: tuple[BaseMessage, ...] = ()

    def room(self, query: str) -> int | None:
        """Count the tokens left for demonstrations; None without a limit. Raises DataError where there are none."""
        return self.budget.room([*self.instructions, HumanMessage(query)])

    def tokens(self, input: str, output: str) -> int:
        """Count the tokens of one demonstration."""
        return self.budget.count(turn(input, output))


@dataclass(frozen=True)
class Query:
    """One query of a chain."""

    text: str
    institution: str
    """The target institution; empty where nobody named one."""
    variables: Mapping[str, Any]
    """The chain's whole input, for selectors other than metachain's."""


class DemonstrationSource(Protocol):
    """Gives the demonstrations of each query."""

    institution: str
    """The only institution that it serves; empty where it serves any."""
    institution_required: bool
    audit: Audit | None
    """The audit that records selections; None where none are recorded."""

    @property
    def label_separator(self) -> str:
        """Separators of the labels in an output; empty where each output is one label, or nobody knows."""

    def labels(self, institution: str) -> tuple[str, ...]:
        """Known outputs of an institution; empty where the selector knows none."""

    def shown(self, query: Query) -> Shown:
        """Select the demonstrations of a query."""

    async def ashown(self, query: Query) -> Shown:
        """Select without blocking the event loop."""

    def shown_many(self, queries: Sequence[Query], callers: Sequence[Caller]) -> list[Shown]:
        """Select for n queries, each under its own caller."""


def source_of(
    selector: BaseExampleSelector, frame: PromptFrame, *, input_key: str, output_key: str
) -> DemonstrationSource:
    """Make a source of an example selector; the keys are those of its examples."""
    if isinstance(selector, ExplainingSelector):
        return _ExplainedSource(selector, frame)
    return _ExampleSource(selector, frame, input_key, output_key)


class _ExplainedSource:
    def __init__(self, selector: ExplainingSelector, frame: PromptFrame) -> None:
        self._selector, self._frame = selector, frame
        self.institution = selector.institution
        self.institution_required = not self.institution
        self.audit: Audit | None = selector.library.audit

    @property
    def label_separator(self) -> str:
        return self._selector.library.label_separator

    def labels(self, institution: str) -> tuple[str, ...]:
        return self._selector.labels_of(institution)

    def shown(self, query: Query) -> Shown:
        tokens = cache(self._tokens)
        room = self._frame.room(query.text)
        return _shown(self._selector.explain_for(query.institution, query.text, room, tokens), tokens)

    async def ashown(self, query: Query) -> Shown:
        return await asyncio.to_thread(self.shown, query)

    def shown_many(self, queries: Sequence[Query], callers: Sequence[Caller]) -> list[Shown]:
        names = {one.institution for one in queries}
        limited = self._frame.budget.tokens is not None
        if len(names) != 1 or limited or not isinstance(self._selector, LibraryExampleSelector):
            return _each(self, queries, callers)
        found = self._selector.explain_many(names.pop(), [one.text for one in queries], callers)
        return [_shown(one, cache(self._tokens)) for one in found]

    def _tokens(self, one: Demonstration) -> int:
        return self._frame.tokens(one.input, one.output)


class _ExampleSource:
    institution = ""
    label_separator = ""
    institution_required = False
    audit: Audit | None = None

    def __init__(self, selector: BaseExampleSelector, frame: PromptFrame, input_key: str, output_key: str) -> None:
        self._selector, self._frame, self._input_key, self._output_key = selector, frame, input_key, output_key

    def labels(self, institution: str) -> tuple[str, ...]:
        return tuple(getattr(self._selector, "labels", ()))

    def shown(self, query: Query) -> Shown:
        return self._shown(query, self._selector.select_examples(dict(query.variables)))

    async def ashown(self, query: Query) -> Shown:
        examples = await self._selector.aselect_examples(dict(query.variables))
        return await asyncio.to_thread(self._shown, query, examples)

    def shown_many(self, queries: Sequence[Query], callers: Sequence[Caller]) -> list[Shown]:
        return _each(self, queries, callers)

    def _shown(self, query: Query, examples: Sequence[Mapping[str, Any]]) -> Shown:
        room = self._frame.room(query.text)
        found = [self._demonstration(one) for one in examples]
        if room is not None:
            places = positions_within([1.0] * len(found), [one["tokens"] for one in found], room)
            found = [found[place] for place in places]
        method = type(self._selector).__name__
        return Shown(institution=query.institution, method=method, input=query.text, demonstrations=found)

    def _demonstration(self, example: Mapping[str, Any]) -> ShownDemonstration:
        if not {self._input_key, self._output_key} <= example.keys():
            raise DataError(
                f"the selector's examples must hold {self._input_key!r} and {self._output_key!r}, got "
                f"{list(example)}: name the keys that they have in 'input_key' and 'output_key'"
            )
        input, output = str(example[self._input_key]), str(example[self._output_key])
        return ShownDemonstration(input=input, output=output, tokens=self._frame.tokens(input, output))


def _each(source: DemonstrationSource, queries: Sequence[Query], callers: Sequence[Caller]) -> list[Shown]:
    found = []
    for query, asking in zip(queries, callers, strict=True):
        with called_by(asking):
            found.append(source.shown(query))
    return found


def _shown(selection: Selection, tokens: CountTokens) -> Shown:
    """Describe a selection as JSON; ``Selection.demonstrations`` sets the order."""
    chosen = {one.demonstration.key: one for one in selection.chosen}
    found = [
        ShownDemonstration(
            input=one.input,
            output=one.output,
            tokens=tokens(one),
            institution=one.institution,
            id=one.id,
            score=chosen[one.key].score,
            similarity=chosen[one.key].similarity,
            plausibility=chosen[one.key].plausibility,
        )
        for one in selection.demonstrations
    ]
    shown = Shown(
        selection_id=selection.id,
        institution=selection.institution,
        method=selection.method,
        input=selection.query,
        demonstrations=found,
    )
    if selection.answers:
        shown["answers"] = {one.answer: one.probability for one in selection.answers}
    return shown

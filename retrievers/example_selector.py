"""The example selector that LangChain's few-shot prompts take."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from langchain_core.example_selectors import BaseExampleSelector

from metachain.data.demonstration import Demonstration
from metachain.errors import DataError
from metachain.learning.policy import DEFAULT, Policy
from metachain.learning.posterior import Posterior
from metachain.learning.prior import version_of
from metachain.library.audit import AuditEntry, new_id
from metachain.library.library import Library
from metachain.selection.selection import Selection
from metachain.selection.selector import Selector
from metachain.selection.token_budget import select_within
from metachain.timestamps import now

__all__ = ["MetaExampleSelector", "text_of"]


class MetaExampleSelector(BaseExampleSelector):
    """Chooses, for one institution, the demonstrations that best transfer to each input; the best comes last.

    LangChain hands a selector *all* variables of the prompt. Only ``input_key`` is read, the others are ignored.
    Examples come out as ``{input_key: …, output_key: …}``, at most ``k`` of them, never the input itself. Labels and
    feedback of the institution that are added to the library later, by anybody, count from the next selection on.
    ``policy`` says how they are chosen and ordered (``metachain.selection.learned_policies.load_policy`` reads what was
    learned for a model); ``k`` takes the place of its number.
    """

    def __init__(
        self,
        library: Library,
        posterior: Posterior,
        k: int | None = None,
        input_key: str = "input",
        output_key: str = "output",
        *,
        policy: Policy = DEFAULT,
    ) -> None:
        self.input_key = input_key
        self.output_key = output_key
        self._library = library
        self._posterior = posterior
        self._k = k
        self._policy = policy
        self._selector = self._adapted()

    @property
    def library(self) -> Library:
        """Where it selects from."""
        return self._library

    @property
    def institution(self) -> str:
        """Who is asking."""
        return self._posterior.institution

    @property
    def labels(self) -> tuple[str, ...]:
        """The institution's own known outputs, in alphabetical order."""
        return self._selector.labels if self._selector else ()

    def explain(self, text: str) -> Selection:
        """Select for one input and say why: each demonstration with its scores and a reason."""
        return self._selector.select(text) if self._selector else self._nothing(text)

    def explain_within(self, text: str, budget: int, tokens: Callable[[Demonstration], int]) -> Selection:
        """Select for one input what takes at most ``budget`` tokens, and say why; ``tokens`` counts a demonstration."""
        return select_within(self._selector, text, budget, tokens) if self._selector else self._nothing(text)

    def select_examples(self, input_variables: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Select for the variable ``input_key``; an empty list where the library is empty.

        Raises DataError where the variable is missing, blank or no string.
        """
        return self._examples(self.explain(self._query(input_variables)))

    def select_examples_within(
        self, input_variables: Mapping[str, Any], budget: int, tokens: Callable[[Demonstration], int]
    ) -> list[dict[str, Any]]:
        """Select for the variable ``input_key`` what takes at most ``budget`` tokens, as ``explain_within`` does."""
        return self._examples(self.explain_within(self._query(input_variables), budget, tokens))

    async def aselect_examples(self, input_variables: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Select without holding up the event loop."""
        return await asyncio.to_thread(self.select_examples, input_variables)

    def add_example(self, example: Mapping[str, Any]) -> str:
        """Store one more labelled example of the institution; returns the demonstration's id.

        When this returns the example is on disk and the next selection knows it. Adding it again changes nothing.
        Raises DataError where a key is missing, blank or no string, StorageError where it can't be stored, and
        NotFoundError where the library holds no past institution to adapt from (the example is stored all the same).
        """
        demonstration = Demonstration(
            self.institution,
            text_of(example, self.input_key, "the example"),
            text_of(example, self.output_key, "the example"),
        )
        self._library.add([demonstration])
        if self._selector is None:
            self._selector = self._adapted()
        return demonstration.id

    async def aadd_example(self, example: Mapping[str, Any]) -> str:
        """Store and adapt without holding up the event loop."""
        return await asyncio.to_thread(self.add_example, example)

    def _query(self, input_variables: Mapping[str, Any]) -> str:
        return text_of(input_variables, self.input_key, "the prompt's variables")

    def _examples(self, selection: Selection) -> list[dict[str, Any]]:
        return [{self.input_key: one.input, self.output_key: one.output} for one in selection.demonstrations]

    def _nothing(self, text: str) -> Selection:
        """What an empty library has to show; a selection like any other, so that it is in the audit."""
        found = Selection(self.institution, text, (), "nearest", id=new_id())
        sharing = self._library.sharing
        rules, prior = sharing.usable_by(self.institution).rules, version_of(self._posterior.prior)
        entry = AuditEntry(found.id, now(), found.institution, sharing.purpose, found.method, (), rules, prior)
        self._library.audit.record([entry])
        return found

    def _adapted(self) -> Selector | None:
        """A selector over the library as it is now, which will see the institution's later labels and feedback."""
        if not self._library.institutions():
            return None
        return Selector(self._library, self._posterior, self._k, self._policy)


def text_of(values: Mapping[str, Any], key: str, where: str) -> str:
    """The text under a key of ``where``. Raises DataError where the key is missing, or its value no string."""
    if key not in values:
        held = ", ".join(repr(name) for name in values) or "nothing"
        raise DataError(f"{where} must hold {key!r}, got {held}; add it, or name another key in the selector")
    value = values[key]
    if not isinstance(value, str):
        raise DataError(f"{key!r} must be a string, got {type(value).__name__}")
    return value

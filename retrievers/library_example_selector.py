"""The example selector of all institutions of a library."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.example_selectors import BaseExampleSelector

from metachain.data.demonstration import Demonstration
from metachain.learning.policy import DEFAULT, Policy
from metachain.library.caller import Caller
from metachain.library.library import Library
from metachain.retrievers.example_selector import text_of
from metachain.retrievers.explaining_selector import CountTokens
from metachain.selection.selection import Selection
from metachain.selection.selector import Selector
from metachain.selection.selector_cache import SelectorCache
from metachain.selection.token_budget import select_within

__all__ = ["LibraryExampleSelector"]


class LibraryExampleSelector(BaseExampleSelector):
    """Selects for the institution in the variable ``institution``; each institution has a selector of its own.

    The library must hold a prior (``metachain learn``). An institution's selector is made at its first query, from its
    stored posterior or else from its labels, and is then kept. In a chain, the institution may also be in the config.
    Each example is ``{input_key: …, output_key: …}``; there are at most ``k`` of them, the best last. ``policy``,
    ``k`` and ``filter`` are those of ``MetaExampleSelector``.
    """

    institution = ""

    def __init__(
        self,
        library: Library,
        k: int | None = None,
        input_key: str = "input",
        output_key: str = "output",
        *,
        policy: Policy = DEFAULT,
        filter: Mapping[str, Any] | None = None,
    ) -> None:
        self.library, self.input_key, self.output_key = library, input_key, output_key
        self._selectors = SelectorCache(library, k, policy, filter)

    def of(self, institution: str, *, new: bool = False) -> Selector:
        """Return one institution's selector; with ``new`` also for one without labels that was never adapted to.

        Raises NotFoundError where the library holds no prior, or does not know the institution.
        """
        return self._selectors.of(institution, new=new)

    def labels_of(self, institution: str) -> tuple[str, ...]:
        """Known outputs of an institution, in alphabetical order. Raises NotFoundError as ``of`` does."""
        return self.of(institution).labels()

    def explain_for(
        self, institution: str, text: str, budget: int | None = None, tokens: CountTokens | None = None
    ) -> Selection:
        """Select and give reasons, as ``ExplainingSelector`` specifies. Raises NotFoundError as ``of`` does."""
        selector = self.of(institution)
        if budget is None or tokens is None:
            return selector.select(text)
        return select_within(selector, text, budget, tokens)

    def explain_many(self, institution: str, texts: Sequence[str], callers: Sequence[Caller]) -> list[Selection]:
        """Select for n queries of one institution at once, each recorded under its own caller.

        Raises NotFoundError as ``of`` does, and DataError where one of the texts is blank.
        """
        return self.of(institution).select_many(texts, callers=callers)

    def select_examples(self, input_variables: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Select for the variables ``input_key`` and ``institution``.

        Raises DataError where one of them is missing, blank or no string, and NotFoundError as ``of`` does.
        """
        institution = text_of(input_variables, "institution", "the prompt's variables")
        text = text_of(input_variables, self.input_key, "the prompt's variables")
        chosen = self.of(institution).select(text).demonstrations
        return [{self.input_key: one.input, self.output_key: one.output} for one in chosen]

    async def aselect_examples(self, input_variables: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Select without blocking the event loop."""
        return await asyncio.to_thread(self.select_examples, input_variables)

    def add_example(self, example: Mapping[str, Any]) -> str:
        """Store one more labelled example of its ``institution``, and return the demonstration's id.

        Raises DataError where a key is missing, blank or no string, and StorageError where the library can't store the
        example.
        """
        keys = ("institution", self.input_key, self.output_key)
        institution, input, output = (text_of(example, key, "the example") for key in keys)
        demonstration = Demonstration(institution, input, output)
        self.library.add([demonstration], origin="adapted")
        return demonstration.id

    async def aadd_example(self, example: Mapping[str, Any]) -> str:
        """Store without blocking the event loop."""
        return await asyncio.to_thread(self.add_example, example)

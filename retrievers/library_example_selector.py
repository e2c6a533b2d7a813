"""The example selector that serves every institution of a library."""

import asyncio
from collections.abc import Mapping
from typing import Any

from langchain_core.example_selectors import BaseExampleSelector

from metachain.data.demonstration import Demonstration
from metachain.learning.policy import DEFAULT, Policy
from metachain.library.library import Library
from metachain.retrievers.example_selector import text_of
from metachain.selection.selector import Selector
from metachain.selection.selector_cache import SelectorCache

__all__ = ["LibraryExampleSelector"]


class LibraryExampleSelector(BaseExampleSelector):
    """Chooses for whichever institution the variable ``institution`` names, each with a selector of its own.

    The library must have learned (``metachain learn``). An institution's selector is made at its first question, from
    its stored posterior or else from its labels, and kept. In a chain the institution may also come from the config.
    Examples come out as ``{input_key: …, output_key: …}``, at most ``k`` of them, the best last. ``policy`` and
    ``k`` are those of ``MetaExampleSelector``.
    """

    def __init__(
        self,
        library: Library,
        k: int | None = None,
        input_key: str = "input",
        output_key: str = "output",
        *,
        policy: Policy = DEFAULT,
    ) -> None:
        self.input_key = input_key
        self.output_key = output_key
        self._library = library
        self._selectors = SelectorCache(library, k, policy)

    @property
    def library(self) -> Library:
        """Where it selects from."""
        return self._library

    def of(self, institution: str) -> Selector:
        """One institution's selector. Raises NotFoundError where the library has not learned, or does not know it."""
        return self._selectors.of(institution)

    def select_examples(self, input_variables: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Select for the variables ``input_key`` and ``institution``.

        Raises DataError where one of them is missing, blank or no string, and NotFoundError as ``of`` does.
        """
        institution = text_of(input_variables, "institution", "the prompt's variables")
        text = text_of(input_variables, self.input_key, "the prompt's variables")
        chosen = self.of(institution).select(text).demonstrations
        return [{self.input_key: one.input, self.output_key: one.output} for one in chosen]

    async def aselect_examples(self, input_variables: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Select without holding up the event loop."""
        return await asyncio.to_thread(self.select_examples, input_variables)

    def add_example(self, example: Mapping[str, Any]) -> str:
        """Store one more labelled example of the ``institution`` that it names; returns the demonstration's id.

        Raises DataError where a key is missing, blank or no string, and StorageError where it can't be stored.
        """
        demonstration = Demonstration(
            text_of(example, "institution", "the example"),
            text_of(example, self.input_key, "the example"),
            text_of(example, self.output_key, "the example"),
        )
        self._library.add([demonstration])
        return demonstration.id

    async def aadd_example(self, example: Mapping[str, Any]) -> str:
        """Store without holding up the event loop."""
        return await asyncio.to_thread(self.add_example, example)

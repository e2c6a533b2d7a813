"""Protocol of the example selectors that explain their selections."""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from metachain.data.demonstration import Demonstration
from metachain.library.library import Library
from metachain.selection.selection import Chosen, Selection

__all__ = ["CountTokens", "ExplainingSelector", "described"]

CountTokens = Callable[[Demonstration], int]


@runtime_checkable
class ExplainingSelector(Protocol):
    """An example selector of metachain: it explains each selection, and its library records each one."""

    @property
    def library(self) -> Library:
        """Library that holds the demonstrations."""

    @property
    def institution(self) -> str:
        """The only institution that it selects for; empty where each call names one."""

    def labels_of(self, institution: str) -> tuple[str, ...]:
        """Known outputs of an institution, in alphabetical order."""

    def explain_for(
        self, institution: str, text: str, budget: int | None = None, tokens: CountTokens | None = None
    ) -> Selection:
        """Select for one input of an institution, and give reasons.

        With a ``budget``, the demonstrations take at most that many tokens, as ``tokens`` counts them.
        """


def described(chosen: Chosen) -> dict[str, Any]:
    """Describe a selected demonstration as JSON: its texts, scores and reason."""
    one = chosen.demonstration
    texts = {"id": one.id, "institution": one.institution, "input": one.input, "output": one.output}
    scores = {"score": chosen.score, "similarity": chosen.similarity, "plausibility": chosen.plausibility}
    return {**texts, **scores, "reason": chosen.reason}

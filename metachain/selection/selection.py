"""Demonstrations chosen for one query, in prompt order, with scores and reasons."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from metachain.data.demonstration import Demonstration

__all__ = ["AnswerProbability", "Chosen", "Selection", "likeliest_answers"]


@dataclass(frozen=True, slots=True)
class AnswerProbability:
    """One answer, and its calibrated probability in [0, 1] at the asking institution."""

    answer: str
    probability: float


def likeliest_answers(
    names: Sequence[str], answer: NDArray[np.integer], probability: NDArray[np.floating]
) -> tuple[AnswerProbability, ...]:
    """Answers of m candidates for one query, each once, the likeliest first, without those of probability 0.

    ``answer`` (m,) are numbers of ``names``, negative for none; ``probability`` (m,) is calibrated, 0 for none.
    """
    known = {number: p for number, p in zip(answer.tolist(), probability.tolist(), strict=True) if p > 0}
    return tuple(AnswerProbability(names[one], known[one]) for one in sorted(known, key=lambda one: -known[one]))


@dataclass(frozen=True, slots=True)
class Chosen:
    """One chosen demonstration, with the numbers behind the choice."""

    demonstration: Demonstration
    score: float
    """Quotient of the apportionment by which it was chosen; similarity where plain nearest neighbours chose.

    1 for the institution's own answer to this very text.
    """
    similarity: float
    """Hybrid similarity of its input to the query, in [-1, 1]."""
    plausibility: float
    """Probability in [0, 1] that the asking institution would give this answer to the query."""
    reason: str
    comparison: str = ""
    """End of the reason that compares its answer with an own label's; it tells that answer where the two agree."""
    own_word: bool = False
    """True for the institution's own answer to this very text; it then stands next to the query."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The demonstrations chosen for one query: the likeliest answer last, and its nearest at the end.

    The institution's own answer to this very text, if it gave one, is the last of all.
    """

    institution: str
    query: str
    chosen: tuple[Chosen, ...]
    method: str
    """Arm of the guard that chose: ``metachain`` or ``nearest`` (plain nearest neighbours)."""
    best_first: bool = False
    """True where the prompt order is reversed, so that the best is furthest from the query."""
    id: str = field(default="", compare=False)
    """Id of its entry in the library's audit; empty for a draft, which is never shown."""
    answers: tuple[AnswerProbability, ...] = ()
    """The likeliest answers among the candidates, at most 32, the likeliest first; empty where answers are texts."""

    @property
    def demonstrations(self) -> tuple[Demonstration, ...]:
        """Demonstrations in prompt order."""
        return tuple(one.demonstration for one in self.in_order)

    @property
    def in_order(self) -> tuple[Chosen, ...]:
        """``chosen`` in prompt order."""
        ordered = reversed(self.chosen) if self.best_first else self.chosen
        return tuple(sorted(ordered, key=lambda one: one.own_word))

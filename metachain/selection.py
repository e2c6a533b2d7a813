"""What was chosen for one query, in the order it is shown, and why."""

from dataclasses import dataclass

from metachain.demonstration import Demonstration

__all__ = ["Chosen", "Selection"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """One demonstration that is shown, with the numbers that put it there."""

    demonstration: Demonstration
    score: float
    """Utility that orders the selection; comparable within one selection only."""
    similarity: float
    """Hybrid similarity of its input to the query, in [-1, 1]."""
    plausibility: float
    """Probability in [0, 1] that the asking institution would give this answer to the query."""
    reason: str
    """One sentence a person understands."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The demonstrations chosen for one query: least useful first, the best next to the query."""

    institution: str
    query: str
    chosen: tuple[Chosen, ...]
    method: str
    """Which arm of the guard chose: ``metachain`` or ``nearest`` (plain nearest neighbours)."""

    @property
    def demonstrations(self) -> tuple[Demonstration, ...]:
        """The demonstrations alone, in prompt order."""
        return tuple(one.demonstration for one in self.chosen)

"""What was chosen for one query, in the order it is shown, and why."""

from dataclasses import dataclass, field

from metachain.data.demonstration import Demonstration

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
    """The demonstrations chosen for one query."""

    institution: str
    query: str
    chosen: tuple[Chosen, ...]
    """Least useful first."""
    method: str
    """Which arm of the guard chose: ``metachain`` or ``nearest`` (plain nearest neighbours)."""
    best_first: bool = False
    """Whether the prompt holds them the other way round, the best furthest from the query."""
    id: str = field(default="", compare=False)
    """Of its entry in the library's audit; empty for a draft, which nobody is shown."""

    @property
    def demonstrations(self) -> tuple[Demonstration, ...]:
        """The demonstrations alone, in prompt order."""
        return tuple(one.demonstration for one in (reversed(self.chosen) if self.best_first else self.chosen))

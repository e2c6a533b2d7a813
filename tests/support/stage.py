"""A generated world with a learned prior and held-out episodes."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from handmade import Tiny

from metachain.data.demonstration import Demonstration
from metachain.data.synthetic import WorldSettings, generate_world
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.policy import Policy
from metachain.learning.prior import Prior, learn, rows_to_look_up
from metachain.learning.shared_past import pool_of
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE
from metachain.selection.rehearsal import Question, RehearsalSet

__all__ = ["stage", "studied"]


@cache
def studied(institutions: int = 16, demonstrations: int = 200) -> tuple[NeighbourTable, Prior]:
    """Neighbour table and prior of the world, computed once."""
    with Library.open(Path(mkdtemp()) / "library.db", Tiny()) as library:
        library.add(
            generate_world(WorldSettings(institutions=institutions, demonstrations=demonstrations)), share=EVERYONE
        )
        prior = learn(library)
        pool = pool_of(library, library.demonstrations())
    return NeighbourTable.of(pool, rows_to_look_up(pool)), prior


@cache
def stage(seed: int = 0) -> RehearsalSet:
    """All rehearsals in the order of one seed; what a policy chooses is the same for all seeds, and found once."""
    return _Stage(*studied(), seed=seed)


class _Stage(RehearsalSet):
    def shown(self, question: Question, policies: Sequence[Policy]) -> list[tuple[Demonstration, ...]]:
        return [_chosen(question, policy) for policy in policies]


@cache
def _chosen(question: Question, policy: Policy) -> tuple[Demonstration, ...]:
    return _rehearsals().shown(question, [policy])[0]


@cache
def _rehearsals() -> RehearsalSet:
    return RehearsalSet(*studied())

"""Demonstrations that a metadata filter admits. A filter only narrows what an institution may be shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from metachain.data.demonstration import Demonstration
from metachain.data.metadata.filters import Condition
from metachain.learning.index import Neighbours, similarities
from metachain.learning.institution_state import InstitutionState

__all__ = ["Admitted"]


@dataclass(frozen=True, eq=False)
class Admitted:
    """Marks of the demonstrations of one state that a filter admits."""

    state: InstitutionState
    past: NDArray[np.bool_]
    """(N,) for the rows of the past."""
    support: NDArray[np.bool_]
    """(k,) for the institution's own labels."""

    @classmethod
    def of(cls, state: InstitutionState, condition: Condition) -> Self:
        """Apply a filter to what the institution may use: its metadata, and ``institution``, ``output`` and ``id``."""
        pools = (state.pool.demonstrations, state.support.demonstrations)
        past, own = (np.array([condition.admits(_described(one)) for one in some], np.bool_) for some in pools)
        return cls(state, past, own)

    def near(self, vectors: NDArray[np.float32], r: int) -> Neighbours:
        """As ``InstitutionIndex.nearest`` for n vectors (n, d), among the admitted rows of each past institution."""
        pool = self.state.pool
        shape = len(vectors), len(pool.rows), r
        rows, similarity = np.full(shape, -1, np.int64), np.full(shape, -np.inf, np.float32)
        for number, own in enumerate(pool.rows):
            admitted = self.past[own]
            left = own[admitted]
            width = min(r, len(left))
            if width:
                found = similarities(vectors, self.state.past.vectors_within(number)[admitted])
                order = np.argsort(-found, axis=1, kind="stable")[:, :width]
                rows[:, number, :width] = left[order]
                similarity[:, number, :width] = np.take_along_axis(found, order, axis=1)
        return Neighbours(rows, similarity)

    def left_out(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Mark candidate rows (n, m) that are not admitted; rows of the past come first, then the own labels."""
        both = np.concatenate([self.past, self.support, [True]])  # the last one stands for -1
        return ~both[rows]


def _described(one: Demonstration) -> Mapping[str, Any]:
    return {**one.metadata, "institution": one.institution, "output": one.output, "id": one.id}

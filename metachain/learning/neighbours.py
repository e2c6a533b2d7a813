"""Table of neighbours for the rows of a pool that learning and evaluation need."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from metachain.embedding.similarity import LEXICAL_DIMENSIONS
from metachain.learning.index import Index, InstitutionIndex, Neighbours
from metachain.learning.pool import Pool
from metachain.learning.reply_profile import Profile, reply_profile
from metachain.learning.ridge import NormalEquations
from metachain.progress import Progress, silent

__all__ = ["NEIGHBOURS", "NeighbourTable"]

NEIGHBOURS = 8
ROWS_A_SEARCH = 2048

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class NeighbourTable:
    """Neighbours of a pool's rows in every institution, searched once, so that any institution can be held out."""

    pool: Pool
    neighbours: Neighbours
    """Neighbours of the rows looked up, in the order of ``position``."""
    position: Rows
    """(N,) place of each row of the pool among those looked up, -1 for a row that was not."""

    @classmethod
    def of(cls, pool: Pool, rows: Rows, progress: Progress = silent, index: Index | None = None) -> Self:
        """Look up ``rows`` (any order, duplicates allowed) in every institution of the pool, or of an ``index``.

        The ``index`` holds the pool's first institutions only; their rows are the pool's first.
        """
        wanted = np.unique(rows)
        index = index or InstitutionIndex(pool)
        found = []
        for start in range(0, len(wanted), ROWS_A_SEARCH):
            progress("searching neighbours", start, len(wanted))
            found.append(index.nearest(pool.vectors[wanted[start : start + ROWS_A_SEARCH]], NEIGHBOURS))
        progress("searching neighbours", len(wanted), len(wanted))
        position = np.full(len(pool.owner), -1, np.intp)
        position[wanted] = np.arange(len(wanted))
        rows_found = np.concatenate([one.rows for one in found])
        return cls(pool, Neighbours(rows_found, np.concatenate([one.similarity for one in found])), position)

    @cached_property
    def dense_only(self) -> Self:
        """The same rows looked up by dense embedding only, without the lexical half of the similarity."""
        vectors = self.pool.vectors * np.float32(np.sqrt(2))
        vectors[:, -LEXICAL_DIMENSIONS:] = 0
        return self.of(replace(self.pool, vectors=vectors), np.flatnonzero(self.position >= 0))

    @cached_property
    def regressions(self) -> NormalEquations:
        """Pooled regressions over the pool's institutions, solved when asked for."""
        return NormalEquations(self.pool)

    def near(self, rows: Rows, institutions: Sequence[int] | Rows) -> Neighbours:
        """Neighbours of some rows within some institutions."""
        return self.neighbours.take(self.position[rows], institutions)

    def profile(self, rows: Rows, institutions: Sequence[int] | Rows, *, lifted: bool = False) -> Profile:
        """Reply profile of some rows over some institutions, with the lift if ``lifted``."""
        pool = self.pool
        found = reply_profile(self.near(rows, institutions), pool.answer, len(pool.answers), pool.meaning, pool.sets)
        return replace(found, lift=self.lift(rows, institutions)) if lifted else found

    def lift(self, rows: Rows, institutions: Sequence[int] | Rows) -> NDArray[np.float64] | None:
        """Lift (n, C) of each answer to some rows by the regression over some institutions; None for texts."""
        if self.pool.meaning is not None:
            return None
        return self.regressions.solve(institutions).lift(self.pool.vectors[rows], self.pool.answers)

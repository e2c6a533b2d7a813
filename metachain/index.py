"""Exact nearest neighbours within each institution."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import faiss
import numpy as np
from numpy.typing import NDArray

from metachain.pool import Pool

__all__ = ["InstitutionIndex", "Neighbours", "similarities"]

SIMILARITY_DECIMALS = 5
"""Similarities are rounded before they are compared, so that the last bits of a matrix product decide nothing."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Of each of n texts and S institutions the R nearest demonstrations, nearest first."""

    rows: NDArray[np.int64]
    """(n, S, R) rows of the pool, -1 where an institution has fewer than R."""
    similarity: NDArray[np.float32]
    """(n, S, R) hybrid similarity in [-1, 1], -inf where there is no row."""

    def take(self, texts: NDArray[np.integer] | slice, institutions: Sequence[int] | NDArray[np.integer]) -> Self:
        """Keep some of the texts and some of the institutions."""
        columns = np.asarray(institutions, np.intp)
        return type(self)(self.rows[texts][:, columns], self.similarity[texts][:, columns])

    def flat(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows and similarity without the distinction of institutions; (n, S·R) each."""
        n, s, r = self.rows.shape
        return self.rows.reshape(n, s * r), self.similarity.reshape(n, s * r)


class InstitutionIndex:
    """Exact search within each institution of a pool, on the pool's own vectors: nobody else's are ever looked at."""

    def __init__(self, pool: Pool) -> None:
        self._rows = pool.rows
        # A pool is sorted by institution, so that each has a slice of it.
        self._vectors = [pool.vectors[rows[0] : rows[-1] + 1] for rows in pool.rows]

    def nearest(self, vectors: NDArray[np.float32], r: int) -> Neighbours:
        """Find in every institution the ``r`` rows nearest to each of n vectors (n, d); ties go to the lower row."""
        n = len(vectors)
        rows = np.full((n, len(self._rows), r), -1, np.int64)
        similarity = np.full((n, len(self._rows), r), -np.inf, np.float32)
        vectors = np.ascontiguousarray(vectors, np.float32)
        for number, (own, held) in enumerate(zip(self._rows, self._vectors, strict=True)):
            width = min(r, len(held))
            near, positions = faiss.knn(vectors, held, width, metric=faiss.METRIC_INNER_PRODUCT)
            near = _rounded(near)
            order = np.lexsort((positions, -near), axis=1)
            similarity[:, number, :width] = np.take_along_axis(near, order, axis=1)
            rows[:, number, :width] = own[np.take_along_axis(positions, order, axis=1)]
        return Neighbours(rows, similarity)


def similarities(vectors: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Hybrid similarity of n vectors to m others, rounded as the index rounds it; (n, m)."""
    return _rounded(vectors @ others.T)


def _rounded(similarity: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.round(similarity, SIMILARITY_DECIMALS)

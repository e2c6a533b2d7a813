"""Nearest neighbours within each institution: exact, and of a large pool from one scan."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from metachain.pool import Pool

__all__ = ["LARGE", "SHORTLIST", "InstitutionIndex", "Neighbours", "shortlisted", "similarities"]

LARGE = 50_000
"""Rows from which on a pool is scanned once for a shortlist, in place of every institution for its own."""
SHORTLIST = 2048
"""Rows of a large pool, of all institutions together, that can be neighbours of a text."""
ROWS_A_STEP = 65_536
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
    """Search within each institution of a pool, on the pool's own vectors: nobody else's are ever looked at.

    Safe to share among threads.
    """

    def __init__(self, pool: Pool, *, large: int = LARGE, shortlist: int = SHORTLIST) -> None:
        self._rows = pool.rows
        self._owner = pool.owner
        self._all = pool.vectors
        # A pool is sorted by institution, so that each has a slice of it.
        self._vectors = [pool.vectors[rows[0] : rows[-1] + 1] for rows in pool.rows]
        self._is_large = len(pool.vectors) >= large
        self._shortlist = min(shortlist, len(pool.vectors))
        self._building = Lock()

    def near(self, vectors: NDArray[np.float32], r: int) -> Neighbours:
        """``nearest``, in a large pool of those rows alone that are on a shortlist: the 2048 nearest of all.

        Institutions far from a text then have fewer than r, or none. O(N d) for each text in any case; a large pool is
        read at half precision once, and what is on the shortlist is compared in full.
        """
        if not self._is_large:
            return self.nearest(vectors, r)
        with self._building:
            scan = self._scan
        vectors = np.ascontiguousarray(vectors, np.float32)
        _, found = scan.search(vectors, self._shortlist)
        rows = np.full((len(vectors), len(self._rows), r), -1, np.int64)
        similarity = np.full(rows.shape, -np.inf, np.float32)
        for text, listed in enumerate(found):
            # Not by BLAS, whose threads wait for each other beside a busy neighbour.
            exact = _rounded(np.einsum("ld,d->l", self._all[listed], vectors[text]))
            shortlisted(listed, exact, self._owner[listed], rows[text], similarity[text])
        return Neighbours(rows, similarity)

    def nearest(self, vectors: NDArray[np.float32], r: int) -> Neighbours:
        """Find in every institution the ``r`` rows nearest to each of n vectors (n, d); ties go to the lower row."""
        n = len(vectors)
        rows = np.full((n, len(self._rows), r), -1, np.int64)
        similarity = np.full((n, len(self._rows), r), -np.inf, np.float32)
        vectors = np.ascontiguousarray(vectors, np.float32)
        for number, (own, held) in enumerate(zip(self._rows, self._vectors, strict=True)):
            width = min(r, len(held))
            near, positions = faiss.knn(vectors, held, width, metric=faiss.METRIC_INNER_PRODUCT)
            similarity[:, number, :width] = near
            rows[:, number, :width] = own[0] + positions
        similarity = _rounded(similarity)
        order = np.lexsort((rows, -similarity), axis=2)
        return Neighbours(np.take_along_axis(rows, order, axis=2), np.take_along_axis(similarity, order, axis=2))

    @cached_property
    def _scan(self) -> Any:
        scan = faiss.IndexScalarQuantizer(
            self._all.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )
        for start in range(0, len(self._all), ROWS_A_STEP):
            scan.add(np.ascontiguousarray(self._all[start : start + ROWS_A_STEP]))
        return scan


def shortlisted(
    listed: NDArray[np.int64],
    exact: NDArray[np.float32],
    owner: NDArray[np.int64],
    rows: NDArray[np.int64],
    similarity: NDArray[np.float32],
) -> None:
    """Fill in each institution's nearest of a shortlist of L rows; ``rows`` and ``similarity`` (S, R), -1 and -inf.

    ``exact`` (L,) is the similarity and ``owner`` (L,) the institution of each of the rows ``listed`` (L,).
    """
    order = np.lexsort((listed, -exact, owner))
    listed, exact, owner = listed[order], exact[order], owner[order]
    place = np.arange(len(listed)) - np.searchsorted(owner, owner)
    kept = place < rows.shape[1]
    rows[owner[kept], place[kept]] = listed[kept]
    similarity[owner[kept], place[kept]] = exact[kept]


def similarities(vectors: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Hybrid similarity of n vectors to m others, rounded as the index rounds it; (n, m)."""
    return _rounded(vectors @ others.T)


def _rounded(similarity: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.round(similarity, SIMILARITY_DECIMALS)

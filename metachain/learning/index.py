"""Nearest neighbours within each institution: exact, or at half precision in a large pool."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from metachain.learning.pool import Pool

__all__ = ["LARGE", "Index", "IndexPart", "InstitutionIndex", "Neighbours", "similarities"]

LARGE = 50_000
"""Number of rows from which a pool is scanned at half precision, in one call for all institutions."""
ROWS_A_STEP = 65_536
TOGETHER = 16
"""Texts that FAISS compares pair by pair. From 20 on it multiplies matrices, and last bits depend on their number."""
SMALL = 2**21
"""Multiplications below which BLAS libraries treat a product of matrices apart, with other last bits."""
TEXTS_A_PRODUCT = 512
Rows = NDArray[np.intp]
SIMILARITY_DECIMALS = 5
"""Decimals to which similarities are rounded, so that the last bits of a matrix product decide nothing."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The R nearest demonstrations to each of n texts in each of S institutions, nearest first."""

    rows: NDArray[np.int64]
    """(n, S, R) rows of the pool, -1 where an institution has fewer than R."""
    similarity: NDArray[np.float32]
    """(n, S, R) hybrid similarity in [-1, 1], -inf where there is no row."""

    def take(self, texts: NDArray[np.integer] | slice, institutions: Sequence[int] | NDArray[np.integer]) -> Self:
        """Keep some of the texts and some of the institutions."""
        columns = np.asarray(institutions, np.intp)
        return type(self)(self.rows[texts][:, columns], self.similarity[texts][:, columns])

    def followed_by(self, others: Self) -> Self:
        """Return these texts followed by those of others, in the same institutions."""
        rows, similarity = (self.rows, others.rows), (self.similarity, others.similarity)
        return type(self)(np.concatenate(rows), np.concatenate(similarity))

    def flat(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows and similarity over all institutions together; (n, S·R) each."""
        n, s, r = self.rows.shape
        return self.rows.reshape(n, s * r), self.similarity.reshape(n, s * r)


class InstitutionIndex:
    """Search within each institution of a pool. Reads only the vectors of this pool; safe to share among threads."""

    def __init__(self, pool: Pool, *, large: int = LARGE) -> None:
        self._rows = pool.rows
        self._owner = pool.owner
        self._all = pool.vectors
        # A pool is sorted by institution, so each institution is a slice of it.
        self._vectors = [pool.vectors[rows[0] : rows[-1] + 1] for rows in pool.rows]
        self._is_large = len(pool.vectors) >= large
        self._building = Lock()

    def near(self, vectors: NDArray[np.float32], r: int, among: Rows | None = None) -> Neighbours:
        """``nearest`` for few texts: a large pool is read once for all institutions, at half precision.

        O(N d) for each text. Similarities of unit vectors in a large pool are off by 2⁻¹¹ at most.
        """
        if not self._is_large:
            return self.nearest(vectors, r, among)
        with self._building:
            scan = self._scan
        # Each institution is one list of an inverted file. All texts search one list before the next.
        institutions = np.repeat(self._numbers(among), len(vectors))[:, None]
        asked = np.tile(np.float32(vectors), (len(institutions) // max(len(vectors), 1), 1))
        found, places = scan.search_preassigned(asked, r, institutions, np.zeros(institutions.shape, np.float32))
        rows, similarity = (one.reshape(-1, len(vectors), r).swapaxes(0, 1) for one in (places, found))
        return _in_order(rows, np.where(rows < 0, -np.inf, similarity))

    def nearest_of_each(self, vectors: NDArray[np.float32], r: int, among: Rows | None = None) -> Neighbours:
        """``nearest``, where the result for a text doesn't depend, to its last bit, on the other texts.

        So labels that came one by one and labels that are read together have the same neighbours.
        """
        if not self._is_large:
            parts = [vectors[start : start + TOGETHER] for start in range(0, max(len(vectors), 1), TOGETHER)]
            alone = [self.nearest(some, r, among) for some in parts]
            return Neighbours(
                np.concatenate([one.rows for one in alone]), np.concatenate([one.similarity for one in alone])
            )
        institutions = self._numbers(among).tolist()
        found = [_nearest_of_each(vectors, self._vectors[number], r) for number in institutions]
        first = np.array([self._rows[number][0] for number in institutions])[:, None]
        rows, similarity = (np.stack(one, axis=1) for one in zip(*found, strict=True))
        return _in_order(np.where(rows < 0, -1, rows + first), similarity)

    def nearest(self, vectors: NDArray[np.float32], r: int, among: Rows | None = None) -> Neighbours:
        """Find in every institution the ``r`` rows nearest to each of n vectors (n, d); ties go to the lower row.

        ``among`` limits the search to these institutions, by number.
        """
        institutions = self._numbers(among)
        shape = len(vectors), len(institutions), r
        rows, similarity = np.full(shape, -1, np.int64), np.full(shape, -np.inf, np.float32)
        vectors = np.ascontiguousarray(vectors, np.float32)
        for number, institution in enumerate(institutions.tolist()):
            own, within = self._rows[institution], self._vectors[institution]
            width = min(r, len(within))
            near, positions = faiss.knn(vectors, within, width, metric=faiss.METRIC_INNER_PRODUCT)
            similarity[:, number, :width] = near
            rows[:, number, :width] = own[0] + positions
        return _in_order(rows, similarity)

    def part(self, kept: Sequence[int]) -> "IndexPart":
        """Return the index of some institutions, by number in ascending order (``Pool.part``); nothing is copied."""
        return IndexPart(self, np.asarray(kept, np.intp), self._rows)

    def _numbers(self, among: Rows | None) -> Rows:
        return np.arange(len(self._rows)) if among is None else among

    @cached_property
    def _scan(self) -> Any:
        size = self._all.shape[1]
        lists = faiss.IndexFlatIP(size)
        lists.add(np.zeros((len(self._rows), size), np.float32))
        half = faiss.ScalarQuantizer.QT_fp16
        scan = faiss.IndexIVFScalarQuantizer(lists, size, len(self._rows), half, faiss.METRIC_INNER_PRODUCT, False)
        scan.is_trained = True  # half precision needs no training, and the list of each row is known
        for start in range(0, len(self._all), ROWS_A_STEP):
            some = np.ascontiguousarray(self._all[start : start + ROWS_A_STEP])
            numbers, owners = np.arange(start, start + len(some)), self._owner[start : start + len(some)]
            scan.add_core(len(some), *(faiss.swig_ptr(one) for one in (some, numbers, owners)))
        return scan


class IndexPart:
    """Search within some institutions of an index; rows are numbered as in the part of its pool."""

    def __init__(self, whole: InstitutionIndex, kept: Rows, rows: Sequence[Rows]) -> None:
        self._whole, self._kept = whole, kept
        before = np.cumsum([0, *(len(rows[number]) for number in kept.tolist())])[:-1]
        self._shift = np.array([rows[number][0] for number in kept.tolist()], np.int64) - before

    def near(self, vectors: NDArray[np.float32], r: int) -> Neighbours:
        """As ``InstitutionIndex.near``; the size of the whole pool decides the precision."""
        return self._renumbered(self._whole.near(vectors, r, self._kept))

    def nearest(self, vectors: NDArray[np.float32], r: int) -> Neighbours:
        """As ``InstitutionIndex.nearest``."""
        return self._renumbered(self._whole.nearest(vectors, r, self._kept))

    def nearest_of_each(self, vectors: NDArray[np.float32], r: int) -> Neighbours:
        """As ``InstitutionIndex.nearest_of_each``; the size of the whole pool decides the kind of search."""
        return self._renumbered(self._whole.nearest_of_each(vectors, r, self._kept))

    def _renumbered(self, found: Neighbours) -> Neighbours:
        rows = np.where(found.rows < 0, -1, found.rows - self._shift[:, None])
        return Neighbours(rows, found.similarity)


Index = InstitutionIndex | IndexPart
"""Index of a whole pool or of a part of one."""


def _nearest_of_each(
    vectors: NDArray[np.float32], within: NDArray[np.float32], r: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Places within one institution's vectors, and similarities; (n, r) each, -1 and -inf for none.

    A product of matrices sums in the same order for any number of texts, if that is a multiple of 16 and the product is
    not small. Where it is, the number is always 16.
    """
    width = min(r, len(within))
    places, similarity = np.full((len(vectors), r), -1, np.int64), np.full((len(vectors), r), -np.inf, np.float32)
    length = TOGETHER if TOGETHER * within.size < SMALL else TEXTS_A_PRODUCT
    # Of equal ones the heap drops the lowest number, here the last row. Its number for none is -1.
    numbers = -2 - np.arange(len(within))
    for start in range(0, len(vectors), length):
        some = np.asarray(vectors[start : start + length], np.float32)
        filled = np.zeros((-(-len(some) // TOGETHER) * TOGETHER, vectors.shape[1]), np.float32)
        filled[: len(some)] = some
        product = np.round((filled @ within.T)[: len(some)], SIMILARITY_DECIMALS)
        with _one_thread():
            best = faiss.ResultHeap(len(some), width, keep_max=True)
            best.add_result_subset(np.arange(len(some)), product, numbers)
            best.finalize()
        places[start : start + len(some), :width] = -2 - best.I
        similarity[start : start + len(some), :width] = best.D
    return places, similarity


@contextmanager
def _one_thread() -> Iterator[None]:
    """FAISS works with one thread within: its threads and those of a product of matrices would wait for each other."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # for the thread that calls
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _in_order(rows: NDArray[np.int64], similarity: NDArray[np.float32]) -> Neighbours:
    """Neighbours in the order of their rounded similarity, the lower row first where two tie."""
    similarity = np.round(similarity, SIMILARITY_DECIMALS)
    order = np.lexsort((rows, -similarity), axis=2)
    return Neighbours(np.take_along_axis(rows, order, axis=2), np.take_along_axis(similarity, order, axis=2))


def similarities(vectors: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Hybrid similarity of n vectors to m others, rounded as the index rounds it; (n, m)."""
    return np.round(vectors @ others.T, SIMILARITY_DECIMALS)

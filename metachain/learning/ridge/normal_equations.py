"""Normal equations of the regression: sums over institutions, so that any of them can be left out."""

from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array

from metachain.learning.episodes import rng_for
from metachain.learning.pool import Pool
from metachain.learning.ridge.pooled import PooledRidge

__all__ = ["FULL", "MOST_ANSWERS", "MOST_ROWS", "PENALTY", "NormalEquations"]

PENALTY = 1.0
"""λ: weight of ``|W|²`` beside the squared error; vectors have unit length."""
MOST_ROWS = 1024
"""Of one institution, drawn by its name where it has more."""
FULL = 64
"""Institutions up to which each counts with ``MOST_ROWS``; with up to twice as many it is half as many, and so on."""
MOST_ANSWERS = 8192
"""Of a pool with more distinct answers, the most frequent ones."""
MEMORY = 2**28
"""Bytes for regressions that may be asked for again, and as many for the institutions' products of vectors."""

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


class Sums(NamedTuple):
    """Sums over the demonstrations of some institutions, with vectors X (N, d) and answers Y (N, K) as 0 and 1."""

    gram: Floats
    """``XᵀX``, (d, d)."""
    by_answer: Floats
    """``YᵀX``, (K, d)."""

    def add(self, sign: int, gram: NDArray[np.float32], vectors: NDArray[np.float32], place: Rows) -> None:
        """Add (sign 1) or subtract (-1) one institution in place; ``place`` (n,) of each answer in K, -1 for none."""
        self.gram.__iadd__(sign * gram)
        known = np.flatnonzero(place >= 0)
        given, number = np.unique(place[known], return_inverse=True)
        members = csr_array((np.ones(len(known)), (number, known)), shape=(len(given), len(vectors)))
        self.by_answer[given] += sign * (members @ vectors)


class NormalEquations:
    """Solves ``W = (XᵀX + λ I)⁻¹ XᵀY`` with λ = 1 for the demonstrations of any of a pool's institutions.

    Ridge regression (Hoerl & Kennard 1970, Technometrics 12) of one-hot answers, with at most 1,024 demonstrations of
    each institution, and about 65,536 of all. Institutions that are left out are subtracted from the sums over all, in
    double precision.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        size, answers = pool.vectors.shape[1], min(len(pool.answers), MOST_ANSWERS)
        self._solution = lru_cache(max(2, MEMORY // (4 * size * answers)))(self._solve)
        self._gram = lru_cache(max(2, MEMORY // (4 * size * size)))(self._product)

    def __getstate__(self) -> dict[str, Any]:
        return {"pool": self._pool}

    def __setstate__(self, state: dict[str, Any]) -> None:
        NormalEquations.__init__(self, state["pool"])

    def solve(self, institutions: Iterable[int] | Rows) -> PooledRidge:
        """Regression over some institutions, by number, in any order; the latest ones are kept."""
        found: PooledRidge = self._solution(tuple(sorted(int(one) for one in institutions)))
        return found

    def _solve(self, institutions: tuple[int, ...]) -> PooledRidge:
        most = rows_of_each(len(institutions))
        count = sum((self._count(number, most) for number in institutions), np.zeros(len(self._pool.answers)))
        frequent = np.argsort(-count, kind="stable")[: min(int((count > 0).sum()), MOST_ANSWERS)]
        answers = np.sort(frequent)
        gram, by_answer = self._sums(institutions, most, answers)
        gram[np.diag_indices_from(gram)] += PENALTY
        weights = cho_solve(cho_factor(gram, lower=True, overwrite_a=True), by_answer.T)
        return PooledRidge(weights.astype(np.float32), answers, count[answers] / max(count.sum(), 1.0))

    def _sums(self, institutions: Sequence[int], most: int, answers: Rows) -> Sums:
        everyone, size = range(len(self._pool.institutions)), self._pool.vectors.shape[1]
        others = sorted(set(everyone) - set(institutions))
        if len(others) < len(institutions) and most == rows_of_each(len(everyone)):
            gram, by_answer = self._of_all
            return self._changed(Sums(gram.copy(), by_answer[answers]), others, -1, most, answers)
        nothing = Sums(np.zeros((size, size)), np.zeros((len(answers), size)))
        return self._changed(nothing, institutions, 1, most, answers)

    @cached_property
    def _of_all(self) -> Sums:
        size, count = self._pool.vectors.shape[1], len(self._pool.institutions)
        nothing = Sums(np.zeros((size, size)), np.zeros((len(self._pool.answers), size)))
        return self._changed(nothing, range(count), 1, rows_of_each(count), np.arange(len(self._pool.answers)))

    def _changed(self, sums: Sums, institutions: Sequence[int], sign: int, most: int, answers: Rows) -> Sums:
        place = np.full(len(self._pool.answers), -1, np.intp)
        place[answers] = np.arange(len(answers))
        for number in institutions:
            rows = self._rows(number, most)
            sums.add(sign, self._gram(number, most), self._pool.vectors[rows], place[self._pool.answer[rows]])
        return sums

    def _count(self, institution: int, most: int) -> Floats:
        given = self._pool.answer[self._rows(institution, most)]
        return np.bincount(given, minlength=len(self._pool.answers)).astype(np.float64)

    def _product(self, institution: int, most: int) -> NDArray[np.float32]:
        vectors = self._pool.vectors[self._rows(institution, most)]
        return np.asarray(vectors.T @ vectors)

    def _rows(self, institution: int, most: int) -> Rows:
        rows = self._pool.rows[institution]
        if len(rows) <= most:
            return rows
        return np.sort(rng_for(self._pool.institutions[institution]).permutation(rows)[:most])


def rows_of_each(institutions: int) -> int:
    """Number of demonstrations with which each of some institutions counts at most."""
    halvings = max(0, (max(institutions, 1) - 1).bit_length() - (FULL - 1).bit_length())
    return max(1, MOST_ROWS >> halvings)

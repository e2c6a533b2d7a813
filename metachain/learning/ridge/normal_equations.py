"""Normal equations of the regression: sums over institutions, so that any of them can be left out."""

from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from threading import Lock
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
"""Default: a rehearsal asks for the same institutions again and again."""

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


class Sums(NamedTuple):
    """Sums over the demonstrations of some institutions, with vectors X (N, d) and answers Y (N, K) as 0 and 1."""

    gram: Floats
    """``XᵀX``, (d, d)."""
    by_answer: Floats
    """``YᵀX``, (K, d)."""


class NormalEquations:
    """Solves ``W = (XᵀX + λ I)⁻¹ XᵀY`` with λ = 1 for the demonstrations of any of a pool's institutions.

    Ridge regression (Hoerl & Kennard 1970, Technometrics 12) of one-hot answers, with at most 1,024 demonstrations of
    each institution, and about 65,536 of all. Institutions that are left out are subtracted from the sums over all, in
    double precision. ``memory`` is what it keeps at most of regressions, and again of products, in bytes. Thread-safe.
    """

    def __init__(self, pool: Pool, memory: int = MEMORY) -> None:
        self._pool, self._memory, self._solving = pool, memory, Lock()
        size, answers = pool.vectors.shape[1], min(len(pool.answers), MOST_ANSWERS)
        self._solution = lru_cache(max(2, memory // (4 * size * answers)))(self._solve)
        self._gram = lru_cache(max(2, memory // (4 * size * size)))(self._product)

    def __getstate__(self) -> dict[str, Any]:
        return {"pool": self._pool, "memory": self._memory}

    def __setstate__(self, state: dict[str, Any]) -> None:
        NormalEquations.__init__(self, state["pool"], state["memory"])

    def solve(self, institutions: Iterable[int] | Rows) -> PooledRidge:
        """Regression over some institutions, by number, in any order; the latest ones are kept."""
        with self._solving:  # threads that ask at once wait for the first
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
        everyone = range(len(self._pool.institutions))
        others = sorted(set(everyone) - set(institutions))
        if len(others) < len(institutions) and most == rows_of_each(len(everyone)):
            gram, by_answer = self._of_all
            return self._changed(Sums(gram.copy(), by_answer[answers]), others, -1, most, answers)
        return self._sums_anew(institutions, most, answers)

    @cached_property
    def _of_all(self) -> Sums:
        count = len(self._pool.institutions)
        return self._sums_anew(range(count), rows_of_each(count), np.arange(len(self._pool.answers)))

    def _sums_anew(self, institutions: Sequence[int], most: int, answers: Rows) -> Sums:
        size = self._pool.vectors.shape[1]
        nothing = Sums(np.zeros((size, size)), np.zeros((len(answers), size)))
        return self._changed(nothing, institutions, 1, most, answers)

    def _changed(self, sums: Sums, institutions: Sequence[int], sign: int, most: int, answers: Rows) -> Sums:
        """Add (sign 1) or subtract (-1) institutions, in place; only the ``answers`` (K,) count."""
        gram, by_answer = sums
        place = np.full(len(self._pool.answers), -1, np.intp)
        place[answers] = np.arange(len(answers))
        for institution in institutions:
            gram += sign * self._gram(institution, most)
            rows = self._rows(institution, most)
            known = rows[place[self._pool.answer[rows]] >= 0]
            given, number = np.unique(place[self._pool.answer[known]], return_inverse=True)
            members = csr_array((np.ones(len(known)), (number, np.arange(len(known)))), shape=(len(given), len(known)))
            by_answer[given] += sign * (members @ self._pool.vectors[known])
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

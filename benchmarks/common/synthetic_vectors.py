"""Synthetic demonstrations and queries as unit vectors, for the comparison in benchmarks/selection/peers.py."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from langchain_core.vectorstores.utils import maximal_marginal_relevance

__all__ = ["ADMITTED", "Allowed", "Data", "Query", "Search", "synthetic"]

CENTRES, SPREAD, CODES = 500, 0.6, 240
LABELS = 16
FETCHED = 20
"""LangChain's default ``fetch_k``."""
ADMITTED = {"no filter": None, "1 %": 1, "10 %": 10, "100 %": 100}
"""Number of institutions, of a hundred, that each filter admits."""

Allowed = tuple[str, ...] | None
"""Names of the admitted institutions; None for no filter."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query: its text, its unit vector (d,), and the code of the right answer."""

    text: str
    vector: np.ndarray
    code: str


Search = Callable[[Query, Allowed, int], Sequence[int]]


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """n synthetic demonstrations, queries, and labels of the asking institution, used by the learned selection only."""

    vectors: np.ndarray
    """(n, d) unit rows."""
    places: np.ndarray
    """(n,) institution number of each demonstration."""
    codes: tuple[str, ...]
    """(n,) answers: each centre has four codes, and each institution uses one of them."""
    names: tuple[str, ...]
    """Names of the institutions."""
    queries: tuple[Query, ...]
    labels: tuple[Query, ...]

    def text(self, row: int) -> str:
        """Input of a demonstration."""
        return f"demonstration {row}"

    def example(self, row: int) -> dict[str, Any]:
        """Demonstration in the form of LangChain's selectors."""
        name = self.names[self.places[row]]
        return {"input": self.text(row), "output": self.codes[row], "institution": name, "row": row}

    def mask(self, allowed: Allowed) -> np.ndarray:
        """(n,) True for admitted demonstrations."""
        wanted = np.array([allowed is None or name in allowed for name in self.names])
        return wanted[self.places]

    def exact(self, query: Query, allowed: Allowed, k: int) -> list[int]:
        """Rows of the k nearest admitted demonstrations, nearest first, by a product with all of them."""
        near = np.where(self.mask(allowed), self.vectors @ query.vector, -np.inf)
        found = np.argpartition(-near, min(k, len(near) - 1))[:k]
        return [int(row) for row in found[np.argsort(-near[found])] if near[row] > -np.inf]

    def exact_diverse(self, query: Query, allowed: Allowed, k: int) -> list[int]:
        """Rows of k of the 20 nearest, chosen by LangChain's maximal marginal relevance."""
        near = self.exact(query, allowed, FETCHED)
        return [near[place] for place in maximal_marginal_relevance(query.vector, list(self.vectors[near]), k=k)]


def synthetic(count: int, institutions: int, queries: int, dimensions: int = 384, seed: int = 0) -> Data:
    """Draw unit vectors around 500 centres, deal them to institutions, and draw queries around the same centres."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((CENTRES, dimensions), np.float32)

    def drawn(number: int) -> tuple[np.ndarray, np.ndarray]:
        rows = rng.standard_normal((number, dimensions), np.float32)
        rows *= SPREAD
        centre = rng.integers(CENTRES, size=number)
        rows += centres[centre]
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows, centre

    def asked(number: int, name: str) -> tuple[Query, ...]:
        rows = zip(*drawn(number), strict=True)
        return tuple(Query(f"{name} {n}", row, _code(centre, 0)) for n, (row, centre) in enumerate(rows))

    vectors, centre = drawn(count)
    questions = asked(queries, "query")
    places = rng.permutation(np.arange(count) % institutions)
    codes = tuple(_code(*pair) for pair in zip(centre.tolist(), places.tolist(), strict=True))
    names = tuple(f"hospital {number:03}" for number in range(institutions))
    return Data(vectors, places, codes, names, questions, asked(LABELS, "label"))


def _code(centre: int, place: int) -> str:
    return f"{(centre * 31 + place % 4) % CODES:04}"

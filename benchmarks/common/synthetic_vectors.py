"""What benchmarks/selection/peers.py are compared on: synthetic demonstrations and queries, as unit vectors."""

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
"""Of a hundred institutions those whose demonstrations may be found."""

Allowed = tuple[str, ...] | None
"""Institutions whose demonstrations may be found; None where all may, and no filter is given."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked: a text, the unit vector (d,) that it is embedded as, and the right answer's code."""

    text: str
    vector: np.ndarray
    code: str


Search = Callable[[Query, Allowed, int], Sequence[int]]


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """n synthetic demonstrations, queries, and labels of an institution that asks, which alone the learned use."""

    vectors: np.ndarray
    """(n, d) unit rows."""
    places: np.ndarray
    """(n,) the number of each one's institution."""
    codes: tuple[str, ...]
    """(n,) what each institution answers to each: one centre has four codes, and each institution one way."""
    names: tuple[str, ...]
    """Of the institutions."""
    queries: tuple[Query, ...]
    labels: tuple[Query, ...]

    def text(self, row: int) -> str:
        """The input of a demonstration."""
        return f"demonstration {row}"

    def example(self, row: int) -> dict[str, Any]:
        """A demonstration as LangChain's selectors take it."""
        name = self.names[self.places[row]]
        return {"input": self.text(row), "output": self.codes[row], "institution": name, "row": row}

    def mask(self, allowed: Allowed) -> np.ndarray:
        """Which demonstrations may be found; (n,)."""
        wanted = np.array([allowed is None or name in allowed for name in self.names])
        return wanted[self.places]

    def exact(self, query: Query, allowed: Allowed, k: int) -> list[int]:
        """The k nearest that may be found, nearest first, by a product with all of them."""
        near = np.where(self.mask(allowed), self.vectors @ query.vector, -np.inf)
        found = np.argpartition(-near, min(k, len(near) - 1))[:k]
        return [int(row) for row in found[np.argsort(-near[found])] if near[row] > -np.inf]

    def exact_diverse(self, query: Query, allowed: Allowed, k: int) -> list[int]:
        """The k of the 20 nearest that LangChain's maximal marginal relevance chooses."""
        near = self.exact(query, allowed, FETCHED)
        return [near[place] for place in maximal_marginal_relevance(query.vector, list(self.vectors[near]), k=k)]


def synthetic(count: int, institutions: int, queries: int, dimensions: int = 384, seed: int = 0) -> Data:
    """Unit vectors around 500 centres, dealt to institutions at random, and queries around the same centres."""
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

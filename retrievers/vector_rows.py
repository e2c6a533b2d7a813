"""A snapshot of the vectors and documents of a store, with exact search."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import faiss
import numpy as np
from langchain_core.documents import Document
from numpy.typing import NDArray

from metachain.retrievers.filters import Filter, MetadataColumns

__all__ = ["Rows", "diverse"]

Vectors = NDArray[np.float32]
SPARE = 256
"""Extra rows that are allocated when the vectors grow."""


@dataclass(frozen=True, slots=True)
class Rows:
    """n rows, some of them deleted. Each change makes new Rows, so that readers of the old ones see no change.

    Snapshots share their arrays and lists. So only the newest Rows may be changed, by one writer at a time.
    """

    vectors: Vectors
    """(n or more, d) unit rows; rows from n on are spare."""
    documents: list[Document]
    """n or more documents; those from n on belong to later snapshots."""
    columns: MetadataColumns
    places: dict[str, int]
    """Row of each id in the newest snapshot. Older snapshots share it, and so may find a later document."""
    alive: NDArray[np.bool_]
    """(n,) whether each row is not deleted."""

    @classmethod
    def of(cls, vectors: Vectors, documents: list[Document]) -> Self:
        """Make rows of documents with different ids and their vectors (n, d)."""
        places = {str(one.id): row for row, one in enumerate(documents)}
        return cls(vectors, documents, MetadataColumns(documents), places, np.ones(len(documents), np.bool_))

    def added(self, vectors: Vectors, documents: Sequence[Document]) -> Self:
        """Add m documents with different ids and their vectors (m, d); they replace documents with the same ids."""
        n, m = len(self.alive), len(vectors)
        rows = self.vectors
        if n + m > len(rows):
            rows = np.empty((2 * (n + m) + SPARE, vectors.shape[1]), np.float32)
            if n:  # an empty store has vectors of no length yet
                rows[:n] = self.vectors[:n]
        rows[n : n + m] = vectors
        self.documents.extend(documents)
        names = [str(one.id) for one in documents]
        replaced = [self.places[name] for name in names if name in self.places]
        self.places.update(zip(names, range(n, n + m), strict=True))
        alive = np.append(self.alive, np.ones(m, np.bool_))
        return replace(self, vectors=rows, alive=alive)._without_rows(replaced)

    def without(self, ids: Iterable[str]) -> Self:
        """Delete the documents with some ids; unknown ids are skipped."""
        return self._without_rows([self.places.pop(name) for name in ids if name in self.places])

    def _without_rows(self, rows: Sequence[int]) -> Self:
        """Delete rows. Once more rows are deleted than left, the rest is copied to give memory back."""
        if not rows:
            return self
        alive = self.alive.copy()
        alive[rows] = False
        left = np.flatnonzero(alive)
        if 2 * len(left) >= len(alive):
            return replace(self, alive=alive)
        return type(self).of(self.vectors[left], [self.documents[row] for row in left])

    def held(self) -> NDArray[np.intp]:
        """Numbers of the rows that are not deleted, ascending."""
        return np.flatnonzero(self.alive)

    def nearest(self, vector: Vectors, k: int, condition: Filter | None) -> tuple[NDArray[np.int64], Vectors]:
        """Find the k rows nearest to a vector (d,) that a filter admits: numbers, nearest first, and inner products.

        The filter applies within the scan, so there are k results wherever k rows are admitted.
        """
        n = len(self.alive)
        allowed = self.alive if condition is None else self.alive & self.columns.admitted(condition, n)
        admitted = int(np.count_nonzero(allowed))
        k = min(k, admitted)
        if k == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        found, similarity = np.empty((1, k), np.int64), np.empty((1, k), np.float32)
        bits = np.packbits(allowed, bitorder="little")
        faiss.knn_inner_product(  # IndexFlatIP.search calls this too, but needs a copy of the vectors
            faiss.swig_ptr(np.ascontiguousarray(vector)),
            faiss.swig_ptr(self.vectors),
            self.vectors.shape[1],
            1,
            n,
            k,
            faiss.swig_ptr(similarity),
            faiss.swig_ptr(found),
            None if admitted == n else faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits)),
        )
        order = np.lexsort((found[0], -similarity[0]))
        return found[0, order], similarity[0, order]


def diverse(relevance: Vectors, vectors: Vectors, k: int, weight: float) -> list[int]:
    """Choose k of n candidates by maximal marginal relevance (Carbonell & Goldstein 1998, section 2); positions.

    The first is the most relevant. Each next one, among those left, is
    ``argmax_i weight·relevance_i − (1 − weight)·max_{j chosen} vectors_i·vectors_j``. ``relevance`` is (n,),
    ``vectors`` (n, d) unit rows, ``weight`` in [0, 1]. The lower position wins a tie.
    """
    chosen: list[int] = []
    closest = np.full(len(vectors), -np.inf, np.float32)
    score = relevance.copy()
    while len(chosen) < min(k, len(vectors)):
        chosen.append(int(score.argmax()))
        closest = np.maximum(closest, vectors @ vectors[chosen[-1]])
        score = weight * relevance - (1 - weight) * closest
        score[chosen] = -np.inf
    return chosen

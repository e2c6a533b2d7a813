"""The vectors and documents of a store at one moment, and exact search among them."""

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


@dataclass(frozen=True, slots=True)
class Rows:
    """n rows, some of which may be gone. What is added or removed later is in other Rows: nobody reads what is written.

    Only the newest Rows may be added to, by one writer at a time: the arrays and lists behind them are shared.
    """

    vectors: Vectors
    """(n or more, d) unit rows; those past n are room for the next ones."""
    documents: list[Document]
    """n or more."""
    columns: MetadataColumns
    places: dict[str, int]
    """The row of each id that is held now. Rows of an earlier moment share it, and so may find a later document."""
    alive: NDArray[np.bool_]
    """(n,) whether each is still held."""

    @classmethod
    def of(cls, vectors: Vectors, documents: list[Document]) -> Self:
        """All of some documents with different ids, in order, with their vectors (n, d)."""
        places = {str(one.id): row for row, one in enumerate(documents)}
        return cls(vectors, documents, MetadataColumns(documents), places, np.ones(len(documents), np.bool_))

    def added(self, vectors: Vectors, documents: Sequence[Document]) -> Self:
        """With m more at the end, of vectors (m, d) and different ids, in place of those that had their ids."""
        n, m = len(self.alive), len(vectors)
        held = self.vectors
        if n + m > len(held):
            held = np.empty((2 * (n + m) + SPARE, vectors.shape[1]), np.float32)
            if n:  # of an empty store nobody knows yet how long its vectors are
                held[:n] = self.vectors[:n]
        held[n : n + m] = vectors
        self.documents.extend(documents)
        names = [str(one.id) for one in documents]
        replaced = [self.places[name] for name in names if name in self.places]
        self.places.update(zip(names, range(n, n + m), strict=True))
        alive = np.append(self.alive, np.ones(m, np.bool_))
        return replace(self, vectors=held, alive=alive)._without_rows(replaced)

    def without(self, ids: Iterable[str]) -> Self:
        """Without those of some ids that are held."""
        return self._without_rows([self.places.pop(name) for name in ids if name in self.places])

    def _without_rows(self, rows: Sequence[int]) -> Self:
        """Without some; their room is given back once more rows are gone than are left."""
        if not rows:
            return self
        alive = self.alive.copy()
        alive[rows] = False
        left = np.flatnonzero(alive)
        if 2 * len(left) >= len(alive):
            return replace(self, alive=alive)
        return type(self).of(self.vectors[left], [self.documents[row] for row in left])

    def held(self) -> NDArray[np.intp]:
        """Which rows are held, in order."""
        return np.flatnonzero(self.alive)

    def nearest(self, vector: Vectors, k: int, condition: Filter | None) -> tuple[NDArray[np.int64], Vectors]:
        """Rows of the k nearest to a vector (d,) that a filter admits, nearest first, and their inner products.

        The filter works within the scan, on the rows that it admits and no others. So there are k where there are k.
        """
        n = len(self.alive)
        allowed = self.alive if condition is None else self.alive & self.columns.admitted(condition, n)
        admitted = int(np.count_nonzero(allowed))
        k = min(k, admitted)
        if k == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        found, similarity = np.empty((1, k), np.int64), np.empty((1, k), np.float32)
        bits = np.packbits(allowed, bitorder="little")
        faiss.knn_inner_product(  # what IndexFlatIP.search calls, which would have a copy of the vectors
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
    """Places of k of n candidates by maximal marginal relevance (Carbonell & Goldstein 1998, section 2).

    Each is ``argmax_i weight·relevance_i − (1 − weight)·max_{j chosen} vectors_i·vectors_j`` of those left; the first
    is the most relevant. ``relevance`` (n,), ``vectors`` (n, d) unit rows, ``weight`` in [0, 1]. The lower place wins
    a tie.
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

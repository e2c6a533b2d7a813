"""A LangChain vector store that filters within the search, and is saved without a pickle."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from threading import Lock
from typing import Any, Self
from uuid import uuid4

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from numpy.typing import NDArray

from metachain.data.metadata.json_form import plain_json
from metachain.errors import DataError
from metachain.retrievers.embeddings import unit_vectors
from metachain.retrievers.filters import Filter
from metachain.retrievers.store_files import read_folder, write_folder
from metachain.retrievers.vector_rows import Rows, diverse

__all__ = ["DemonstrationVectorStore"]

SAME_MODEL = 0.99
"""Minimum cosine between two embeddings of one text by the same model."""


class DemonstrationVectorStore(VectorStore):
    """Documents in memory, searched exactly by FAISS for the cosine of their embeddings.

    ``filter`` applies *within* the search: where k documents are admitted, k are returned. ``filters.Filter`` describes
    its form. Documents are stored and returned as copies. Adding an id again replaces its document; deleting an unknown
    id is no error. Metadata become plain JSON (``metachain.data.metadata.json_form``). Safe to share among threads: a
    search sees one snapshot of the store, and never waits for a writer.
    """

    def __init__(self, embedding: Embeddings) -> None:
        if not isinstance(embedding, Embeddings):
            raise DataError(f"'embedding' must be a LangChain Embeddings object, got {type(embedding).__name__}")
        self._embedding = embedding
        self._rows = Rows.of(np.zeros((0, 0), np.float32), [])
        self._lock = Lock()

    @property
    def embeddings(self) -> Embeddings:
        """The embedding model."""
        return self._embedding

    def __len__(self) -> int:
        return len(self._rows.places)

    def documents(self) -> Iterator[Document]:
        """Iterate over all documents at the time of the call, in the order of their addition."""
        rows = self._rows
        return (_copy(rows.documents[row]) for row in rows.held())

    def add_documents(self, documents: list[Document], ids: Sequence[str | None] | None = None, **_: Any) -> list[str]:
        """Embed and store documents under ``ids``, or else their own ids, or else new ones; return the ids.

        Raises DataError where the metadata are not JSON, and where the model doesn't return one vector a text.
        """
        named = _named(documents, ids)
        return self._store(named, self._embedding.embed_documents([one.page_content for one in named]))

    async def aadd_documents(
        self, documents: list[Document], ids: Sequence[str | None] | None = None, **_: Any
    ) -> list[str]:
        """Embed and store documents without blocking the event loop."""
        named = _named(documents, ids)
        vectors = await self._embedding.aembed_documents([one.page_content for one in named])
        return await asyncio.to_thread(self._store, named, vectors)

    def delete(self, ids: Sequence[str] | None = None, **_: Any) -> bool:
        """Delete documents by id, or all where ``ids`` is None, as LangChain specifies; return True."""
        with self._lock:
            self._rows = self._rows.without(list(self._rows.places) if ids is None else ids)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Documents with these ids, in their order; unknown ids are skipped."""
        rows = self._rows
        found = [rows.places.get(name) for name in ids]
        return [_copy(rows.documents[row]) for row in found if row is not None]

    def similarity_search_with_score_by_vector(
        self,
        embedding: Sequence[float],
        k: int = 4,
        filter: Filter | None = None,
        score_threshold: float | None = None,
    ) -> list[tuple[Document, float]]:
        """Find the k documents nearest to a vector that ``filter`` admits, nearest first, with their cosine in [-1, 1].

        With ``score_threshold``, those of a lower cosine are left out.
        Raises DataError for a negative k, an unknown filter, and a vector of another length.
        """
        rows = self._rows
        found, similarity = rows.nearest(self._query(embedding, rows), _checked(k, "k"), filter)
        both = zip(found, similarity.tolist(), strict=True)
        return [
            (_copy(rows.documents[row]), one) for row, one in both if score_threshold is None or one >= score_threshold
        ]

    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:
        """Search as ``similarity_search_with_score_by_vector``, without the scores."""
        return [one for one, _ in self.similarity_search_with_score_by_vector(embedding, k, **kwargs)]

    def similarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> list[tuple[Document, float]]:
        """Search as ``similarity_search_with_score_by_vector``, for a text."""
        return self.similarity_search_with_score_by_vector(self._embedding.embed_query(query), k, **kwargs)

    async def asimilarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Search without blocking the event loop."""
        vector = await self._embedding.aembed_query(query)
        return await asyncio.to_thread(self.similarity_search_with_score_by_vector, vector, k, **kwargs)

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Search as ``similarity_search_with_score``, without the scores."""
        return [one for one, _ in self.similarity_search_with_score(query, k, **kwargs)]

    async def asimilarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Search without blocking the event loop."""
        return [one for one, _ in await self.asimilarity_search_with_score(query, k, **kwargs)]

    def max_marginal_relevance_search_by_vector(  # type: ignore[override]  # a misspelt filter is an error
        self,
        embedding: Sequence[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        *,
        filter: Filter | None = None,
    ) -> list[Document]:
        """Find k diverse documents (``vector_rows.diverse``) among the ``fetch_k`` nearest that ``filter`` admits.

        The most relevant comes first. ``lambda_mult`` in [0, 1] is the weight of relevance. Where ``fetch_k`` is less
        than k, k are fetched.
        """
        if not 0 <= lambda_mult <= 1:
            raise DataError(f"'lambda_mult' must be from 0 to 1, got {lambda_mult!r}")
        rows, wanted = self._rows, max(_checked(k, "k"), _checked(fetch_k, "fetch_k"))
        found, similarity = rows.nearest(self._query(embedding, rows), wanted, filter)
        return [
            _copy(rows.documents[found[place]]) for place in diverse(similarity, rows.vectors[found], k, lambda_mult)
        ]

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Search as ``max_marginal_relevance_search_by_vector``, for a text."""
        vector = self._embedding.embed_query(query)
        return self.max_marginal_relevance_search_by_vector(vector, k, fetch_k, lambda_mult, **kwargs)

    async def amax_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Search without blocking the event loop."""
        vector = await self._embedding.aembed_query(query)
        search = self.max_marginal_relevance_search_by_vector
        return await asyncio.to_thread(search, vector, k, fetch_k, lambda_mult, **kwargs)

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **_: Any,
    ) -> Self:
        """Make a store of texts."""
        store = cls(embedding)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    def save(self, folder: str | Path) -> None:
        """Write the store into a folder; a store in it is replaced as a whole, or not at all.

        Raises StorageError where the folder can't be written, and DataError where it holds other things.
        """
        rows = self._rows
        held = rows.held()
        vectors = rows.vectors[: len(held)] if len(held) == len(rows.alive) else rows.vectors[held]
        write_folder(Path(folder), vectors, [rows.documents[row] for row in held])

    @classmethod
    def load(cls, folder: str | Path, embedding: Embeddings) -> Self:
        """Read a store that ``save`` wrote; vectors are memory-mapped from their file.

        Nothing is unpickled, and checksums are compared. Raises DataError where there is no store, and where another
        embedding model made it; raises LibraryError where it is damaged or of another format.
        """
        store = cls(embedding)
        vectors, documents = read_folder(Path(folder))
        if documents:
            again = store._embedded([documents[0]], embedding.embed_documents([documents[0].page_content]))
            if again.shape[1] != vectors.shape[1] or float(again[0] @ vectors[0]) < SAME_MODEL:
                raise DataError(
                    f"the vectors of {folder} are not those of this embedding model ({type(embedding).__name__}): "
                    f"give the one that the store was made with, or make it anew"
                )
        store._rows = Rows.of(vectors, documents)
        return store

    def _store(self, documents: Sequence[Document], vectors: object) -> list[str]:
        if not documents:
            return []
        rows = self._embedded(documents, vectors)
        last = {str(one.id): place for place, one in enumerate(documents)}
        kept = sorted(last.values())
        with self._lock:
            self._check_length(rows.shape[1], self._rows)
            self._rows = self._rows.added(rows[kept], [documents[place] for place in kept])
        return [str(one.id) for one in documents]

    def _embedded(self, documents: Sequence[Document], vectors: object) -> NDArray[np.float32]:
        return unit_vectors(vectors, len(documents), type(self._embedding).__name__)

    def _query(self, vector: Sequence[float], rows: Rows) -> NDArray[np.float32]:
        unit: NDArray[np.float32] = unit_vectors([vector], 1, type(self._embedding).__name__)[0]
        self._check_length(len(unit), rows)
        return unit

    def _check_length(self, length: int, rows: Rows) -> None:
        if len(rows.alive) and length != rows.vectors.shape[1]:
            raise DataError(f"the store holds vectors of {rows.vectors.shape[1]} numbers, got one of {length}")

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return lambda cosine: min(max(cosine, 0.0), 1.0)


def _named(documents: Sequence[Document], ids: Sequence[str | None] | None) -> list[Document]:
    """Copy documents, with ids and plain JSON metadata."""
    if ids is not None and len(ids) != len(documents):
        raise DataError(f"'ids' must be one for each document, got {len(ids)} for {len(documents)}")
    given = [one.id for one in documents] if ids is None else ids
    return [
        Document(id=name or str(uuid4()), page_content=one.page_content, metadata=_plain(one.metadata, place))
        for place, (one, name) in enumerate(zip(documents, given, strict=True))
    ]


def _plain(metadata: dict[str, Any], place: int) -> dict[str, Any]:
    try:
        held: dict[str, Any] = plain_json(metadata)
    except (TypeError, ValueError) as error:
        raise DataError(f"the metadata of document {place} must hold what JSON can ({error})") from None
    return held


def _copy(document: Document) -> Document:
    return Document(id=document.id, page_content=document.page_content, metadata=deepcopy(document.metadata))


def _checked(number: int, name: str) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise DataError(f"{name!r} must be a whole number from 0 on, got {number!r}")
    return number

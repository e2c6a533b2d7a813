"""Demonstrations out of any LangChain vector store."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore

from metachain.data.demonstration import Demonstration, check_text
from metachain.errors import DataError
from metachain.retrievers.documents import from_document

__all__ = ["StoredDemonstrations"]


@dataclass(frozen=True, slots=True)
class StoredDemonstrations:
    """The demonstrations that a LangChain vector store holds as documents, one institution's at a time.

    A document's institution and output are in its metadata, its input there too or else its text
    (``ingest_documents``). The store is asked with a filter of its own, and what it gives back is checked against that:
    a document of another institution is an error, never a result.
    """

    store: VectorStore
    institution_key: str = "institution"
    output_key: str = "output"
    input_key: str = "input"
    filter_of: Callable[[str], Any] | None = None
    """An institution's filter in the store's own words, where ``{institution_key: name}``, which also is a function of
    a document or of its metadata, is none."""
    search: Mapping[str, Any] = field(default_factory=dict)
    """What else each search is given, such as ``fetch_k`` for a store that filters after it has searched."""

    def __post_init__(self) -> None:
        if not isinstance(self.store, VectorStore):
            raise DataError(f"'store' must be a LangChain VectorStore, got {type(self.store).__name__}")

    def nearest(self, query: str, institutions: Iterable[str], k: int = 8) -> dict[str, tuple[Demonstration, ...]]:
        """At most k demonstrations of each institution, nearest to the query first, by the store's own search.

        There are fewer where the institution has fewer, or where the store filters too late (``search``). Raises
        DataError for a document that is another institution's, or no demonstration.
        """
        names = _checked(query, institutions)
        embeddings = self.store.embeddings
        if embeddings is not None and self._takes_vectors():
            ask = partial(self.store.similarity_search_by_vector, embeddings.embed_query(query))
        else:
            ask = partial(self.store.similarity_search, query)
        return {name: self._read(name, ask(k=k, **self._asked(name)), k) for name in names}

    async def anearest(
        self, query: str, institutions: Iterable[str], k: int = 8
    ) -> dict[str, tuple[Demonstration, ...]]:
        """As ``nearest``, all institutions at the same time."""
        names = _checked(query, institutions)
        embeddings = self.store.embeddings
        ask: Callable[..., Awaitable[list[Document]]]
        if embeddings is not None and self._takes_vectors():
            ask = partial(self.store.asimilarity_search_by_vector, await embeddings.aembed_query(query))
        else:
            ask = partial(self.store.asimilarity_search, query)
        found = await asyncio.gather(*(ask(k=k, **self._asked(name)) for name in names))
        return {name: self._read(name, documents, k) for name, documents in zip(names, found, strict=True)}

    def by_ids(self, ids: Sequence[str]) -> tuple[Demonstration, ...]:
        """Demonstrations of the documents of these ids, as many as are there. Raises DataError for one that is none."""
        return tuple(map(self._demonstration, self.store.get_by_ids(ids)))

    def _takes_vectors(self) -> bool:
        """Whether the store has a search by vector of its own, so that a query is embedded once and not each time."""
        return type(self.store).similarity_search_by_vector is not VectorStore.similarity_search_by_vector

    def _asked(self, institution: str) -> dict[str, Any]:
        own = self.filter_of or partial(_OnlyOf, self.institution_key)
        return {**self.search, "filter": own(institution)}

    def _read(self, institution: str, documents: Sequence[Document], k: int) -> tuple[Demonstration, ...]:
        found = tuple(map(self._demonstration, documents))
        for one, document in zip(found, documents, strict=True):
            if one.institution != institution:
                raise DataError(
                    f"{type(self.store).__name__} was asked for documents of {institution!r} and gave {document.id!r} "
                    f"of {one.institution!r}: it does not apply the filter; give filter_of= in the store's own words"
                )
        return found[:k]

    def _demonstration(self, document: Document) -> Demonstration:
        return from_document(document, self.institution_key, self.output_key, self.input_key)


class _OnlyOf(dict[str, str]):
    """A filter for one institution that most stores understand: those that take a mapping, and those that call it."""

    def __init__(self, key: str, institution: str) -> None:
        super().__init__({key: institution})

    def __call__(self, given: Document | Mapping[str, Any]) -> bool:
        held = given.metadata if isinstance(given, Document) else given
        return all(held.get(key) == value for key, value in self.items())


def _checked(query: str, institutions: Iterable[str]) -> tuple[str, ...]:
    check_text("query", query)
    if isinstance(institutions, str):
        raise DataError(f"'institutions' must be a list of names, got a single string; give [{institutions!r}]")
    names = tuple(dict.fromkeys(institutions))
    for name in names:
        check_text("institution", name)
    return names

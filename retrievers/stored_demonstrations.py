"""Demonstrations in any LangChain vector store."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore

from metachain.data.demonstration import Demonstration, check_text, checked_name
from metachain.errors import DataError
from metachain.normal_form import normal_form
from metachain.retrievers.documents import from_document

__all__ = ["StoredDemonstrations"]


@dataclass(frozen=True, slots=True)
class StoredDemonstrations:
    """Reads the demonstrations that a LangChain vector store holds as documents, one institution at a time.

    A document's institution and output are in its metadata; its input is there too, or is its text
    (``ingest_documents``). Each search has a filter for the institution, and its results are checked: a document of
    another institution is an error, never a result.
    """

    store: VectorStore
    institution_key: str = "institution"
    output_key: str = "output"
    input_key: str = "input"
    filter_of: Callable[[str], Any] | None = None
    """Makes an institution's filter in the store's own format. The default, ``{institution_key: name}``, is also a
    function of a document or of its metadata."""
    search: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of each search, such as ``fetch_k`` for a store that filters after its search."""

    def __post_init__(self) -> None:
        if not isinstance(self.store, VectorStore):
            raise DataError(f"'store' must be a LangChain VectorStore, got {type(self.store).__name__}")

    def nearest(self, query: str, institutions: Iterable[str], k: int = 8) -> dict[str, tuple[Demonstration, ...]]:
        """Find at most k demonstrations of each institution by the store's own search, the nearest to the query first.

        There are fewer where the institution has fewer, or where the store filters after its search (``search``).
        Raises DataError for a document of another institution, and for one that is no demonstration.
        """
        names = _checked(query, institutions)
        embeddings = self.store.embeddings
        if embeddings is not None and self._takes_vectors():
            ask = partial(self.store.similarity_search_by_vector, embeddings.embed_query(query))
        else:
            ask = partial(self.store.similarity_search, query)
        return {name: self._read(name, ask(k=k, **self._search_arguments(name)), k) for name in names}

    async def anearest(
        self, query: str, institutions: Iterable[str], k: int = 8
    ) -> dict[str, tuple[Demonstration, ...]]:
        """Find as ``nearest`` does, with concurrent searches."""
        names = _checked(query, institutions)
        embeddings = self.store.embeddings
        ask: Callable[..., Awaitable[list[Document]]]
        if embeddings is not None and self._takes_vectors():
            ask = partial(self.store.asimilarity_search_by_vector, await embeddings.aembed_query(query))
        else:
            ask = partial(self.store.asimilarity_search, query)
        found = await asyncio.gather(*(ask(k=k, **self._search_arguments(name)) for name in names))
        return {name: self._read(name, documents, k) for name, documents in zip(names, found, strict=True)}

    def by_ids(self, ids: Sequence[str]) -> tuple[Demonstration, ...]:
        """Read the demonstrations with these document ids; unknown ids are skipped. DataError for other documents."""
        return tuple(map(self._demonstration, self.store.get_by_ids(ids)))

    def _takes_vectors(self) -> bool:
        """True if the store can search by vector; then a query is embedded once, and not once an institution."""
        return type(self.store).similarity_search_by_vector is not VectorStore.similarity_search_by_vector

    def _search_arguments(self, institution: str) -> dict[str, Any]:
        make_filter = self.filter_of or partial(_InstitutionFilter, self.institution_key)
        return {**self.search, "filter": make_filter(institution)}

    def _read(self, institution: str, documents: Sequence[Document], k: int) -> tuple[Demonstration, ...]:
        found = tuple(map(self._demonstration, documents))
        for one, document in zip(found, documents, strict=True):
            if one.institution != institution:
                raise DataError(
                    f"{type(self.store).__name__} was asked for documents of {institution!r} and gave {document.id!r} "
                    f"of {one.institution!r}: it does not apply the filter; give filter_of= in the store's own format"
                )
        return found[:k]

    def _demonstration(self, document: Document) -> Demonstration:
        return from_document(document, self.institution_key, self.output_key, self.input_key)


class _InstitutionFilter(dict[str, str]):
    """A filter for one institution, for stores that take a mapping and for stores that call a function."""

    def __init__(self, key: str, institution: str) -> None:
        super().__init__({key: institution})

    def __call__(self, given: Document | Mapping[str, Any]) -> bool:
        held = given.metadata if isinstance(given, Document) else given
        return all(normal_form(str(held.get(key, ""))) == value for key, value in self.items())


def _checked(query: str, institutions: Iterable[str]) -> tuple[str, ...]:
    check_text("query", query)
    if isinstance(institutions, str):
        raise DataError(f"'institutions' must be a list of names, got a single string; give [{institutions!r}]")
    return tuple(dict.fromkeys(checked_name("institution", name) for name in institutions))

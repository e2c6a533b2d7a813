"""FAISS stores of langchain-community, which is being retired; no other module imports it."""

import warnings
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.example_selectors import SemanticSimilarityExampleSelector

from metachain.data.demonstration import Demonstration
from metachain.errors import DataError
from metachain.retrievers.documents import from_document

__all__ = ["demonstrations_from_faiss", "documents_of_faiss", "semantic_example_selector"]


def semantic_example_selector(
    demonstrations: Sequence[Demonstration], embeddings: Embeddings, k: int = 8
) -> SemanticSimilarityExampleSelector:
    """Make LangChain's usual example selector: dense nearest neighbours over a FAISS store, the nearest *first*.

    It embeds inputs only (LangChain's default embeds an example's input and output together, but a query's input only).
    It ignores institutions, and an input that is in the store is its own example. Raises DataError where the extra
    ``community`` is not installed, and where there are no demonstrations.
    """
    if not demonstrations:
        raise DataError("a FAISS store can't be made of no demonstrations; give at least one")
    names = ("input", "output", "institution", "id")
    examples = [{name: getattr(one, name) for name in names} for one in demonstrations]
    return SemanticSimilarityExampleSelector.from_examples(
        examples, embeddings, _faiss_class(), k=k, input_keys=["input"], example_keys=["input", "output"]
    )


def demonstrations_from_faiss(
    store: Any, institution_key: str = "institution", output_key: str = "output", input_key: str = "input"
) -> list[Demonstration]:
    """Read the documents of a LangChain FAISS store, so that they can be added to a library.

    A document's input is its metadata's ``input_key`` where that exists (as in an example selector's store), else its
    text. Other metadata are kept; a string ``id`` in the metadata becomes the demonstration's id. The store is already
    loaded, so nothing is unpickled. Raises DataError that names an incomplete document.
    """
    return [
        from_document(document, institution_key, output_key, input_key, name=key) for key, document in _documents(store)
    ]


def documents_of_faiss(store: Any) -> Iterator[Document]:
    """Yield the documents of a LangChain FAISS store, for ``ingest_documents``; DataError for any other store."""
    return (document for _, document in _documents(store))


def _documents(store: Any) -> Iterator[tuple[str, Document]]:
    try:
        keys, docstore = store.index_to_docstore_id, store.docstore
    except AttributeError:
        raise DataError(f"'store' must be a FAISS store of langchain-community, got {type(store).__name__}") from None
    for position in sorted(keys):
        document = docstore.search(keys[position])
        if not isinstance(document, Document):
            raise DataError(f"the store's index names document {keys[position]!r}, which its docstore doesn't hold")
        yield keys[position], document


def _faiss_class() -> Any:
    try:
        with warnings.catch_warnings():
            # The import warns that the package is being retired; users can't act on that here.
            warnings.simplefilter("ignore", DeprecationWarning)
            return import_module("langchain_community.vectorstores").FAISS
    except ImportError as error:
        raise DataError(f"this needs langchain-community ({error}): pip install 'metachain[community]'") from error

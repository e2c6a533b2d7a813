"""The one seam to langchain-community, which is in sunset: what LangChain users have today, and how to leave it."""

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
    """What LangChain users have today: dense nearest neighbours over a FAISS store, the nearest *first*.

    Only inputs are embedded (LangChain's default embeds an example's output with it, but never a query's). It knows
    no institutions, and an input that is in the store is its own example. Raises DataError where the extra
    ``community`` is not installed or there are no demonstrations.
    """
    if not demonstrations:
        raise DataError("a FAISS store can't be made of no demonstrations; give at least one")
    examples = [
        {"input": one.input, "output": one.output, "institution": one.institution, "id": one.id}
        for one in demonstrations
    ]
    return SemanticSimilarityExampleSelector.from_examples(
        examples, embeddings, _faiss_class(), k=k, input_keys=["input"], example_keys=["input", "output"]
    )


def demonstrations_from_faiss(
    store: Any, institution_key: str = "institution", output_key: str = "output", input_key: str = "input"
) -> list[Demonstration]:
    """Read the documents of a LangChain FAISS store, so that they can be added to a library.

    A document's input is its metadata's ``input_key`` where there is one (as in an example selector's store), else
    its text; other metadata are kept, and a string ``id`` among them becomes the demonstration's. Nothing is unpickled:
    the store is one that you have loaded or made. Raises DataError that names the document which lacks something.
    """
    return [
        from_document(document, institution_key, output_key, input_key, name=key) for key, document in _documents(store)
    ]


def documents_of_faiss(store: Any) -> Iterator[Document]:
    """Documents of a LangChain FAISS store, for ``ingest_documents``. Raises DataError for a store of another kind."""
    for _, document in _documents(store):
        yield document


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
            # Importing the package announces its sunset; that it is used here at all is our decision, not the user's.
            warnings.simplefilter("ignore", DeprecationWarning)
            return import_module("langchain_community.vectorstores").FAISS
    except ImportError as error:
        raise DataError(f"this needs langchain-community ({error}): pip install 'metachain[community]'") from error

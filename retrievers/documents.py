"""LangChain's documents as the rows of a library."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from langchain_core.documents import Document

from metachain.data.demonstration import Demonstration, parse_record
from metachain.data.rows import Row
from metachain.errors import DataError
from metachain.library.ingestion import Ingested, ingest
from metachain.library.library import Library
from metachain.library.sharing import Grant

__all__ = ["document_of", "document_rows", "from_document", "ingest_documents", "record_of_document"]


def ingest_documents(
    library: Library,
    documents: Iterable[Document],
    *,
    institution: str | None = None,
    institution_key: str = "institution",
    output_key: str = "output",
    input_key: str = "input",
    strict: bool = False,
    share: Grant | None = None,
    rejected: str | Path | None = None,
) -> Ingested:
    """Store the demonstrations of LangChain documents in one transaction, one document held at a time.

    A document's input is its metadata's ``input_key`` where there is one, else its text; institution and output are in
    its metadata, or ``institution`` says whose all of them are. Other metadata are kept, and a string ``id`` among them
    becomes the demonstration's. Documents that can't be used are left out, counted from 1 as rows, and written to the
    file ``rejected`` where that is given; with ``strict`` they are a DataError and nothing is stored. ``share`` is as
    in ``Library.add``. Those of a FAISS store of langchain-community are what ``documents_of_faiss(store)`` gives.
    """
    rows = document_rows(documents, institution_key, output_key, input_key)
    target = Path(rejected) if rejected is not None else None
    return ingest(
        library, rows, institution=institution, strict=strict, share=share, rejected=target, source="the documents"
    )


def document_rows(
    documents: Iterable[Document],
    institution_key: str = "institution",
    output_key: str = "output",
    input_key: str = "input",
) -> Iterator[Row]:
    """Rows of documents, numbered from 1. Raises DataError for what is no document."""
    for number, document in enumerate(documents, start=1):
        if not isinstance(document, Document):
            raise DataError(f"item {number} must be a LangChain Document, got {type(document).__name__}")
        yield Row(number, record_of_document(document, institution_key, output_key, input_key), unit="row")


def record_of_document(document: Document, institution_key: str, output_key: str, input_key: str) -> Mapping[str, Any]:
    """A document by our field names, as ``ingest_documents`` says; what it lacks is left out."""
    held = document.metadata
    ours = {institution_key: "institution", output_key: "output", input_key: "input"}
    record: dict[str, Any] = {"input": document.page_content}
    record |= {ours[key]: value for key, value in held.items() if key in ours}
    if isinstance(held.get("id"), str):
        record["id"] = held["id"]
    record["metadata"] = {key: value for key, value in held.items() if key not in ours and key != "id"}
    return record


def from_document(
    document: Document,
    institution_key: str = "institution",
    output_key: str = "output",
    input_key: str = "input",
    name: str | None = None,
) -> Demonstration:
    """The demonstration that a document is, as ``ingest_documents`` says.

    Raises DataError that calls the document by ``name``, else by its id, and says what it lacks.
    """
    held = document.metadata
    called = document.id if name is None else name
    missing = [key for key in (institution_key, output_key) if key not in held]
    if missing:
        raise DataError(
            f"document {called!r} has no {' and no '.join(map(repr, missing))} in its metadata, it has: "
            f"{', '.join(map(repr, held)) or 'nothing'}; name other keys with institution_key=, output_key="
        )
    try:
        return parse_record(record_of_document(document, institution_key, output_key, input_key))
    except DataError as error:
        raise DataError(f"document {called!r} of the store: {error}") from None


def document_of(demonstration: Demonstration) -> Document:
    """A demonstration as a document, which ``from_row`` turns back into the same one.

    The text is the input; institution, output and id are in the metadata, which may hold none of these names yet. The
    document's id is a UUID made of institution and id, so that storing it again replaces it. Raises DataError.
    """
    ours = {"institution": demonstration.institution, "output": demonstration.output, "id": demonstration.id}
    if taken := {*ours, "input"} & set(demonstration.metadata):
        raise DataError(
            f"demonstration {demonstration.id!r} has {sorted(taken)[0]!r} in its metadata, where a document keeps its "
            f"own; give that another name"
        )
    name = str(uuid5(NAMESPACE_OID, "\0".join(demonstration.key)))
    return Document(id=name, page_content=demonstration.input, metadata={**demonstration.metadata, **ours})

"""LangChain documents as demonstrations of a library."""

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

__all__ = ["document_of", "from_document", "ingest_documents"]


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
    """Store the demonstrations of LangChain documents in one transaction, with one document in memory at a time.

    A document's input is its metadata's ``input_key`` where that exists, else its text. Its output and institution are
    in the metadata; ``institution``, if given, is the institution of all documents. Other metadata are kept; a string
    ``id`` in the metadata becomes the demonstration's id. Invalid documents are skipped, and written to the file
    ``rejected`` where that is given, numbered from 1 as rows; with ``strict`` an invalid document raises DataError, and
    nothing is stored. ``share`` is as in ``Library.add``. For a FAISS store of langchain-community, pass
    ``documents_of_faiss(store)``.
    """
    rows = _rows(documents, institution_key, output_key, input_key)
    target = Path(rejected) if rejected is not None else None
    return ingest(
        library, rows, institution=institution, strict=strict, share=share, rejected=target, source="the documents"
    )


def from_document(
    document: Document,
    institution_key: str = "institution",
    output_key: str = "output",
    input_key: str = "input",
    name: str | None = None,
) -> Demonstration:
    """Make a demonstration of a document, as described in ``ingest_documents``.

    Raises DataError with the document's ``name``, or else its id, and the missing fields.
    """
    metadata = document.metadata
    label = document.id if name is None else name
    missing = [key for key in (institution_key, output_key) if key not in metadata]
    if missing:
        raise DataError(
            f"document {label!r} has no {' and no '.join(map(repr, missing))} in its metadata, it has: "
            f"{', '.join(map(repr, metadata)) or 'nothing'}; name other keys with institution_key=, output_key="
        )
    try:
        return parse_record(_record(document, institution_key, output_key, input_key))
    except DataError as error:
        raise DataError(f"document {label!r} of the store: {error}") from None


def document_of(demonstration: Demonstration) -> Document:
    """Make a document of a demonstration; ``from_document`` turns it back into the same demonstration.

    The document's text is the input; institution, output and id are in the metadata. The document's id is a UUID made
    of institution and id, so that storing it again replaces it. Raises DataError where the demonstration's metadata
    already use one of these names.
    """
    ours = {"institution": demonstration.institution, "output": demonstration.output, "id": demonstration.id}
    if taken := {*ours, "input"} & set(demonstration.metadata):
        raise DataError(
            f"demonstration {demonstration.id!r} has {sorted(taken)[0]!r} in its metadata, where a document keeps its "
            f"own; rename that key"
        )
    name = str(uuid5(NAMESPACE_OID, "\0".join(demonstration.key)))
    return Document(id=name, page_content=demonstration.input, metadata={**demonstration.metadata, **ours})


def _rows(documents: Iterable[Document], *keys: str) -> Iterator[Row]:
    for number, document in enumerate(documents, start=1):
        if not isinstance(document, Document):
            raise DataError(f"item {number} must be a LangChain Document, got {type(document).__name__}")
        yield Row(number, _record(document, *keys), unit="row")


def _record(document: Document, institution_key: str, output_key: str, input_key: str) -> Mapping[str, Any]:
    """Make a record of a document, as described in ``ingest_documents``; missing fields are left out."""
    metadata = document.metadata
    fields = {institution_key: "institution", output_key: "output", input_key: "input"}
    record: dict[str, Any] = {"input": document.page_content}
    record |= {fields[key]: value for key, value in metadata.items() if key in fields}
    if isinstance(metadata.get("id"), str):
        record["id"] = metadata["id"]
    record["metadata"] = {key: value for key, value in metadata.items() if key not in fields and key != "id"}
    return record

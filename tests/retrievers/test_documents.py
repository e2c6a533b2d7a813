"""LangChain's documents on their way into a library."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from handmade import Tiny, demonstrations
from langchain_core.documents import Document

from metachain.data.demonstration import Demonstration
from metachain.embedding.encoder import MiniLM
from metachain.errors import DataError
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE
from metachain.retrievers import (
    EncoderEmbeddings,
    documents_of_faiss,
    ingest_documents,
    semantic_example_selector,
)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """An empty library."""
    with Library.open(tmp_path / "x.db", Tiny()) as opened:
        yield opened


def test_documents_become_demonstrations(library: Library) -> None:
    """The text is the input unless the metadata have one; other metadata and a string id are kept."""
    documents = [
        Document("x", metadata={"institution": "a", "output": "1", "id": "7", "year": 2024}),
        Document("y: 2", metadata={"institution": "b", "input": "y", "output": "2", "id": 8}),
    ]
    found = ingest_documents(library, iter(documents), share=EVERYONE)
    assert (found.stored, found.rejected) == (2, 0)
    first, second = library.demonstrations()
    assert (first, first.metadata) == (Demonstration("a", "x", "1", "7"), {"year": 2024})
    assert (second, second.metadata) == (Demonstration("b", "y", "2"), {})


def test_documents_may_have_keys_of_their_own(library: Library) -> None:
    """Keys can be named, and the institution given for all."""
    documents = [Document("x", metadata={"code": "1", "text": "z"})]
    ingest_documents(library, documents, institution="a", output_key="code", input_key="text")
    assert library.demonstrations() == (Demonstration("a", "z", "1"),)


def test_documents_that_can_not_be_used_are_told(library: Library, tmp_path: Path) -> None:
    """What a document lacks is told by its number, and written; with ``strict`` nothing is stored."""
    documents = [
        Document("x", metadata={"institution": "a", "output": "1"}),
        Document("y", metadata={"institution": "a"}),
    ]
    with pytest.raises(DataError, match=r"the documents: 1 bad row\(s\), nothing was stored.*\n  row 2: missing field"):
        ingest_documents(library, documents, strict=True)
    assert library.counts() == {}
    found = ingest_documents(library, documents, rejected=tmp_path / "r.jsonl")
    assert (found.stored, found.reasons) == (1, ("row 2: missing field(s) 'output'",))
    assert json.loads((tmp_path / "r.jsonl").read_text())["record"]["input"] == "y"
    with pytest.raises(DataError, match="item 1 must be a LangChain Document, got str"):
        ingest_documents(library, ["x"])  # type: ignore[list-item]


def test_a_faiss_store_is_documents_too(library: Library, encoder: MiniLM) -> None:
    """What an example selector's store holds is ingested one document at a time, ids included."""
    pytest.importorskip("langchain_community.vectorstores.faiss")
    given = demonstrations()
    store = semantic_example_selector(given, EncoderEmbeddings(encoder)).vectorstore
    assert ingest_documents(library, documents_of_faiss(store)).stored == len(given)
    assert set(library.demonstrations()) == set(given)
    with pytest.raises(DataError, match="got list"):
        ingest_documents(library, documents_of_faiss([]))

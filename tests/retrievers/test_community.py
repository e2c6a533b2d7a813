"""The seam to langchain-community: what users have today, and how to leave it."""

import sys
import warnings
from pathlib import Path

import pytest

from metachain.data.demonstration import Demonstration
from metachain.embedding.encoder import MiniLM
from metachain.errors import DataError
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE
from metachain.retrievers import EncoderEmbeddings, demonstrations_from_faiss, semantic_example_selector

faiss_store = pytest.importorskip("langchain_community.vectorstores.faiss")


@pytest.fixture
def embeddings(encoder: MiniLM) -> EncoderEmbeddings:
    """The real encoder as LangChain takes it."""
    return EncoderEmbeddings(encoder)


def test_nearest_inputs_come_first(encoder: MiniLM, embeddings: EncoderEmbeddings, world: list[Demonstration]) -> None:
    """The baseline shows the k inputs nearest to the query, the nearest first: a search by hand finds the same."""
    selector = semantic_example_selector(world, embeddings, k=5)
    query = "ct of the brain"
    similarity = encoder.encode([one.input for one in world]) @ encoder.encode([query])[0]
    chosen = selector.select_examples({"input": query, "other": "ignored"})
    found = [similarity[[one.input for one in world].index(example["input"])] for example in chosen]
    assert found == pytest.approx(sorted(similarity, reverse=True)[:5], abs=1e-5)
    assert all(set(example) == {"input", "output"} for example in chosen)


def test_only_inputs_are_embedded(embeddings: EncoderEmbeddings, world: list[Demonstration]) -> None:
    """The store's texts are the inputs alone, without the outputs."""
    store = semantic_example_selector(world[:3], embeddings).vectorstore
    assert {document.page_content for document in store.docstore._dict.values()} == {one.input for one in world[:3]}


def test_a_stored_input_is_its_own_example(embeddings: EncoderEmbeddings, world: list[Demonstration]) -> None:
    """The baseline shows a query that is in the store to itself, which our selectors never do."""
    selector = semantic_example_selector(world, embeddings, k=1)
    assert selector.select_examples({"input": world[0].input})[0]["input"] == world[0].input


def test_no_demonstrations_are_refused(embeddings: EncoderEmbeddings) -> None:
    """A store of nothing is a DataError."""
    with pytest.raises(DataError, match="at least one"):
        semantic_example_selector([], embeddings)


def test_a_store_moves_into_a_library(
    embeddings: EncoderEmbeddings, encoder: MiniLM, world: list[Demonstration], tmp_path: Path
) -> None:
    """What an example selector's store holds arrives in a library as it was, ids included."""
    moved = demonstrations_from_faiss(semantic_example_selector(world, embeddings).vectorstore)
    with Library.open(tmp_path / "moved.db", encoder) as library:
        library.add(moved, share=EVERYONE)
        assert set(library.demonstrations()) == set(world)


def test_a_plain_store_moves_with_its_own_keys(embeddings: EncoderEmbeddings) -> None:
    """A document's text is the input; keys can be named, other metadata are kept, an id is derived."""
    store = faiss_store.FAISS.from_texts(
        ["mri brain", "mri spine"],
        embeddings,
        metadatas=[{"site": "a", "code": "0611", "year": 2024}, {"site": "b", "code": "0612"}],
    )
    first, second = demonstrations_from_faiss(store, institution_key="site", output_key="code")
    assert (first, second) == (Demonstration("a", "mri brain", "0611"), Demonstration("b", "mri spine", "0612"))
    assert first.metadata == {"year": 2024}


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "has no 'institution' and no 'output' in its metadata, it has: nothing"),
        ({"institution": "a"}, "has no 'output'.*it has: 'institution'"),
        ({"institution": "a", "output": 7}, "'output' must be a string"),
        ({"institution": " ", "output": "7"}, "'institution' is blank"),
    ],
)
def test_a_document_that_lacks_something_is_named(
    embeddings: EncoderEmbeddings, metadata: dict[str, object], message: str
) -> None:
    """A bad document is a DataError that names it and says what it holds."""
    store = faiss_store.FAISS.from_texts(["mri"], embeddings, metadatas=[metadata], ids=["doc-1"])
    with pytest.raises(DataError, match=f"document 'doc-1'.*{message}"):
        demonstrations_from_faiss(store)


def test_a_store_of_another_kind_is_refused() -> None:
    """Anything but a FAISS store is a DataError."""
    with pytest.raises(DataError, match="got list"):
        demonstrations_from_faiss([])


def test_an_index_without_its_document_is_refused(embeddings: EncoderEmbeddings) -> None:
    """A store whose index and documents disagree is refused, not read in part."""
    store = faiss_store.FAISS.from_texts(["mri"], embeddings, metadatas=[{"institution": "a", "output": "b"}])
    store.docstore._dict.clear()
    with pytest.raises(DataError, match="doesn't hold"):
        demonstrations_from_faiss(store)


def test_without_the_extra_the_error_names_it(
    monkeypatch: pytest.MonkeyPatch, embeddings: EncoderEmbeddings, world: list[Demonstration]
) -> None:
    """Where langchain-community can't be imported, the error says what to install."""
    monkeypatch.setitem(sys.modules, "langchain_community.vectorstores", None)
    with pytest.raises(DataError, match=r"pip install 'metachain\[community\]'"):
        semantic_example_selector(world, embeddings)


def test_the_users_warning_filters_are_left_alone(embeddings: EncoderEmbeddings, world: list[Demonstration]) -> None:
    """The sunset notice is silenced for the import only."""
    before = list(warnings.filters)
    semantic_example_selector(world[:1], embeddings)
    assert list(warnings.filters) == before

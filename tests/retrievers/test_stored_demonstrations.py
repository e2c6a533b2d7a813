"""Demonstrations out of any LangChain vector store."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from handmade import WORDS, Tiny, demonstrations
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore

from metachain.data.demonstration import Demonstration
from metachain.errors import DataError
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE
from metachain.retrievers import (
    DemonstrationVectorStore,
    EncoderEmbeddings,
    StoredDemonstrations,
    document_of,
    ingest_documents,
)

GIVEN = demonstrations(institutions=5, each=20)
QUERY = "x-ray of the chest 7"
NAMES = ["h3", "h0", "nobody"]


def in_memory(documents: list[Document]) -> VectorStore:
    """LangChain's store in memory, whose filters are functions."""
    store = InMemoryVectorStore(EncoderEmbeddings(Tiny()))
    store.add_documents(documents)
    return store


def community_faiss(documents: list[Document]) -> VectorStore:
    """LangChain's FAISS store, which filters after it has searched."""
    faiss_store = pytest.importorskip("langchain_community.vectorstores.faiss")
    made: VectorStore = faiss_store.FAISS.from_documents(documents, EncoderEmbeddings(Tiny()))
    return made


def ours(documents: list[Document]) -> VectorStore:
    """Ours, whose filters are mappings or functions."""
    store = DemonstrationVectorStore(EncoderEmbeddings(Tiny()))
    store.add_documents(documents)
    return store


Made = Callable[[list[Document]], VectorStore]


@pytest.fixture(params=[in_memory, community_faiss, ours], ids=lambda made: made.__name__)
def made(request: pytest.FixtureRequest) -> Made:
    """Makes a store of each kind."""
    found: Made = request.param
    return found


def by_hand(institution: str, k: int) -> tuple[Demonstration, ...]:
    """The nearest of an institution, by a product with all of them."""
    own = [one for one in GIVEN if one.institution == institution]
    near = Tiny().encode([one.input for one in own]) @ Tiny().encode([QUERY])[0] if own else np.zeros(0)
    return tuple(own[place] for place in np.argsort(-near, kind="stable")[:k])


async def test_the_nearest_of_each_institution(made: Made) -> None:
    """Every kind of store gives what a search by hand finds in each institution; the query is embedded once."""
    documents = [document_of(one) for one in GIVEN]
    stored = StoredDemonstrations(made(documents), search={} if made is not community_faiss else {"fetch_k": 100})
    tiny = stored.store.embeddings.encoder  # type: ignore[union-attr]
    tiny.seen.clear()
    found = stored.nearest(QUERY, NAMES, 4)
    assert found == {name: by_hand(name, 4) for name in NAMES}
    assert found["h3"][0].metadata == {"group": "g1"}
    assert tiny.seen == [QUERY]
    assert await stored.anearest(QUERY, NAMES, 4) == found
    assert stored.by_ids([str(documents[7].id), "no"]) == (GIVEN[7],)


def test_a_late_filter_loses_but_never_leaks() -> None:
    """Of a store that filters after its search there may be fewer, but nobody else's."""
    store = community_faiss([document_of(one) for one in demonstrations(institutions=40, each=10)])
    found = StoredDemonstrations(store).nearest(QUERY, ["h1"], 8)["h1"]
    assert len(found) < 8
    assert {one.institution for one in found} <= {"h1"}


class Careless(InMemoryVectorStore):
    """A store that takes any filter and applies none."""

    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, **_: Any) -> list[Document]:
        """The nearest of all."""
        return super().similarity_search_by_vector(embedding, k)


async def test_a_store_that_passes_over_the_filter_is_found_out() -> None:
    """Another institution's document is an error that names it, and nothing is given back."""
    store = Careless(EncoderEmbeddings(Tiny()))
    store.add_documents([document_of(one) for one in GIVEN])
    stored = StoredDemonstrations(store)
    with pytest.raises(DataError, match=r"Careless was asked for documents of 'h1' and gave .* of 'h.'.*filter_of="):
        stored.nearest(QUERY, ["h1"])
    with pytest.raises(DataError, match="does not apply the filter"):
        await stored.anearest(QUERY, ["h1"])


class Plain(Careless):
    """A store without a search by vector, whose filters have words of their own."""

    similarity_search_by_vector = VectorStore.similarity_search_by_vector  # type: ignore[assignment]

    def similarity_search(self, query: str, k: int = 4, **asked: Any) -> list[Document]:
        """The nearest, of one institution."""
        place = asked["filter"].removeprefix("site = ")
        assert asked["patience"] == 3
        return super().similarity_search(query, k, filter=lambda one: one.metadata["site"] == place)

    async def asimilarity_search(self, query: str, k: int = 4, **asked: Any) -> list[Document]:
        """The same, awaited."""
        return self.similarity_search(query, k, **asked)


async def test_a_store_is_asked_in_its_own_words() -> None:
    """Keys, filters and other arguments can be told, and a search by text will do."""
    store = Plain(EncoderEmbeddings(Tiny()))
    store.add_documents([Document(one.input, metadata={"site": one.institution, "code": one.output}) for one in GIVEN])
    stored = StoredDemonstrations(
        store, "site", "code", filter_of=lambda name: f"site = {name}", search={"patience": 3}
    )
    found = stored.nearest(QUERY, NAMES, 4)
    assert found == {name: by_hand(name, 4) for name in NAMES}
    assert await stored.anearest(QUERY, NAMES, 4) == found


def test_a_store_moves_into_a_library(made: Made, tmp_path: Path) -> None:
    """What a store holds arrives in a library as it was, whether read by id, found by a query or ingested."""
    documents = [document_of(one) for one in GIVEN]
    stored = StoredDemonstrations(made(documents), search={} if made is not community_faiss else {"fetch_k": 100})
    names = [str(one.id) for one in documents]
    with Library.open(tmp_path / "x.db", Tiny()) as library:
        library.add(stored.by_ids(names), share=EVERYONE)
        assert set(library.demonstrations()) == set(GIVEN)
        assert ingest_documents(library, stored.store.get_by_ids(names)).stored == 0
        for found in stored.nearest(QUERY, sorted(library.sharing.usable_by("new").demonstrations), 3).values():
            library.add(found)
        assert set(library.demonstrations()) == set(GIVEN)


def test_what_is_wrong_is_told(made: Made) -> None:
    """A document that lacks something is named; so is what can't be asked."""
    stored = StoredDemonstrations(made([Document("x", id="7", metadata={"institution": "a"})]))
    with pytest.raises(DataError, match="document '7' has no 'output' in its metadata, it has: 'institution'"):
        stored.nearest("x", ["a"])
    with pytest.raises(DataError, match=r"must be a list of names, got a single string; give \['a'\]"):
        stored.nearest("x", "a")
    with pytest.raises(DataError, match="'query' is blank"):
        stored.nearest(" ", ["a"])
    with pytest.raises(DataError, match="'store' must be a LangChain VectorStore, got list"):
        StoredDemonstrations([])  # type: ignore[arg-type]


def test_a_demonstration_is_a_document_with_an_id_of_its_own() -> None:
    """The id is a UUID of institution and id, the same each time; a name that is taken is refused."""
    one, other = Demonstration("a", WORDS[0], "1", id="7"), Demonstration("b", WORDS[0], "1", id="7")
    assert document_of(one) == document_of(one)
    assert document_of(one).id != document_of(other).id
    assert document_of(one).metadata == {"institution": "a", "output": "1", "id": "7"}
    with pytest.raises(DataError, match="'8' has 'input' in its metadata"):
        document_of(Demonstration("a", "x", "1", id="8", metadata={"input": "y"}))


def test_an_institution_is_one_in_a_store_too(made: Made) -> None:
    """Documents whose institution is padded are found under its name, and under its other spellings."""
    if made is community_faiss:
        pytest.skip("its filter compares byte by byte")
    documents = [document_of(one) for one in GIVEN[:20]]
    for one in documents[::2]:
        one.metadata["institution"] = f"{one.metadata['institution']}\u00a0 "
    stored = StoredDemonstrations(made(documents))
    plain, spelled = (stored.nearest(QUERY, [name], 20) for name in ("h0", "h0 "))
    assert plain == spelled
    assert len(plain["h0"]) == 20


def test_names_are_found_in_any_spelling(made: Made) -> None:
    """A store's own spelling of an institution is compared in its normal form, by LangChain's FAISS too."""
    documents = [Document("chest film", id="1", metadata={"institution": "Ko\u0308ln ", "output": "1"})]
    stored = StoredDemonstrations(made(documents))
    assert [one.output for one in stored.nearest("chest", ["Köln"])["Köln"]] == ["1"]

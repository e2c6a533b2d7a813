# Longer than 300 lines: the standard suite, filters, searches and threads of one store.
"""LangChain's vector store: its standard suite, filters within the search, MMR, threads."""

import asyncio
import threading
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pytest
from handmade import Tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore
from langchain_core.vectorstores.utils import maximal_marginal_relevance
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from metachain.embedding.similarity import unit_rows
from metachain.errors import DataError
from metachain.retrievers import DemonstrationVectorStore, EncoderEmbeddings
from metachain.retrievers.vector_rows import diverse

Admits = Callable[[Document], bool]
TINY = EncoderEmbeddings(Tiny())


class TestStandard(VectorStoreIntegrationTests):
    """LangChain's own suite for vector stores."""

    @pytest.fixture
    def vectorstore(self) -> VectorStore:
        """An empty store."""
        return DemonstrationVectorStore(self.get_embeddings())


def filled(count: int = 60, places: int = 6) -> DemonstrationVectorStore:
    """A store of numbered texts, dealt to institutions in turn."""
    store = DemonstrationVectorStore(TINY)
    store.add_documents(
        [
            Document(f"text {n}", id=f"d{n}", metadata={"institution": f"h{n % places}", "n": n, "tags": [n % 2]})
            for n in range(count)
        ]
    )
    return store


def by_hand(
    store: DemonstrationVectorStore, query: str, k: int, admits: Callable[[Document], bool]
) -> list[str | None]:
    """Ids of the nearest, by a loop over all documents."""
    asked = np.array(TINY.embed_query(query))
    admitted = [one for one in store.documents() if admits(one)]
    near = [float(np.array(TINY.embed_query(one.page_content)) @ asked) for one in admitted]
    return [admitted[place].id for place in np.argsort(np.negative(near), kind="stable")[:k]]


def ids(documents: list[Document]) -> list[str | None]:
    """Ids of documents, in order."""
    return [one.id for one in documents]


FILTERS: list[tuple[Any, Admits]] = [
    (None, lambda _: True),
    ({}, lambda _: True),
    ({"institution": "h1"}, lambda one: one.metadata["institution"] == "h1"),
    ({"institution": ["h1", "h2"]}, lambda one: one.metadata["institution"] in {"h1", "h2"}),
    (
        {"institution": {"$ne": "h1"}, "n": {"$nin": [2, 3]}},
        lambda one: one.metadata["n"] % 6 != 1 and one.metadata["n"] not in {2, 3},
    ),
    ({"n": {"$in": []}}, lambda _: False),
    ({"tags": {"$eq": [1]}}, lambda one: one.metadata["tags"] == [1]),
    ({"nothing": {"$ne": 1}}, lambda _: True),
    ({"n": {"$gte": 7, "$lt": 19}}, lambda one: 7 <= one.metadata["n"] < 19),
    ({"n": {"$gt": "40"}}, lambda one: one.metadata["n"] > 40),
    ({"institution": {"$lte": "h2"}}, lambda one: one.metadata["institution"] <= "h2"),
    (
        {"$or": [{"institution": "h1"}, {"n": {"$lt": 3}}]},
        lambda one: one.metadata["n"] % 6 == 1 or one.metadata["n"] < 3,
    ),
    (
        {"$and": [{"institution": "h1"}, {"n": {"$gt": 9}}]},
        lambda one: one.metadata["n"] % 6 == 1 and one.metadata["n"] > 9,
    ),
    ({"$not": {"institution": "h1", "n": 1}}, lambda one: one.metadata["n"] != 1),
    ({"n": {"$not": {"$gte": 5}}}, lambda one: one.metadata["n"] < 5),
    ({"nothing": {"$exists": False}, "n": {"$exists": True}}, lambda _: True),
    ({"nothing": {"$gte": 0}}, lambda _: False),
    ({"n": True}, lambda _: False),
    ({"nothing": None}, lambda _: False),
    (lambda one: one.metadata["n"] > 40, lambda one: one.metadata["n"] > 40),
]


@pytest.mark.parametrize(("condition", "admits"), FILTERS)
@pytest.mark.parametrize("k", [0, 1, 8, 100])
def test_a_filter_works_within_the_search(condition: Any, admits: Admits, k: int) -> None:
    """As many as there are, up to k, of exactly those admitted, as a search by hand finds them; MMR keeps to it too."""
    store = filled()
    expected = by_hand(store, "a query", k, admits)
    assert ids(store.similarity_search("a query", k, filter=condition)) == expected
    diverse_ones = store.max_marginal_relevance_search("a query", k, fetch_k=k, lambda_mult=1, filter=condition)
    assert ids(diverse_ones) == expected


def test_what_langchain_loses_is_found() -> None:
    """Where an institution holds one document in a hundred, its eight come back; a filter afterwards finds none."""
    faiss_store = pytest.importorskip("langchain_community.vectorstores.faiss")
    store = filled(800, 100)
    theirs = faiss_store.FAISS.from_documents(list(store.documents()), TINY)
    wanted = {"institution": "h7"}
    assert len(store.similarity_search("text 1", 8, filter=wanted)) == 8
    assert len(theirs.similarity_search("text 1", 8, filter=wanted)) < 8
    made_correct = theirs.similarity_search("text 1", 8, filter=wanted, fetch_k=800)
    assert ids(made_correct) == ids(store.similarity_search("text 1", 8, filter=wanted))


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ({"n": {"$gtr": 3}}, r"compares 'n' with '\$gtr'; the known comparisons are \$eq.*did you mean \$gt"),
        ({"n": {"$like": "h%"}}, r"compares 'n' with '\$like'; the known comparisons are \$eq"),
        ({"n": {"$gt": [3]}}, r"give \$gt of 'n' a number, a text or a date, got \[3\]"),
        ({"n": {"$exists": 1}}, r"give \$exists of 'n' True or False, got 1"),
        ({"n": {"$not": 3}}, r"give \$not of 'n' comparisons"),
        ({"$nor": [{"n": 1}]}, r"'\$nor' in place of a key; filters are joined by \$and, \$or, \$not"),
        ({"$or": {"n": 1}}, r"give \$or a list of filters that is not empty, got"),
        ({"$not": [{"n": 1}]}, r"'filter' must be a mapping such as"),
        ({"n": {"$in": 3}}, r"give \$in of 'n' a list, got int"),
        ({"$and": []}, r"give \$and a list of filters that is not empty, got \[\]"),
        ({"n": {"$eq": object()}}, r"must compare 'n' with what JSON can hold"),
        ({3: 4}, "must name keys of the metadata, got 3"),
        ("institution = 'a'", "must be a mapping or a function, got str"),
    ],
)
def test_a_filter_that_is_not_understood_is_refused(condition: Any, message: str) -> None:
    """Nothing is found rather than too much."""
    with pytest.raises(DataError, match=message):
        filled(3).similarity_search("x", filter=condition)
    with pytest.raises(TypeError, match="filters"):
        filled(3).similarity_search("x", filters={"institution": "a"})
    with pytest.raises(TypeError, match="filters"):
        filled(3).max_marginal_relevance_search("x", filters={"institution": "a"})


def test_scores_are_cosines() -> None:
    """Scores fall from the nearest on; the relevance is the cosine, and 0 where that is less."""
    store = filled()
    found = store.similarity_search_with_score("text 3", 60)
    assert found[0][0].id == "d3"
    assert found[0][1] == pytest.approx(1, abs=1e-6)
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)
    relevant = store.similarity_search_with_relevance_scores("text 3", 60)
    assert [score for _, score in relevant] == [min(max(score, 0), 1) for score in scores]
    asked = store.similarity_search_by_vector(TINY.embed_query("text 3"), 60)
    assert asked == [one for one, _ in found]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6), n=st.integers(1, 25), k=st.integers(1, 12), weight=st.sampled_from([0.0, 0.3, 0.5, 1.0])
)
def test_diversity_is_langchains(seed: int, n: int, k: int, weight: float) -> None:
    """Maximal marginal relevance chooses what LangChain's own, slower code does."""
    rng = np.random.default_rng(seed)
    rows, query = unit_rows(rng.standard_normal((n, 8)).astype(np.float32)), rng.standard_normal(8)
    expected = maximal_marginal_relevance(query, list(rows), lambda_mult=weight, k=k)
    similarity = np.asarray(rows @ unit_rows(query[None].astype(np.float32))[0])
    assert diverse(similarity, rows, k, weight) == expected


def test_a_diverse_search_is_langchains() -> None:
    """With a filter it finds what InMemoryVectorStore does."""
    store = filled()
    theirs = InMemoryVectorStore(TINY)
    theirs.add_documents(list(store.documents()))
    expected = theirs.max_marginal_relevance_search("a query", 5, 12, filter=lambda one: one.metadata["n"] % 2 == 0)
    found = store.max_marginal_relevance_search("a query", 5, 12, filter=lambda one: one.metadata["n"] % 2 == 0)
    assert ids(found) == ids(expected)
    assert len(store.max_marginal_relevance_search("a query", 5, fetch_k=2)) == 5
    with pytest.raises(DataError, match="'lambda_mult' must be from 0 to 1, got 2"):
        store.max_marginal_relevance_search("a query", lambda_mult=2)


async def test_sync_equals_async() -> None:
    """All ways to ask give the same, whether they are awaited or not."""
    store, twin = filled(), DemonstrationVectorStore(TINY)
    await twin.aadd_documents(list(store.documents()))
    wanted = {"institution": "h1"}
    assert await twin.asimilarity_search("x", 5, filter=wanted) == store.similarity_search("x", 5, filter=wanted)
    scored = await twin.asimilarity_search_with_score("x", 5, filter=wanted)
    assert scored == store.similarity_search_with_score("x", 5, filter=wanted)
    found = await twin.amax_marginal_relevance_search("x", 5, 9, 0.3, filter=wanted)
    assert found == store.max_marginal_relevance_search("x", 5, 9, 0.3, filter=wanted)
    found = store.max_marginal_relevance_search("x", 3, filter=wanted)
    retriever = twin.as_retriever(search_type="mmr", search_kwargs={"k": 3, "filter": wanted})
    assert (
        await retriever.ainvoke("x")
        == retriever.invoke("x")
        == store.max_marginal_relevance_search("x", 3, filter=wanted)
    )


def test_what_is_kept_is_a_copy() -> None:
    """Neither what was given nor what came back is the store's own."""
    store = DemonstrationVectorStore(TINY)
    mine = Document("a", metadata={"tags": ["x"]})
    [name] = store.add_documents([mine])
    mine.metadata["tags"].append("y")
    store.similarity_search("a", 1)[0].metadata["tags"].append("z")
    assert store.get_by_ids([name])[0].metadata == {"tags": ["x"]}


def test_ids_are_upserted() -> None:
    """The last of an id counts, within one call as well; what went is found no more, by id or by search."""
    store = filled(4)
    store.add_documents([Document("new", id="d1"), Document("newer", id="d1"), Document("text 9", id="d9")])
    assert [one.page_content for one in store.get_by_ids(["d9", "no", "d1"])] == ["text 9", "newer"]
    assert sorted(one.page_content for one in store.similarity_search("x", 9)) == sorted(
        ["text 0", "newer", "text 2", "text 3", "text 9"]
    )
    store.delete(["d0", "no"])
    assert len(store) == 4
    assert store.get_by_ids(["d0"]) == []
    store.delete()
    assert len(store) == 0
    assert store.similarity_search("x", filter={"a": "b"}) == []


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.sets(st.integers(0, 30), max_size=20)), max_size=12))
def test_any_history_leaves_what_a_dict_holds(history: list[tuple[bool, set[int]]]) -> None:
    """After additions and deletions in any order a store holds, finds and filters what a dict would."""
    store, held = DemonstrationVectorStore(TINY), dict[str, str]()
    for step, (adding, numbers) in enumerate(history):
        if adding:
            changed = {f"d{n}": f"text {n} of {step}" for n in sorted(numbers)}
            store.add_texts(list(changed.values()), [{"step": step}] * len(changed), ids=list(changed))
            held |= changed
        else:
            gone = [f"d{n}" for n in numbers]
            store.delete(gone)
            held = {name: text for name, text in held.items() if name not in gone}
        assert {one.id: one.page_content for one in store.similarity_search("x", 99)} == held
        newest = store.similarity_search("x", 99, filter={"step": step})
        assert {one.id for one in newest} == {name for name, text in held.items() if text.endswith(f" {step}")}
    assert {one.id: one.page_content for one in store.get_by_ids(list(held))} == held


def test_searches_and_writes_at_once() -> None:
    """While one thread adds, replaces and deletes, others find only whole documents that the filter admits."""
    store, failures, done = filled(300, 3), list[BaseException](), threading.Event()

    def reading() -> None:
        try:
            while not done.is_set():
                found = store.similarity_search("text 5", 8, filter={"institution": "h0"})
                assert len(found) == 8
                assert {one.metadata["institution"] for one in found} == {"h0"}
                assert {one.page_content for one in store.get_by_ids(["d0"])} == {"text 0"}
        except BaseException as error:  # noqa: BLE001 - raised below
            failures.append(error)

    readers = [threading.Thread(target=reading) for _ in range(3)]
    for one in readers:
        one.start()
    for step in range(60):
        store.add_texts(
            [f"more {step} {n}" for n in range(50)], [{"institution": "h1"}] * 50, ids=[f"m{n}" for n in range(50)]
        )
        if step % 7 == 0:
            store.delete([f"m{n}" for n in range(50)])
    done.set()
    for one in readers:
        one.join()
    assert failures == []


class Lengths(Embeddings):
    """A model that doesn't always return vectors of one length."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """As many numbers as the first text has characters."""
        return [[1.0] * len(texts[0]) for _ in texts]

    def embed_query(self, text: str) -> list[float]:
        """As many numbers as the text has characters."""
        return [1.0] * len(text)


def test_bad_arguments_are_refused() -> None:
    """Each says what is wrong; nothing is stored."""
    store = filled(3)
    for bad in (-1, 2.5, True):
        with pytest.raises(DataError, match="'k' must be a whole number from 0 on"):
            store.similarity_search("x", bad)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="'ids' must be one for each document, got 1 for 2"):
        store.add_documents([Document("a"), Document("b")], ids=["1"])
    with pytest.raises(DataError, match="metadata of document 1 must hold what JSON can"):
        store.add_documents([Document("a"), Document("b", metadata={"x": object()})])
    with pytest.raises(DataError, match="must be a LangChain Embeddings object, got Tiny"):
        DemonstrationVectorStore(Tiny())  # type: ignore[arg-type]
    assert len(store) == 3
    assert store.add_documents([]) == []
    uneven = DemonstrationVectorStore(Lengths())
    uneven.add_texts(["abc"])
    with pytest.raises(DataError, match="holds vectors of 3 numbers, got one of 2"):
        uneven.similarity_search("ab")
    with pytest.raises(DataError, match="holds vectors of 3 numbers, got one of 1"):
        uneven.add_texts(["a"])
    with pytest.raises(DataError, match="the embedding model 'Lengths' must return one vector"):
        uneven.add_texts([""])


def test_a_store_is_made_of_texts_or_documents() -> None:
    """LangChain's two constructors, awaited as well; ids are given, kept, or made."""
    fake = DeterministicFakeEmbedding(size=6)
    store = DemonstrationVectorStore.from_texts(["a", "b"], fake, [{"x": 1}, {"x": 2}], ids=["1", "2"])
    assert store.get_by_ids(["2"]) == [Document("b", id="2", metadata={"x": 2})]
    assert store.embeddings is fake
    again = asyncio.run(DemonstrationVectorStore.afrom_documents(list(store.documents()), fake))
    assert list(again.documents()) == list(store.documents())


def test_a_threshold_of_the_score_leaves_out_what_is_less_alike() -> None:
    """A search takes it as LangChain's other stores do."""
    store = filled(20)
    scored = store.similarity_search_with_score("text 3", 20)
    least = scored[4][1]
    expected = [document.id for document, score in scored if score >= least]
    assert ids(store.similarity_search("text 3", 20, score_threshold=least)) == expected


def test_metadata_of_any_kind_are_plain_json_and_can_be_filtered() -> None:
    """Dates, NaN and numbers of NumPy are stored as JSON, saved, and compared as given."""
    store = DemonstrationVectorStore(DeterministicFakeEmbedding(size=6))
    days = [date(2023, 5, 1), date(2024, 5, 1)]
    store.add_documents(
        [
            Document(f"note {day}", id=str(day.year), metadata={"day": day, "n": np.int64(day.year), "x": float("nan")})
            for day in days
        ]
    )
    assert store.get_by_ids(["2023"])[0].metadata == {"day": "2023-05-01", "n": 2023, "x": None}
    for condition in ({"day": {"$gte": date(2024, 1, 1)}}, {"day": days[1]}, {"n": {"$gt": np.float32(2023)}}):
        assert ids(store.similarity_search("note", filter=condition)) == ["2024"]

"""The peers of benchmarks/selection/peer_latency.py: each finds the nearest demonstrations of some institutions.

All get the same unit vectors and look up the query's vector, so the times exclude embedding. To add a peer, add a
``Contender`` to ``CONTENDERS``.
"""

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import faiss
import numpy as np
import torch
from langchain_community.vectorstores import FAISS
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.example_selectors import MaxMarginalRelevanceExampleSelector, SemanticSimilarityExampleSelector
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore
from sentence_transformers.util import dot_score, semantic_search

from benchmarks.common.synthetic_vectors import Allowed, Data, Query, Search
from benchmarks.selection.peer_metachain import Learned
from metachain.retrievers import DemonstrationVectorStore

__all__ = ["CONTENDERS", "FLOOR", "LANGCHAIN", "LEARNED", "OURS", "Contender", "langchain_store"]

BATCH = 10_000


class Lookup(Embeddings):
    """Precomputed embeddings, so that only the search is timed."""

    def __init__(self, data: Data) -> None:
        self._vectors = data.vectors
        self._queries = {one.text: one.vector.tolist() for one in data.queries}

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Vectors of demonstrations, as lists for LangChain."""
        return self._vectors[[int(one.split()[-1]) for one in texts]].tolist()

    def embed_query(self, text: str) -> list[float]:
        """Vector of a query."""
        return self._queries[text]


class Arrays(Lookup):
    """The same, with demonstrations as one array, which our store accepts: a million lists would take minutes."""

    def embed_documents(self, texts: list[str]) -> Any:
        """Vectors of demonstrations (n, d)."""
        return self._vectors[[int(one.split()[-1]) for one in texts]]


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to search."""

    name: str
    build: Callable[[Data], Search]
    """Builds ``search(query, allowed, k)`` from data; the search returns row numbers of the data, best first."""
    filters: str = "within"
    """``within`` the search; ``after`` it, which loses results; ``ignored``; or ``no`` filters at all."""
    diverse: bool = False
    """True for maximal marginal relevance, False for the nearest."""
    most: int = 100_000
    """Size of the largest library that it is built for."""


def raw_faiss(data: Data) -> Search:
    """Build the floor: the index's own search, with precomputed bitmaps."""
    index = faiss.IndexFlatIP(data.vectors.shape[1])
    index.add(data.vectors)

    @cache
    def parameters(allowed: Allowed) -> tuple[Any, Any]:
        bits = np.packbits(data.mask(allowed), bitorder="little")
        return faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bits)), bits

    def search(query: Query, allowed: Allowed, k: int) -> Sequence[int]:
        given = {} if allowed is None else {"params": parameters(allowed)[0]}
        return index.search(query.vector[None], k, **given)[1][0].tolist()

    return search


def ours(data: Data, diverse: bool = False) -> Search:
    """Build our vector store, filled as a user fills it."""
    store = DemonstrationVectorStore(Arrays(data))
    for start in range(0, len(data.vectors), BATCH):
        rows = range(start, min(start + BATCH, len(data.vectors)))
        store.add_documents([Document(data.text(row), id=str(row), metadata=data.example(row)) for row in rows])
    ask = store.max_marginal_relevance_search if diverse else store.similarity_search

    def search(query: Query, allowed: Allowed, k: int) -> Sequence[int]:
        wanted = None if allowed is None else {"institution": list(allowed)}
        return [one.metadata["row"] for one in ask(query.text, k, filter=wanted)]

    return search


@cache
def langchain_store(data: Data, kind: type[VectorStore]) -> VectorStore:
    """Build one of LangChain's stores, filled as its selectors fill it."""
    examples = [data.example(row) for row in range(len(data.vectors))]
    return kind.from_texts([one["input"] for one in examples], Lookup(data), examples)


def langchain(
    data: Data,
    kind: type[VectorStore],
    selector: type[SemanticSimilarityExampleSelector] | type[MaxMarginalRelevanceExampleSelector],
    fetch_all: bool = False,
) -> Search:
    """Build LangChain's selector on one of its stores, one selector for each filter."""
    store = langchain_store(data, kind)

    @cache
    def made(allowed: Allowed, k: int) -> Any:
        given: Mapping[str, Any] = {}
        if allowed is not None:
            wanted = frozenset(allowed)
            within = {"institution": {"$in": list(allowed)}}
            given = {"filter": within if kind is FAISS else lambda one: one.metadata["institution"] in wanted}
            given |= {"fetch_k": len(data.vectors)} if fetch_all else {}
        return selector(vectorstore=store, k=k, input_keys=["input"], vectorstore_kwargs=dict(given))

    def search(query: Query, allowed: Allowed, k: int) -> Sequence[int]:
        return [one["row"] for one in made(allowed, k).select_examples({"input": query.text})]

    return search


def dspy_knn(data: Data) -> Search:
    """Build DSPy's KNN over a function as embedder, without its cache, which adds milliseconds to a new text."""
    os.environ.setdefault("DSPY_CACHEDIR", tempfile.mkdtemp(prefix="dspy-"))
    import dspy  # noqa: PLC0415 - after the place of its cache is set

    held = Lookup(data)

    def embed(texts: list[str]) -> np.ndarray:
        stripped = [one.removeprefix("input: ") for one in texts]
        asked = stripped[0] in held._queries
        return np.array([held.embed_query(one) for one in stripped] if asked else held.embed_documents(stripped))

    examples = [dspy.Example(input=data.text(row), row=row).with_inputs("input") for row in range(len(data.vectors))]
    embedder = dspy.Embedder(embed, caching=False)

    @cache
    def made(k: int) -> Any:
        return dspy.KNN(k, examples, embedder)

    return lambda query, _, k: [one.row for one in made(k)(input=query.text)]


def sentence_transformers_search(data: Data, score: Callable[..., Any] | None = None) -> Search:
    """Build ``semantic_search``; by default it normalises the demonstrations at each query, ``dot_score`` doesn't."""
    corpus = torch.from_numpy(data.vectors)
    given = {} if score is None else {"score_function": score}

    def search(query: Query, _: Allowed, k: int) -> Sequence[int]:
        [found] = semantic_search(torch.from_numpy(query.vector), corpus, top_k=k, **given)
        return [one["corpus_id"] for one in found]

    return search


NEAREST, DIVERSE = SemanticSimilarityExampleSelector, MaxMarginalRelevanceExampleSelector
FLOOR = "raw FAISS, `IndexFlatIP` (the floor)"
LEARNED = "metachain, the whole learned selection"
OURS = "metachain `DemonstrationVectorStore`"
LANGCHAIN = "LangChain `SemanticSimilarityExampleSelector`, FAISS, made correct (`fetch_k` = all)"
CONTENDERS = (
    Contender(FLOOR, raw_faiss, most=1_000_000),
    Contender(LEARNED, Learned),
    Contender(OURS, ours, most=1_000_000),
    Contender("metachain `DemonstrationVectorStore`, MMR", partial(ours, diverse=True), diverse=True),
    Contender(
        "LangChain `SemanticSimilarityExampleSelector`, FAISS, as it comes",
        partial(langchain, kind=FAISS, selector=NEAREST),
        filters="after",
    ),
    Contender(
        LANGCHAIN,
        partial(langchain, kind=FAISS, selector=NEAREST, fetch_all=True),
    ),
    Contender(
        "LangChain `MaxMarginalRelevanceExampleSelector`, FAISS",
        partial(langchain, kind=FAISS, selector=DIVERSE),
        filters="ignored",
        diverse=True,
    ),
    Contender(
        "LangChain `SemanticSimilarityExampleSelector`, `InMemoryVectorStore`",
        partial(langchain, kind=InMemoryVectorStore, selector=NEAREST),
    ),
    Contender(
        "LangChain `MaxMarginalRelevanceExampleSelector`, `InMemoryVectorStore`",
        partial(langchain, kind=InMemoryVectorStore, selector=DIVERSE),
        filters="ignored",
        diverse=True,
    ),
    Contender("`dspy.KNN`", dspy_knn, filters="no"),
    Contender("sentence-transformers `semantic_search`", sentence_transformers_search, filters="no", most=1_000_000),
    Contender(
        "sentence-transformers `semantic_search`, `dot_score`",
        partial(sentence_transformers_search, score=dot_score),
        filters="no",
        most=1_000_000,
    ),
)

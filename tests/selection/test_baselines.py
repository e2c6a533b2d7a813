"""What people use today, against the textbook and against LangChain's own code."""

import re
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.vectorstores.utils import maximal_marginal_relevance as langchain_mmr
from oracles import SEEDS, briefly

from metachain.learning.ranking import maximal_marginal_relevance
from metachain.selection.baselines import bm25_weights, word_counts

WORDS = st.lists(st.sampled_from(["xray", "chest", "knee", "mri", "brain", "of", "the", "2"]), max_size=6)
TEXTS = st.lists(WORDS.map(" ".join), min_size=2, max_size=7)


def words(text: str) -> list[str]:
    """Words of a text, in lower case."""
    return re.findall(r"\w+", text.lower())


def bm25(query: str, text: str, corpus: list[str]) -> float:
    """Okapi BM25 with k1 = 1.5, b = 0.75 and idf ``log(1 + (N - n + 0.5) / (n + 0.5))``."""
    mean_length = sum(len(words(one)) for one in corpus) / len(corpus)
    score = 0.0
    for word in words(query):
        holding = sum(word in words(one) for one in corpus)
        idf = log(1 + (len(corpus) - holding + 0.5) / (holding + 0.5))
        f = words(text).count(word)
        if f:
            score += idf * f * 2.5 / (f + 1.5 * (0.25 + 0.75 * len(words(text)) / mean_length))
    return score


@given(TEXTS, st.data())
@briefly
def test_bm25_is_that_of_the_textbook(texts: list[str], data: st.DataObject) -> None:
    """The inner product of word counts and weights is the BM25 score; idf and mean length are the corpus's."""
    corpus = sorted(data.draw(st.sets(st.integers(0, len(texts) - 1), min_size=1)))
    counts = word_counts(texts)
    scores = (counts @ bm25_weights(counts, np.array(corpus)).T).toarray()
    known = [texts[row] for row in corpus]
    if any(words(one) for one in known):
        assert np.allclose(scores, [[bm25(query, text, known) for text in texts] for query in texts])


def test_word_counts_count_words_of_any_length() -> None:
    """Case doesn't matter, and a word of one character is one."""
    counts = word_counts(["X x y", "Y"]).toarray()
    assert counts.tolist() == [[2, 1], [0, 1]]


@pytest.mark.parametrize("texts", [["", "  "], ["!!!", "🏥"]])
def test_texts_without_words_score_nothing(texts: list[str]) -> None:
    """Where no text holds a word every score is 0."""
    counts = word_counts(texts)
    scores = counts @ bm25_weights(counts, np.arange(2)).T
    assert scores.shape == (2, 2)
    assert not scores.toarray().any()


@given(SEEDS, st.integers(1, 12), st.integers(0, 14), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
@briefly
def test_mmr_picks_what_langchain_picks(seed: int, m: int, k: int, diversity: float) -> None:
    """Maximal marginal relevance picks the rows that langchain-core's function picks, in its order."""
    rng = np.random.default_rng(seed)
    queries, candidates = rng.normal(size=(3, 5)), rng.normal(size=(3, m, 5))
    queries /= np.linalg.norm(queries, axis=-1, keepdims=True)
    candidates /= np.linalg.norm(candidates, axis=-1, keepdims=True)
    relevance = np.einsum("nd,nmd->nm", queries, candidates)
    picked = maximal_marginal_relevance(relevance, candidates.astype(np.float32), k, diversity)
    expected = [
        langchain_mmr(query, list(several), lambda_mult=1 - diversity, k=k)
        for query, several in zip(queries, candidates, strict=True)
    ]
    assert picked.tolist() == expected


def test_mmr_never_picks_twice() -> None:
    """Of candidates that are all the same each is picked once, in order."""
    same = np.ones((1, 4, 1), np.float32)
    assert maximal_marginal_relevance(np.ones((1, 4)), same, 9).tolist() == [[0, 1, 2, 3]]

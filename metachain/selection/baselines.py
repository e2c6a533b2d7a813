"""What people use today, as pure functions over arrays: each returns rows of the pool, best first."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

__all__ = ["bm25_weights", "maximal_marginal_relevance", "word_counts"]

K1 = 1.5
B = 0.75

Floats = NDArray[np.floating]


def word_counts(texts: list[str]) -> csr_array:
    """How often each word of two or more characters occurs in each of n lower-cased texts; (n, V)."""
    from sklearn.feature_extraction.text import CountVectorizer  # noqa: PLC0415 - takes a second

    try:
        return csr_array(CountVectorizer(token_pattern=r"(?u)\w+").fit_transform(texts))
    except ValueError:  # no text holds a word
        return csr_array((len(texts), 1))


def bm25_weights(counts: csr_array, corpus: NDArray[np.intp]) -> csr_array:
    """Okapi BM25 weight of each word in each text, so that a query's score is the sum over its words; (n, V).

    ``counts`` (n, V) from ``word_counts``; ``corpus`` the texts that document frequency and mean length are taken from.
    Robertson & Zaragoza 2009, "The Probabilistic Relevance Framework", eq. 3.15, with k1 = 1.5, b = 0.75 and a
    positive idf.
    """
    length = np.asarray(counts.sum(axis=1), float)
    mean_length = max(float(length[corpus].mean()), 1e-9)
    frequency = np.bincount(counts[corpus].indices, minlength=counts.shape[1])
    idf = np.log1p((len(corpus) - frequency + 0.5) / (frequency + 0.5))
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    damped = counts.data * (K1 + 1) / (counts.data + K1 * (1 - B + B * length[rows] / mean_length))
    return csr_array((idf[counts.indices] * damped, counts.indices, counts.indptr), shape=counts.shape)


def maximal_marginal_relevance(
    relevance: Floats, candidates: NDArray[np.float32], k: int, diversity: float = 0.5
) -> NDArray[np.intp]:
    """Pick k of m candidates, each near the query and far from those picked.

    ``relevance`` (n, m) cosine to each query; ``candidates`` (n, m, d) unit vectors. Returns positions
    (n, min(k, m)), in order of picking. Carbonell & Goldstein 1998,
    with λ = 0.5 as LangChain has it.
    """
    n, m = relevance.shape
    everyone = np.arange(n)
    picked = np.zeros((n, min(k, m)), np.intp)
    redundancy = np.full((n, m), -np.inf)
    taken = np.zeros((n, m), bool)
    for turn in range(picked.shape[1]):
        utility = (1 - diversity) * relevance - diversity * redundancy if turn else relevance
        picked[:, turn] = np.where(taken, -np.inf, utility).argmax(axis=1)
        taken[everyone, picked[:, turn]] = True
        likeness = np.einsum("nd,nmd->nm", candidates[everyone, picked[:, turn]], candidates)
        redundancy = np.maximum(redundancy, likeness)
    return picked

"""Okapi BM25, the lexical baseline."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from metachain.scoring.scripts import TOKEN

__all__ = ["bm25_weights", "word_counts"]

K1 = 1.5
B = 0.75


def word_counts(texts: list[str]) -> csr_array:
    """Count each word in each of n texts, lower-cased; (n, V)."""
    from sklearn.feature_extraction.text import CountVectorizer  # noqa: PLC0415 - takes a second

    try:
        return csr_array(CountVectorizer(token_pattern=TOKEN).fit_transform(texts))
    except ValueError:  # no text holds a word
        return csr_array((len(texts), 1))


def bm25_weights(counts: csr_array, corpus: NDArray[np.intp]) -> csr_array:
    """Okapi BM25 weight of each word in each text, so that a query's score is the sum over its words; (n, V).

    ``counts`` (n, V) from ``word_counts``; ``corpus`` rows of texts that give document frequency and mean length.
    Robertson & Zaragoza 2009, "The Probabilistic Relevance Framework", eq. 3.15; k1 = 1.5, b = 0.75, positive idf.
    """
    length = np.asarray(counts.sum(axis=1), float)
    mean_length = max(float(length[corpus].mean()), 1e-9)
    frequency = np.bincount(counts[corpus].indices, minlength=counts.shape[1])
    idf = np.log1p((len(corpus) - frequency + 0.5) / (frequency + 0.5))
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    damped = counts.data * (K1 + 1) / (counts.data + K1 * (1 - B + B * length[rows] / mean_length))
    return csr_array((idf[counts.indices] * damped, counts.indices, counts.indptr), shape=counts.shape)

"""Meta-Sel, a rival: the probability of a shared answer, from the similarity and the lengths of two inputs.

After "Meta-Sel: Efficient Demonstration Selection for In-Context Learning via Supervised Meta-Learning" (arXiv
2602.12123), of which only the abstract was at hand: logistic regression over pairs of a query and a candidate with two
features, TF-IDF cosine and a ratio of lengths, trained on whether both have the same answer. Ours are how pairs are
drawn, the ratio, and the threshold for texts.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from metachain.learning.pool import Pool
from metachain.scoring.metrics import bag_f1

__all__ = ["MetaSel"]

QUERIES, CANDIDATES = 500, 40
"""Past demonstrations that play the query, and the pairs drawn for each."""
SAME_TEXT = 0.5
"""Token F1 from which two texts count as the same answer."""
SEED = 0

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True)
class MetaSel:
    """Learned log-odds that two rows of a pool have the same answer."""

    tfidf: csr_array
    """(N, V) TF-IDF of the inputs, of unit length."""
    words: NDArray[np.float64]
    """(N,) number of words of the inputs."""
    weights: tuple[float, float]
    """Weights of the cosine and of the ratio of lengths."""
    intercept: float

    @classmethod
    def learn(cls, pool: Pool, counts: csr_array, past: Rows) -> Self:
        """Learn from the rows ``past`` (n,), in pairs of different institutions.

        ``counts`` (N, V) from ``baselines.word_counts``. Where no pairs agree, or all do, only the cosine
        counts.
        """
        from sklearn.feature_extraction.text import TfidfTransformer  # noqa: PLC0415 - takes a second
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

        tfidf = csr_array(TfidfTransformer().fit(counts[past]).transform(counts))
        untrained = cls(tfidf, np.asarray(counts.sum(axis=1), np.float64).ravel(), (1.0, 0.0), 0.0)
        query, candidate = _pairs(past)
        features = np.stack([untrained.cosine(query, candidate), untrained.ratio(query, candidate)], axis=-1)
        apart = pool.owner[query][:, None] != pool.owner[candidate]
        same = _same(pool, query, candidate)[apart]
        if same.all() or not same.any():
            return untrained
        model = LogisticRegression(class_weight="balanced").fit(features[apart], same)
        cosine, ratio = model.coef_[0].tolist()
        return cls(tfidf, untrained.words, (cosine, ratio), float(model.intercept_[0]))

    def of_all(self, query: Rows, rows: Rows) -> Floats:
        """Log-odds (n, m) for queries (n,) and the same candidate rows (m,) for each."""
        cosine = (self.tfidf[query] @ self.tfidf[rows].T).toarray()
        return self._log_odds(cosine, self.ratio(query, rows[None]))

    def of_each(self, query: Rows, rows: Rows) -> Floats:
        """Log-odds (n, m) for queries (n,) and candidate rows (n, m) of their own."""
        return self._log_odds(self.cosine(query, rows), self.ratio(query, rows))

    def cosine(self, query: Rows, rows: Rows) -> Floats:
        """TF-IDF cosine (n, m) of queries (n,) and rows (n, m), in [0, 1]."""
        both = self.tfidf[np.repeat(query, rows.shape[1])].multiply(self.tfidf[rows.ravel()])
        return np.asarray(both.sum(axis=1), np.float64).reshape(rows.shape)

    def ratio(self, query: Rows, rows: Rows) -> Floats:
        """Words of the shorter over those of the longer, in [0, 1]; 1 for two inputs without a word."""
        own, other = self.words[query][:, None], self.words[rows]
        longer = np.maximum(own, other)
        return np.where(longer == 0, 1.0, np.minimum(own, other) / np.maximum(longer, 1))

    def _log_odds(self, cosine: Floats, ratio: Floats) -> Floats:
        on_cosine, on_ratio = self.weights
        return self.intercept + on_cosine * cosine + on_ratio * ratio


def _pairs(past: Rows) -> tuple[Rows, Rows]:
    """Draw queries (n,) without repetition, and candidates (n, m) with."""
    rng = np.random.default_rng(SEED)
    query = rng.choice(past, min(QUERIES, len(past)), replace=False)
    return query, rng.choice(past, (len(query), CANDIDATES))


def _same(pool: Pool, query: Rows, rows: Rows) -> NDArray[np.bool_]:
    """Mark the rows (n, m) with the answer of their query (n,)."""
    own, other = pool.answer[query], pool.answer[rows]
    if pool.meaning is None:
        return np.asarray(other == own[:, None])
    return np.asarray(bag_f1(pool.bags, own, other) >= SAME_TEXT)

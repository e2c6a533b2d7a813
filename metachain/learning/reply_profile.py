"""The reply profile: answers of each past institution's nearest demonstrations to a text.

Everything learned is a function of these explicit features (ALPaCA's φ; Harrison, Sharma & Pavone 2018, with answers
in place of a network's last layer).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import softmax

from metachain.embedding.similarity import unit_rows
from metachain.learning.index import Neighbours
from metachain.learning.pool import Stacked
from metachain.scoring.metrics import paired_f1

__all__ = ["Profile", "attention", "co_treatment_features", "consensus", "mean_reply", "nearest_vote", "replies_to"]
__all__ += ["reply_profile"]

REPLY_TEMPERATURE = 0.06
COVERAGE_TEMPERATURE = 0.15
VOTE_TEMPERATURE = 0.2
VOTERS = 8

Floats = NDArray[np.float64]
Meaning = NDArray[np.float32] | Stacked | None


@dataclass(frozen=True, slots=True)
class Profile:
    """Replies of S institutions to each of n texts, over C ``answers``: sparse, at most R of each institution."""

    replies: csr_array
    """(n, S·C): column ``s·C + y`` holds g_s(x, y), the share of answer y among s's nearest; sums to 1 over y."""
    coverage: Floats
    """(n, S): similarity of each institution's nearest demonstration, in [-1, 1]."""
    vote: Floats
    """(n, C): share of each answer among the 8 nearest of all institutions together; rows sum to 1."""
    answers: int
    meaning: Meaning = None
    """(C, d) unit vector of each answer where answers are texts, to compare them by cosine; None for labels."""
    lift: Floats | None = None
    """(n, C) positive, from ``PooledRidge.lift``; None where it isn't asked for, and where answers are texts."""

    sets: csr_array | None = None
    """(C, L) labels of each answer where answers are sets of labels (``Pool.sets``); else None."""

    @property
    def entries(self) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
        """Text, institution and answer number of every stored reply."""
        texts = np.repeat(np.arange(self.replies.shape[0]), np.diff(self.replies.indptr))
        institutions, answers = np.divmod(self.replies.indices, self.answers)
        return texts, institutions, answers

    def take(self, texts: NDArray[np.integer] | slice) -> "Profile":
        """Keep some of the texts."""
        replies, coverage, vote = self.replies[texts], self.coverage[texts], self.vote[texts]
        lift = None if self.lift is None else self.lift[texts]
        return replace(self, replies=replies, coverage=coverage, vote=vote, lift=lift)


def reply_profile(
    neighbours: Neighbours,
    answer: NDArray[np.int64],
    answers: int,
    meaning: Meaning = None,
    sets: csr_array | None = None,
) -> Profile:
    """``g_s(x, y) = Σ_j softmax_j(h(x, x_j) / 0.06) [y_j = y]`` over s's nearest j, and ``cov_s(x) = max_j h(x, x_j)``.

    ``answer`` (N,) is the answer number of each row of the pool; ``answers`` C; ``meaning`` as in ``Profile``.
    """
    n, s, r = neighbours.rows.shape
    weights = softmax(neighbours.similarity.astype(np.float64) / REPLY_TEMPERATURE, axis=2)
    given = np.where(neighbours.rows < 0, 0, answer[neighbours.rows])
    order = np.argsort(given, axis=2, kind="stable")
    weights, given = np.take_along_axis(weights, order, axis=2), np.take_along_axis(given, order, axis=2)
    columns = np.arange(s)[None, :, None] * answers + given
    replies = csr_array((weights.ravel(), columns.ravel(), np.arange(0, n * s * r + 1, s * r)), shape=(n, s * answers))
    replies.sum_duplicates()
    replies.eliminate_zeros()
    coverage = neighbours.similarity[:, :, 0].astype(np.float64)
    return Profile(replies, coverage, nearest_vote(neighbours, answer, answers), answers, meaning, sets=sets)


def nearest_vote(neighbours: Neighbours, answer: NDArray[np.int64], answers: int) -> Floats:
    """Vote of plain nearest neighbours: ``softmax_j(h(x, x_j) / 0.2)`` over the 8 nearest of all; (n, C)."""
    rows, similarity = neighbours.flat()
    nearest = _first(similarity, VOTERS)
    rows, similarity = np.take_along_axis(rows, nearest, axis=1), np.take_along_axis(similarity, nearest, axis=1)
    vote = np.zeros((len(rows), answers))
    weights = softmax(similarity.astype(np.float64) / VOTE_TEMPERATURE, axis=1)
    np.add.at(vote, (np.arange(len(rows))[:, None], np.where(rows < 0, 0, answer[rows])), weights)
    return vote


def attention(profile: Profile, log_weights: Floats | float = 0.0, temperature: float = COVERAGE_TEMPERATURE) -> Floats:
    """``softmax_s(cov_s(x) / 0.15 + log_weights)``: weight of each institution for each text; (n, S), rows sum to 1."""
    return np.asarray(softmax(profile.coverage / temperature + log_weights, axis=1))


def co_treatment_features(profile: Profile) -> csr_array:
    """``ψ(x) = concat_s sqrt(softmax_s(cov_s(x) / 0.15) g_s(x, ·))``: (n, S·C), rows of unit length.

    ψ(x)·ψ(x') is the Bhattacharyya coefficient of two texts' replies: near 1 where each past institution answers both
    texts alike, even if institutions name the answer differently. Where answers are texts, it is (n, S·d)
    ``concat_s sqrt(softmax_s(…)) ĝ_s(x)`` with ĝ_s the mean of the replies' unit vectors, scaled to unit length.
    """
    if profile.meaning is not None:
        return _mean_replies(profile, profile.meaning)
    texts, institutions, _ = profile.entries
    data = np.sqrt(attention(profile)[texts, institutions] * profile.replies.data)
    return csr_array((data, profile.replies.indices, profile.replies.indptr), shape=profile.replies.shape)


def consensus(profile: Profile, weights: Floats) -> Floats:
    """``m(x, ·) = Σ_s π_s(x) g_s(x, ·)`` for weights π (n, S); (n, C), rows sum to 1."""
    texts, answers, shares = _shares(profile, weights)
    n, c = profile.replies.shape[0], profile.answers
    return np.asarray(np.bincount(texts * c + answers, weights=shares, minlength=n * c), np.float64).reshape(n, c)


def mean_reply(profile: Profile, weights: Floats) -> Floats:
    """Consensus for weights π (n, S), (n, C); where answers are texts ``Σ_y m(x, y) φ(y)``, (n, d)."""
    if profile.meaning is None:
        return consensus(profile, weights)
    texts, answers, shares = _shares(profile, weights)
    together = csr_array((shares, (texts, answers)), shape=(profile.replies.shape[0], profile.answers))
    return _summed(together, profile.meaning)


def replies_to(profile: Profile, answer: NDArray[np.int64]) -> Floats:
    """``g_s(x_i, y_i)``: share of the given answer (n,) in each institution's reply; (n, S) in [0, 1].

    Where answers are texts, a reply counts by the cosine of its unit vector with the given answer's, 0 where negative.
    Where they are sets of labels, it counts by the F1 of both sets: 1 for the same set, 0 without a common label.
    """
    texts, institutions, answers = profile.entries
    alike = np.asarray(answers == answer[texts], float)
    if profile.meaning is not None:
        cosine = np.einsum("ed,ed->e", profile.meaning[answers], profile.meaning[answer[texts]])
        alike = np.clip(cosine.astype(np.float64), 0.0, 1.0)
    elif profile.sets is not None:
        alike = paired_f1(profile.sets, answers, answer[texts])
    shares = np.zeros_like(profile.coverage)
    np.add.at(shares, (texts, institutions), profile.replies.data * alike)
    return shares


def _first(similarity: NDArray[np.float32], k: int) -> NDArray[np.intp]:
    """``ranking.nearest_first`` without a full sort: places of the k greatest of each row (n, m); (n, min(k, m))."""
    k = min(k, similarity.shape[1])
    least = np.partition(similarity, -k, axis=1)[:, -k]
    some = [np.flatnonzero(row >= bound) for row, bound in zip(similarity, least, strict=True)]
    found = [places[np.argsort(-row[places], kind="stable")[:k]] for row, places in zip(similarity, some, strict=True)]
    return np.array(found, np.intp).reshape(len(similarity), k)


def _shares(profile: Profile, weights: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """Text, answer number and ``π_s(x) g_s(x, y)`` of every stored reply."""
    texts, institutions, answers = profile.entries
    return texts, answers, weights[texts, institutions] * profile.replies.data


def _summed(shares: csr_array, meaning: NDArray[np.float32] | Stacked) -> Floats:
    """``shares @ meaning`` (m, d) of ``shares`` (m, C), reading only the answers that occur in them."""
    used, places = np.unique(shares.indices, return_inverse=True)
    narrow = csr_array((shares.data, places, shares.indptr), shape=(shares.shape[0], len(used)))
    return np.asarray(narrow @ meaning[used].astype(np.float64))


def _mean_replies(profile: Profile, meaning: NDArray[np.float32] | Stacked) -> csr_array:
    n, s = profile.coverage.shape
    by_institution = csr_array(profile.replies.reshape((n * s, profile.answers)))
    mean = unit_rows(np.asarray(_summed(by_institution, meaning), np.float32)).reshape(n, s, meaning.shape[1])
    return csr_array((np.sqrt(attention(profile))[:, :, None] * mean).reshape(n, s * meaning.shape[1]))

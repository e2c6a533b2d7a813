"""One institution plays the new one: its labels, its queries, and what every selector shows for them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from metachain.embedding.similarity import LEXICAL_DIMENSIONS
from metachain.learning.gaussian_process import PLAIN, Listed, Settings, answer_scores, fit
from metachain.learning.index import Neighbours, similarities
from metachain.learning.neighbours import NEIGHBOURS, NeighbourTable
from metachain.learning.prior import GuardResult
from metachain.learning.ranking import distinct, nearest_first, plausible_answers, plausible_first
from metachain.learning.reply_profile import reply_profile
from metachain.learning.transfer import shared_answers
from metachain.selection.baselines import maximal_marginal_relevance

__all__ = ["INFORMED", "SELECTORS", "Episode", "Ground", "Shown", "explained"]

FETCHED_FOR_DIVERSITY = 20
ANSWER_FIRST = 1e6
"""So much more than similarity does the right answer count for the oracle."""

Floats = NDArray[np.floating]
Rows = NDArray[np.intp]
Shown = NDArray[np.intp]
"""(n, shots) rows of the pool shown for each query, best first, -1 where fewer are shown."""


@dataclass(frozen=True)
class Ground:
    """Queries of one institution before the past institutions it may learn from; what doesn't depend on its labels."""

    study: NeighbourTable
    past: Rows
    """(S,) institution numbers."""
    query: Rows
    """(n,) rows."""
    redundancy: NDArray[np.float64]
    """(S,) from ``transfer.redundancy``."""
    screening: NDArray[np.float64]
    """(S,) from ``transfer.screening``."""
    lesson: GuardResult
    bm25: csr_array
    """(N, V) from ``baselines.bm25_weights`` of the past."""
    words: csr_array
    """(N, V) from ``baselines.word_counts``."""
    twin: NDArray[np.int64]
    """(N,) first row with the same text and answer."""
    closeness: Callable[[Rows, Rows], Floats] | None = None
    """For rows (n,) and (n, m): how near the latter's answers come to the former's, in [0, 1]; None: right or wrong."""

    @property
    def standing(self) -> NDArray[np.float64]:
        """(S,) log weights of the past institutions before any label, as ``transfer.prior_log_weights`` has them."""
        return self.redundancy + self.screening

    @cached_property
    def rows(self) -> Rows:
        """(N_past,) rows of the past institutions."""
        return np.flatnonzero(np.isin(self.study.pool.owner, self.past))

    @cached_property
    def near(self) -> Neighbours:
        """Of the queries, in every past institution."""
        return self.study.near(self.query, self.past)

    @cached_property
    def nearest_dense(self) -> Rows:
        """(n, 20) nearest past rows by the dense embedding alone."""
        return _largest(similarities(self.dense(self.query), self.dense(self.rows)), self.rows, FETCHED_FOR_DIVERSITY)

    @cached_property
    def nearest_bm25(self) -> Rows:
        """(n, 20) past rows with the highest BM25 score."""
        scores = (self.words[self.query] @ self.bm25[self.rows].T).toarray()
        return _largest(scores, self.rows, FETCHED_FOR_DIVERSITY)

    def dense(self, rows: Rows) -> NDArray[np.float32]:
        """Dense part of some rows' vectors, of unit length."""
        part: NDArray[np.float32] = self.study.pool.vectors[rows][..., :-LEXICAL_DIMENSIONS] * np.float32(np.sqrt(2))
        return part


@dataclass(frozen=True)
class Episode:
    """A ground, and the first k labels of the institution."""

    ground: Ground
    support: Rows
    """(k,) rows."""
    shots: int
    rng: np.random.Generator

    def candidates(self, past: Rows) -> Rows:
        """The labels beside m past rows for each query; (n, k + m)."""
        n = len(self.ground.query)
        return np.concatenate([np.broadcast_to(self.support, (n, len(self.support))), past], axis=1)

    @cached_property
    def nearby(self) -> tuple[Rows, NDArray[np.float32]]:
        """The labels and every past institution's nearest: rows (n, m) and similarity, -1 and -inf for none."""
        vectors, (past, near) = self.ground.study.pool.vectors, self.ground.near.flat()
        rows = self.candidates(past)
        own = similarities(vectors[self.ground.query], vectors[self.support])
        return distinct(rows, np.concatenate([own, near], axis=1), self.ground.twin[rows])

    def best(self, rows: Rows, score: Floats) -> Shown:
        """The ``shots`` candidates (n, m) with the highest score (n, m)."""
        return np.take_along_axis(rows, nearest_first(score, self.shots), axis=1)

    def cosine(self, rows: Rows) -> Floats:
        """Dense cosine of candidate rows (n, m) to their query."""
        ground = self.ground
        cosine: Floats = np.einsum("nd,nmd->nm", ground.dense(ground.query), ground.dense(rows))
        return cosine


def zero(episode: Episode) -> Shown:
    """No demonstrations."""
    return np.zeros((len(episode.ground.query), 0), np.intp)


def random(episode: Episode) -> Shown:
    """Uniformly from past and support."""
    rows = np.concatenate([episode.support, episode.ground.rows])
    n, width = len(episode.ground.query), min(episode.shots, len(rows))
    return np.stack([episode.rng.choice(rows, width, replace=False) for _ in range(n)])


def bm25(episode: Episode) -> Shown:
    """Highest BM25 score over past and support."""
    ground = episode.ground
    rows = episode.candidates(ground.nearest_bm25)
    n, m = rows.shape
    queries = ground.words[np.repeat(ground.query, m)]
    score = np.asarray(queries.multiply(ground.bm25[rows.ravel()]).sum(axis=1)).reshape(n, m)
    return episode.best(rows, score)


def semantic(episode: Episode) -> Shown:
    """Dense nearest neighbours over past and support: LangChain's ``SemanticSimilarityExampleSelector``."""
    rows = episode.candidates(episode.ground.nearest_dense)
    return episode.best(rows, episode.cosine(rows))


def mmr(episode: Episode) -> Shown:
    """Maximal marginal relevance among the 20 dense nearest: LangChain's ``MaxMarginalRelevanceExampleSelector``."""
    rows = episode.candidates(episode.ground.nearest_dense)
    rows = np.take_along_axis(rows, nearest_first(episode.cosine(rows), FETCHED_FOR_DIVERSITY), axis=1)
    picked = maximal_marginal_relevance(episode.cosine(rows), episode.ground.dense(rows), episode.shots)
    return np.take_along_axis(rows, picked, axis=1)


def hybrid(episode: Episode) -> Shown:
    """Nearest by hybrid similarity over past and support."""
    return episode.best(*episode.nearby)


def support(episode: Episode) -> Shown:
    """Nearest by hybrid similarity among the institution's own labels."""
    rows, similarity = episode.nearby
    k = len(episode.support)
    return episode.best(rows[:, :k], similarity[:, :k])


def metachain(episode: Episode) -> Shown:
    """Learned and adapted, or plain nearest neighbours where the guard says so."""
    return explained(episode)[0]


def explained(episode: Episode) -> tuple[Shown, NDArray[np.float64]]:
    """What ``metachain`` shows, and the probability it gives each answer, as it prints them; (n, shots) each."""
    k = len(episode.support)
    shown, probability = _learned(episode, k)
    return shown, episode.ground.lesson.calibration(k).of(probability)


def listed(episode: Episode) -> Shown:
    """``metachain`` that is told which answers the institution gives at all, all its demonstrations taken together."""
    pool, target = episode.ground.study.pool, episode.ground.query[0]
    given = pool.answer[pool.owner == pool.owner[target]]
    return _learned(episode, len(episode.support), np.isin(np.arange(len(pool.answers)), given))[0]


def prior(episode: Episode) -> Shown:
    """Learned but not adapted: the labels may be shown but teach nothing."""
    return _learned(episode, 0)[0]


def scratch(episode: Episode) -> Shown:
    """The same posterior, with all past demonstrations as one pool in place of institutions to learn from."""
    return _plausible(episode, len(episode.support), pooled=True)[0]


def oracle(episode: Episode) -> Shown:
    """Nearest among the candidates whose answer is the right one, or the nearest to it: the ceiling."""
    rows, similarity = episode.nearby
    ground = episode.ground
    answer = ground.study.pool.answer
    if ground.closeness:
        right = ground.closeness(ground.query, rows)
    else:
        right = np.where(answer[rows] == answer[ground.query][:, None], 1.0, 0.0)
    return episode.best(rows, similarity + ANSWER_FIRST * right)


SELECTORS: Mapping[str, Callable[[Episode], Shown]] = {
    one.__name__: one for one in (zero, random, bm25, semantic, mmr, hybrid, support, prior, scratch, metachain, oracle)
}
INFORMED: Mapping[str, Callable[[Episode], Shown]] = {"listed": listed}
"""Selectors that know more of the new institution than its labels, so that they aren't compared unless asked for."""


def _learned(episode: Episode, k: int, listed: Listed = None) -> tuple[Shown, NDArray[np.float64]]:
    lesson = episode.ground.lesson
    trusted = lesson.settings is not None if k else lesson.trusts_consensus
    return _plausible(episode, k, pooled=False, nearest=not trusted, listed=listed)


def _plausible(
    episode: Episode, k: int, *, pooled: bool, nearest: bool = False, listed: Listed = None
) -> tuple[Shown, NDArray[np.float64]]:
    """Rows shown and the probability of their answers; (n, shots) each."""
    ground = episode.ground
    pool = ground.study.pool
    near, own = ground.near, ground.study.near(episode.support[:k], ground.past)
    weights = ground.standing
    if listed is not None:
        weights = weights + shared_answers(pool.gives[ground.past], listed)
    if pooled:
        near, own, weights = _as_one(near), _as_one(own), np.zeros(1)
    texts = reply_profile(near, pool.answer, len(pool.answers), pool.meaning)
    labels = reply_profile(own, pool.answer, len(pool.answers), pool.meaning)
    settings: Settings = ground.lesson.settings or PLAIN
    fitted = fit(labels, pool.answer[episode.support[:k]], weights, settings, listed)
    rows, similarity = episode.nearby
    answer = np.where(rows < 0, -1, pool.answer[rows])
    probability = plausible_answers(answer_scores(fitted, texts, answer), answer)
    if nearest:
        first = nearest_first(similarity, episode.shots)
    else:
        first, _ = plausible_first(similarity, probability, episode.shots, texts=pool.meaning is not None)
    shown = np.where(first < 0, -1, np.take_along_axis(rows, np.maximum(first, 0), axis=1))
    return shown, np.where(shown < 0, 0.0, np.take_along_axis(probability, np.maximum(first, 0), axis=1))


def _as_one(near: Neighbours) -> Neighbours:
    rows, similarity = near.flat()
    first = nearest_first(similarity, NEIGHBOURS)
    pooled = np.take_along_axis(rows, first, axis=1), np.take_along_axis(similarity, first, axis=1)
    return Neighbours(pooled[0][:, None, :], pooled[1][:, None, :])


def _largest(score: Floats, rows: Rows, k: int) -> Rows:
    """Rows of the k largest scores (n, N), in no order."""
    width = min(k, len(rows))
    return rows[np.argpartition(-score, width - 1, axis=1)[:, :width]]

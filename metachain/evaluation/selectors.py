"""Selectors under comparison: each shows demonstrations for the queries of a held-out episode."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from metachain.embedding.similarity import LEXICAL_DIMENSIONS
from metachain.evaluation.meta_sel import MetaSel
from metachain.learning.candidates import (
    Candidates,
    choose,
    episode_candidates,
    episode_fit,
    episode_profiles,
    plausibility,
)
from metachain.learning.episodes import Episode
from metachain.learning.gaussian_process import PLAIN, Listed
from metachain.learning.index import similarities
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.policy import DEFAULT, VERDICT
from metachain.learning.prior import GuardResult
from metachain.learning.ranking import at_places, maximal_marginal_relevance, nearest_first
from metachain.learning.transfer import with_listed
from metachain.selection.baselines import bm25_weights

__all__ = ["ON_REQUEST", "SELECTORS", "HeldOutQueries", "PastKnowledge", "Shown", "Trial", "shown_with_probability"]

FETCHED_FOR_DIVERSITY = 20
ANSWER_FIRST = 1e6
"""Weight of the right answer against similarity, for the oracle."""

Floats = NDArray[np.floating]
Rows = NDArray[np.intp]
Shown = NDArray[np.intp]
"""(n, shots) rows of the pool shown for each query, best first, -1 where fewer are shown."""


@dataclass(frozen=True)
class PastKnowledge:
    """Everything learned from a set of past institutions; independent of queries and labels."""

    table: NeighbourTable
    """Neighbours within all institutions, the held-out ones included."""
    past: Rows
    """(S,) institution numbers."""
    redundancy: NDArray[np.float64]
    """(S,) from ``transfer.redundancy``."""
    screening: NDArray[np.float64]
    """(S,) from ``transfer.screening``."""
    lesson: GuardResult
    words: csr_array
    """(N, V) from ``baselines.word_counts``."""

    @property
    def log_weights(self) -> NDArray[np.float64]:
        """(S,) log weights of the past institutions before any label (``transfer.prior_log_weights``)."""
        return self.redundancy + self.screening

    @cached_property
    def rows(self) -> Rows:
        """(N_past,) rows of the past institutions."""
        return np.flatnonzero(np.isin(self.table.pool.owner, self.past))

    @cached_property
    def bm25(self) -> csr_array:
        """(N, V) from ``baselines.bm25_weights``, with the past institutions as corpus."""
        return bm25_weights(self.words, self.rows)

    @cached_property
    def meta_sel(self) -> MetaSel:
        """The rival ``meta_sel``, learned from the past institutions."""
        return MetaSel.learn(self.table.pool, self.words, self.rows)

    def dense(self, rows: Rows) -> NDArray[np.float32]:
        """Dense part (…, d) of the vectors of rows of any shape, scaled to unit length."""
        return np.asarray(self.table.pool.vectors[rows][..., :-LEXICAL_DIMENSIONS] * np.float32(np.sqrt(2)))


@dataclass(frozen=True)
class HeldOutQueries:
    """Queries of an episode and knowledge from its past institutions; independent of the number of labels."""

    knowledge: PastKnowledge
    episode: Episode
    """With all labels."""
    closeness: Callable[[Rows, Rows], Floats] | None = None
    """Closeness (n, m), in [0, 1], of the answers of rows (n, m) to those of rows (n,); None for right or wrong."""

    @cached_property
    def nearest_dense(self) -> Rows:
        """(n, 20) nearest past rows by the dense embedding only."""
        known = self.knowledge
        near = similarities(known.dense(self.episode.query), known.dense(known.rows))
        return _largest(near, known.rows, FETCHED_FOR_DIVERSITY)

    @cached_property
    def nearest_bm25(self) -> Rows:
        """(n, 20) past rows with the highest BM25 score."""
        known = self.knowledge
        scores = (known.words[self.episode.query] @ known.bm25[known.rows].T).toarray()
        return _largest(scores, known.rows, FETCHED_FOR_DIVERSITY)

    @cached_property
    def nearest_meta_sel(self) -> Rows:
        """(n, 20) past rows whose answers are likeliest the query's by ``meta_sel``."""
        known = self.knowledge
        return _largest(known.meta_sel.of_all(self.episode.query, known.rows), known.rows, FETCHED_FOR_DIVERSITY)


@dataclass(frozen=True)
class Trial:
    """Held-out queries and the first k labels of their institution: the input of every selector."""

    queries: HeldOutQueries
    episode: Episode
    shots: int
    rng: np.random.Generator

    @property
    def knowledge(self) -> PastKnowledge:
        """Knowledge from the past institutions."""
        return self.queries.knowledge

    def with_labels(self, past: Rows) -> Rows:
        """The k labels, followed by m past rows, for each query; (n, k + m)."""
        support, n = self.episode.support, len(self.episode.query)
        return np.concatenate([np.broadcast_to(support, (n, len(support))), past], axis=1)

    @cached_property
    def candidates(self) -> Candidates:
        """The labels and the nearest demonstrations of every past institution."""
        return episode_candidates(self.knowledge.table, self.episode)

    def best(self, rows: Rows, score: Floats) -> Shown:
        """The ``shots`` candidates (n, m) with the highest score (n, m)."""
        return np.take_along_axis(rows, nearest_first(score, self.shots), axis=1)

    def cosine(self, rows: Rows) -> Floats:
        """Cosine (n, m) of the dense vectors of candidate rows (n, m) and of their query."""
        known = self.knowledge
        return np.asarray(np.einsum("nd,nmd->nm", known.dense(self.episode.query), known.dense(rows)))


def zero(trial: Trial) -> Shown:
    """No demonstrations."""
    return np.zeros((len(trial.episode.query), 0), np.intp)


def random(trial: Trial) -> Shown:
    """Uniform random draw from past and support."""
    rows = np.concatenate([trial.episode.support, trial.knowledge.rows])
    n, width = len(trial.episode.query), min(trial.shots, len(rows))
    return np.stack([trial.rng.choice(rows, width, replace=False) for _ in range(n)])


def bm25(trial: Trial) -> Shown:
    """Highest BM25 score over past and support."""
    known = trial.knowledge
    rows = trial.with_labels(trial.queries.nearest_bm25)
    n, m = rows.shape
    queries = known.words[np.repeat(trial.episode.query, m)]
    score = np.asarray(queries.multiply(known.bm25[rows.ravel()]).sum(axis=1)).reshape(n, m)
    return trial.best(rows, score)


def semantic(trial: Trial) -> Shown:
    """Dense nearest neighbours over past and support: LangChain's ``SemanticSimilarityExampleSelector``."""
    rows = trial.with_labels(trial.queries.nearest_dense)
    return trial.best(rows, trial.cosine(rows))


def mmr(trial: Trial) -> Shown:
    """Maximal marginal relevance among the 20 dense nearest: LangChain's ``MaxMarginalRelevanceExampleSelector``."""
    rows = trial.with_labels(trial.queries.nearest_dense)
    rows = np.take_along_axis(rows, nearest_first(trial.cosine(rows), FETCHED_FOR_DIVERSITY), axis=1)
    picked = maximal_marginal_relevance(trial.cosine(rows), trial.knowledge.dense(rows), trial.shots)
    return np.take_along_axis(rows, picked, axis=1)


def meta_sel(trial: Trial) -> Shown:
    """Likeliest agreement by Meta-Sel's logistic regression (``MetaSel``) over past and support."""
    rows = trial.with_labels(trial.queries.nearest_meta_sel)
    return trial.best(rows, trial.knowledge.meta_sel.of_each(trial.episode.query, rows))


def hybrid(trial: Trial) -> Shown:
    """Nearest neighbours by hybrid similarity over past and support."""
    return trial.best(trial.candidates.rows, trial.candidates.similarity)


def support(trial: Trial) -> Shown:
    """Nearest neighbours by hybrid similarity among the institution's own labels."""
    k = len(trial.episode.support)
    return trial.best(trial.candidates.rows[:, :k], trial.candidates.similarity[:, :k])


def metachain(trial: Trial) -> Shown:
    """The full method: learned and adapted, or plain nearest neighbours where the guard decides so."""
    return shown_with_probability(trial)[0]


def shown_with_probability(trial: Trial) -> tuple[Shown, NDArray[np.float64]]:
    """Demonstrations of ``metachain``, and the calibrated probability of each answer; (n, shots) each."""
    return _learned(trial, len(trial.episode.support))


def listed(trial: Trial) -> Shown:
    """``metachain`` with a list of all answers of the institution, taken from all its demonstrations."""
    pool, target = trial.knowledge.table.pool, trial.episode.institution
    given = pool.answer[pool.owner == target]
    return _learned(trial, len(trial.episode.support), np.isin(np.arange(len(pool.answers)), given))[0]


def verdict(trial: Trial) -> Shown:
    """``metachain`` that shows its likeliest answer alone, without alternatives."""
    k = len(trial.episode.support)
    learned = trial.knowledge.lesson.sharpness_with(k) is not None
    return _plausible(trial, k, VERDICT if learned else None)[0]


def prior(trial: Trial) -> Shown:
    """Learned but not adapted: the labels may be shown, but nothing is learned from them."""
    return _learned(trial, 0)[0]


def scratch(trial: Trial) -> Shown:
    """The same posterior over all past demonstrations as one institution: without meta-learning."""
    return _plausible(trial, len(trial.episode.support), trial.knowledge.lesson.sharpness, pooled=True)[0]


def oracle(trial: Trial) -> Shown:
    """Nearest of the candidates with the right answer, or with the closest answer: an upper bound."""
    found, query = trial.candidates, trial.episode.query
    if trial.queries.closeness:
        right = trial.queries.closeness(query, found.rows)
    else:
        answer = trial.knowledge.table.pool.answer
        right = np.where(answer[found.rows] == answer[query][:, None], 1.0, 0.0)
    return trial.best(found.rows, found.similarity + ANSWER_FIRST * right)


SELECTORS: Mapping[str, Callable[[Trial], Shown]] = {
    one.__name__: one for one in (zero, random, bm25, semantic, mmr, hybrid, support, prior, scratch, metachain, oracle)
}
ON_REQUEST: Mapping[str, Callable[[Trial], Shown]] = {one.__name__: one for one in (meta_sel, verdict, listed)}
"""Selectors that are compared only where they are named."""


def _learned(trial: Trial, k: int, listed: Listed = None) -> tuple[Shown, NDArray[np.float64]]:
    return _plausible(trial, k, trial.knowledge.lesson.sharpness_with(k), listed=listed)


def _plausible(
    trial: Trial, k: int, sharpness: float | None, *, pooled: bool = False, listed: Listed = None
) -> tuple[Shown, NDArray[np.float64]]:
    """Rows shown after learning from k labels, -1 for none, and the probability of their answers; (n, shots) each.

    ``sharpness`` is None for plain nearest neighbours. ``pooled`` takes all past institutions as one; ``listed`` (C,)
    marks the answers in the institution's list.
    """
    known, candidates = trial.knowledge, trial.candidates
    pool = known.table.pool
    taught = trial.episode.taught(k)
    profiles = episode_profiles(known.table, taught, pooled=pooled)
    weights = np.zeros(1) if pooled else with_listed(known.log_weights, pool.gives[known.past], listed)
    fitted = episode_fit(known.table, taught, profiles, weights, known.lesson.settings or PLAIN, listed)
    probability = known.lesson.calibration(k).of(plausibility(candidates, fitted, profiles.query))
    places, _ = choose(DEFAULT, candidates, probability, trial.shots, sharpness=sharpness, meaning=pool.meaning)
    return at_places(candidates.rows, places, -1), at_places(probability, places, 0.0)


def _largest(score: Floats, rows: Rows, k: int) -> Rows:
    """Rows with the k largest of the scores (n, N) for each query, in no order; (n, min(k, N))."""
    width = min(k, len(rows))
    return rows[np.argpartition(-score, width - 1, axis=1)[:, :width]]

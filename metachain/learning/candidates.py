"""The selection kernel: candidates, reply profile, posterior, plausible answers, choice.

Production, evaluation, the guard and policy search all choose through these functions, in this order.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from metachain.learning.answer_fits import answer_scores
from metachain.learning.apportionment import Given, apportion_answers, apportion_meanings
from metachain.learning.episodes import Episode
from metachain.learning.gaussian_process import Fit, Listed, Settings, fit
from metachain.learning.index import Neighbours, similarities
from metachain.learning.neighbours import NEIGHBOURS, NeighbourTable
from metachain.learning.policy import Policy
from metachain.learning.ranking import at_places, distinct, nearest_first, plausible_answers
from metachain.learning.reply_profile import Meaning, Profile, reply_profile

__all__ = ["Candidates", "Profiles", "choose", "episode_candidates", "episode_fit", "episode_profiles", "plausibility"]
__all__ += ["weights"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
MEANINGS_A_SHOT = 8
"""Number of candidates considered for each demonstration shown, where answers are texts."""
SIMILARITY_SCALE = 0.1
TEXT_SHARPNESS = 10.0
"""Factor on the exponent where answers are texts, as their probabilities differ less."""

RowNumbers = Callable[[Rows], Rows]
"""Maps row numbers of any shape to a number each; undefined for negative rows."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Demonstrations to choose from for n queries: own labels first, then the nearest of each past institution."""

    rows: Rows
    """(n, m) row numbers, -1 for none."""
    similarity: NDArray[np.floating]
    """(n, m) hybrid similarity to the query, -inf for none."""
    answer: Rows
    """(n, m) answer numbers, -1 for none."""

    def at(self, places: NDArray[np.intp]) -> Self:
        """Keep the candidates at some places (n, j)."""
        return type(self)(
            np.take_along_axis(self.rows, places, axis=1),
            np.take_along_axis(self.similarity, places, axis=1),
            np.take_along_axis(self.answer, places, axis=1),
        )

    def take(self, query: int) -> Self:
        """Keep one query; the arrays become (1, m)."""
        one = slice(query, query + 1)
        return type(self)(self.rows[one], self.similarity[one], self.answer[one])

    @classmethod
    def gather(
        cls,
        own: Rows,
        own_similarity: NDArray[np.float32],
        near: Neighbours,
        answer: RowNumbers,
        twin: RowNumbers | None = None,
    ) -> Self:
        """Join own labels (n, k) and the neighbours in S institutions.

        ``answer`` gives the answer number of rows, ``twin`` the number that rows of one institution with the same text
        and answer share (``Pool.twin``): the first of them is kept; None keeps them all. Rows of several institutions
        that agree all stay: many that agree count as many.
        """
        near_rows, near_similarity = near.flat()
        rows = np.concatenate([own, near_rows], axis=1)
        similarity = np.concatenate([own_similarity, near_similarity], axis=1)
        if twin is not None:
            rows, similarity = distinct(rows, similarity, twin(rows))
        return cls(rows, np.where(rows < 0, -np.inf, similarity), np.where(rows < 0, -1, answer(rows)))


def plausibility(candidates: Candidates, fitted: Fit, texts: Profile, kernel: Floats | None = None) -> Floats:
    """Probability (n, m) that the target institution gives each candidate's answer to the query; 0 for none.

    ``texts`` is the reply profile of the queries; ``kernel`` is as for ``gaussian_process.predict``.
    """
    return plausible_answers(answer_scores(fitted, texts, candidates.answer, kernel), candidates.answer)


def choose(
    policy: Policy,
    candidates: Candidates,
    probability: Floats,
    shots: int,
    *,
    sharpness: float | None,
    meaning: Meaning = None,
    left_out: NDArray[np.bool_] | None = None,
) -> Given:
    """Choose at most ``shots`` candidates for each query by a policy.

    ``probability`` (n, m) of the candidates' answers, calibrated, 0 for none; ``sharpness`` is the guard's, None where
    plain nearest neighbours choose; ``meaning`` (C, d) are the answers' unit vectors where they are texts;
    ``left_out`` (n, m) marks candidates that must not be shown. The places are in order of the answers' probability,
    then of similarity. Where plain nearest neighbours choose, they are in order of similarity, which then takes the
    place of the quotients.
    """
    similarity = candidates.similarity
    if left_out is not None:
        similarity, probability = np.where(left_out, -np.inf, similarity), np.where(left_out, 0.0, probability)
    sharp = policy.sharpness_under(sharpness)
    if sharp is None:
        first = nearest_first(similarity, shots)
        near = np.take_along_axis(similarity, first, axis=1).astype(np.float64)
        return Given(np.where(near > -np.inf, first, -1), near)
    weight = weights(probability, similarity, sharp, texts=meaning is not None)
    if meaning is None:
        return apportion_answers(weight, similarity, candidates.answer, shots)
    order = nearest_first(weight, MEANINGS_A_SHOT * shots)
    likely = replace(candidates, similarity=similarity).at(order)
    vectors = meaning[np.maximum(likely.answer, 0)]
    given = apportion_meanings(np.take_along_axis(weight, order, axis=1), likely.similarity, vectors, shots)
    return Given(at_places(order, given.places, -1), given.quotients)


def weights(probability: Floats, similarity: NDArray[np.floating], sharpness: float, *, texts: bool) -> Floats:
    """``p ** sharpness``; where answers are texts, ``(p / max p) ** (10 sharpness) exp((h - max h) / 0.1)``.

    Each text is an answer of its own, so that the similarity h decides among those of equal meaning. (n, m), 0 for
    none.
    """
    if not texts:
        return probability**sharpness
    likeliest = np.maximum(probability.max(axis=1, keepdims=True, initial=0.0), np.finfo(np.float64).tiny)
    nearest = similarity.max(axis=1, keepdims=True, initial=-1.0)
    near = np.exp((similarity - nearest) / SIMILARITY_SCALE)
    return np.asarray((probability / likeliest) ** (TEXT_SHARPNESS * sharpness) * near, np.float64)


@dataclass(frozen=True, slots=True)
class Profiles:
    """Reply profiles of an episode over the institutions it learns from."""

    support: Profile
    query: Profile


def episode_profiles(table: NeighbourTable, episode: Episode, *, pooled: bool = False) -> Profiles:
    """Reply profiles of an episode's support and queries; ``pooled`` takes all past institutions as one."""
    pool = table.pool
    both = (table.near(rows, episode.past) for rows in (episode.support, episode.query))
    profiles = (
        reply_profile(_as_one(near) if pooled else near, pool.answer, len(pool.answers), pool.meaning, pool.sets)
        for near in both
    )
    support, query = profiles
    return Profiles(support, replace(query, lift=table.lift(episode.query, episode.past)))


def episode_fit(
    table: NeighbourTable,
    episode: Episode,
    profiles: Profiles,
    log_weights: Floats,
    settings: Settings,
    listed: Listed = None,
) -> Fit:
    """Posterior of an episode's institution given its support; ``log_weights`` (S,) are of the past institutions."""
    return fit(profiles.support, table.pool.answer[episode.support], log_weights, settings, listed)


def episode_candidates(table: NeighbourTable, episode: Episode, *, repeated: bool = False) -> Candidates:
    """Candidates for an episode's queries; ``repeated`` keeps what an institution holds several times."""
    pool = table.pool
    own = np.broadcast_to(episode.support, (len(episode.query), len(episode.support)))
    similarity = similarities(pool.vectors[episode.query], pool.vectors[episode.support])
    near = table.near(episode.query, episode.past)
    twin = None if repeated else pool.twin.__getitem__
    return Candidates.gather(own, similarity, near, pool.answer.__getitem__, twin)


def _as_one(near: Neighbours) -> Neighbours:
    """Neighbours in all institutions taken as one; (n, 1, R)."""
    rows, similarity = near.flat()
    first = nearest_first(similarity, NEIGHBOURS)
    pooled = np.take_along_axis(rows, first, axis=1), np.take_along_axis(similarity, first, axis=1)
    return Neighbours(pooled[0][:, None, :], pooled[1][:, None, :])

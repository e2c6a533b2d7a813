"""The selection kernel: candidates, reply profile, posterior, plausible answers, choice.

Production, evaluation, the guard and policy search all choose through these functions, in this order.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from metachain.learning.episodes import Episode
from metachain.learning.gaussian_process import Fit, Listed, Settings, answer_scores, fit
from metachain.learning.index import Neighbours, similarities
from metachain.learning.neighbours import NEIGHBOURS, NeighbourTable
from metachain.learning.policy import Policy, Vectors
from metachain.learning.ranking import distinct, nearest_first, plausible_answers
from metachain.learning.reply_profile import Profile, reply_profile

__all__ = ["Candidates", "Profiles", "choose", "episode_candidates", "episode_fit", "episode_profiles", "plausibility"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
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

        ``answer`` gives the answer number of rows. ``twin`` gives rows of the same text and answer the same number
        (``ranking.twins``), and only the first of them is kept; None keeps them all.
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
    learned: bool,
    texts: bool,
    vectors: Vectors,
    left_out: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.intp], NDArray[np.floating]]:
    """Choose at most ``shots`` candidates for each query by a policy.

    ``probability`` (n, m) from ``plausibility``; ``left_out`` (n, m) marks candidates that must not be shown. The rest
    is as for ``Policy.choose``: returns places (n, min(shots, m)), best first and -1 for none, and scores (n, m).
    """
    similarity = candidates.similarity
    if left_out is not None:
        similarity, probability = np.where(left_out, -np.inf, similarity), np.where(left_out, 0.0, probability)
    return policy.choose(similarity, probability, shots, learned=learned, texts=texts, vectors=vectors)


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
        reply_profile(_as_one(near) if pooled else near, pool.answer, len(pool.answers), pool.meaning) for near in both
    )
    return Profiles(*profiles)


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


def episode_candidates(table: NeighbourTable, episode: Episode, twin: NDArray[np.int64] | None = None) -> Candidates:
    """Candidates for an episode's queries; ``twin`` (N,) from ``ranking.twins``, None to keep repetitions."""
    pool = table.pool
    own = np.broadcast_to(episode.support, (len(episode.query), len(episode.support)))
    similarity = similarities(pool.vectors[episode.query], pool.vectors[episode.support])
    near = table.near(episode.query, episode.past)
    return Candidates.gather(own, similarity, near, pool.answer.__getitem__, None if twin is None else twin.__getitem__)


def _as_one(near: Neighbours) -> Neighbours:
    """Neighbours in all institutions taken as one; (n, 1, R)."""
    rows, similarity = near.flat()
    first = nearest_first(similarity, NEIGHBOURS)
    pooled = np.take_along_axis(rows, first, axis=1), np.take_along_axis(similarity, first, axis=1)
    return Neighbours(pooled[0][:, None, :], pooled[1][:, None, :])

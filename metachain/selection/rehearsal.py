"""Held-out episodes (rehearsals) in which each policy chooses demonstrations for the queries."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from metachain.data.demonstration import Demonstration
from metachain.learning.candidates import (
    Candidates,
    choose,
    episode_candidates,
    episode_fit,
    episode_profiles,
    plausibility,
)
from metachain.learning.episodes import Episode, all_episodes, rng_for
from metachain.learning.gaussian_process import PLAIN
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.policy import Policy
from metachain.learning.prior import Prior
from metachain.learning.transfer import prior_log_weights

__all__ = ["Question", "RehearsalSet"]

KEPT = 512
"""Number of episodes with candidates kept in memory."""
STREAM = 2000
"""Seed that keeps these random draws apart from those of the guard and of evaluation."""

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Question:
    """One query: the number of its episode, and its place there."""

    episode: int
    place: int


class RehearsalSet:
    """Held-out episodes of a library's past institutions.

    ``episodes`` are by default those of ``episodes.all_episodes``: each institution learns from all others, and from
    dissimilar ones only; with 0, 4 and 16 labels; two random supports. ``seed`` orders the questions.
    """

    def __init__(
        self, table: NeighbourTable, prior: Prior, seed: int = 0, episodes: Sequence[Episode] | None = None
    ) -> None:
        self._table, self._prior, self._seed = table, prior, seed
        everyone = np.arange(len(table.pool.institutions))
        self._episodes = all_episodes(table.pool, prior.transfer, everyone) if episodes is None else list(episodes)
        self._plausible = lru_cache(KEPT)(self._plausible_candidates)

    def questions(self) -> Iterator[Question]:
        """Yield every query of every episode; institutions take turns, so that each prefix is balanced."""
        by_institution: dict[int, list[Question]] = {}
        for number, episode in enumerate(self._episodes):
            asked = [Question(number, place) for place in range(len(episode.query))]
            by_institution.setdefault(episode.institution, []).extend(asked)
        names = self._table.pool.institutions
        for institution, asked in by_institution.items():
            order = rng_for(names[institution], STREAM, self._seed).permutation(len(asked))
            by_institution[institution] = [asked[place] for place in order]
        longest = max(map(len, by_institution.values()), default=0)
        turns = np.random.default_rng([STREAM, self._seed]).permutation(sorted(by_institution))
        for turn in range(longest):
            for institution in turns:
                if turn < len(by_institution[institution]):
                    yield by_institution[institution][turn]

    def asked(self, question: Question) -> Demonstration:
        """Return the query with its right answer."""
        episode = self._episodes[question.episode]
        return self._table.pool.demonstrations[int(episode.query[question.place])]

    def shown(self, question: Question, policies: Sequence[Policy]) -> list[tuple[Demonstration, ...]]:
        """Return the demonstrations that each policy chooses for a question, in prompt order."""
        pool = self._table.pool
        every, probabilities = self._plausible(question.episode)
        one = slice(question.place, question.place + 1)
        candidates = every.take(question.place)
        chosen = []
        for policy in policies:
            places, _ = choose(
                policy,
                candidates,
                probabilities[one],
                policy.shots,
                sharpness=self._prior.lesson.sharpness_with(self._episodes[question.episode].labels),
                meaning=pool.meaning,
                left_out=self._demoted(candidates.rows, policy),
            )
            best = [candidates.rows[0, place] for place in places[0] if place >= 0]
            chosen.append(tuple(pool.demonstrations[row] for row in (best if policy.best_first else best[::-1])))
        return chosen

    def _demoted(self, rows: Rows, policy: Policy) -> NDArray[np.bool_] | None:
        """Mark candidate rows (n, m) that the policy never shows; None where it demotes nothing."""
        if not policy.demoted:
            return None
        known = self._table.pool.demonstrations
        return np.array([row >= 0 and known[row].key in policy.demoted for row in rows.flat], bool).reshape(rows.shape)

    def _plausible_candidates(self, number: int) -> tuple[Candidates, Floats]:
        table, episode = self._table, self._episodes[number]
        profiles = episode_profiles(table, episode)
        weights = prior_log_weights(self._prior.transfer, episode.past)
        fitted = episode_fit(table, episode, profiles, weights, self._prior.lesson.settings or PLAIN)
        candidates = episode_candidates(table, episode)
        probability = plausibility(candidates, fitted, profiles.query)
        return candidates, self._prior.lesson.calibration(episode.labels).of(probability)

"""A past institution plays the new one: what could be shown for its queries, by each policy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from metachain.data.demonstration import Demonstration
from metachain.learning.episodes import Draw, rng_for
from metachain.learning.gaussian_process import PLAIN, answer_scores, fit
from metachain.learning.index import similarities
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.prior import Prior, rehearsals
from metachain.learning.ranking import distinct, plausible_answers, twins
from metachain.learning.transfer import prior_log_weights
from metachain.selection.policy import Policy

__all__ = ["Question", "RehearsalSet"]

KEPT = 512
"""How many rehearsals are remembered."""
STREAM = 2000
"""Keeps these random draws apart from the guard's and evaluation's."""

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Question:
    """One query of one rehearsal."""

    rehearsal: int
    place: int
    """Of the query, among the rehearsal's."""


@dataclass(frozen=True, slots=True)
class _Candidates:
    """What could be shown for the n queries of a rehearsal."""

    rows: Rows
    """(n, m), -1 where there is none."""
    similarity: NDArray[np.float32]
    probability: Floats


class RehearsalSet:
    """All rehearsals of a library's past institutions, each before the others that it learns from.

    An institution plays the new one beside all others, and beside those alone that don't answer as it does; with 0, 4
    and 16 labels; twice. Nothing of itself is shown to it but its labels. ``seed`` orders the questions. ``made`` takes
    the place of all these rehearsals: draws, each beside the institution numbers (S,) that it learns from.
    """

    def __init__(
        self, study: NeighbourTable, prior: Prior, seed: int = 0, made: Sequence[tuple[Draw, Rows]] | None = None
    ) -> None:
        self._study, self._prior, self._seed = study, prior, seed
        everyone = np.arange(len(study.pool.institutions))
        self._made = rehearsals(study.pool, prior.transfer, everyone) if made is None else list(made)
        self._twin = twins(study.pool.demonstrations)
        self._candidates = lru_cache(KEPT)(self._candidates_of)

    def questions(self) -> Iterator[Question]:
        """Every query once in each rehearsal, one institution after the other, so that each prefix is even."""
        by_institution: dict[int, list[Question]] = {}
        for number, (draw, _) in enumerate(self._made):
            asked = [Question(number, place) for place in range(len(draw.query))]
            by_institution.setdefault(draw.institution, []).extend(asked)
        names = self._study.pool.institutions
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
        """The query with its right answer."""
        draw, _ = self._made[question.rehearsal]
        return self._study.pool.demonstrations[int(draw.query[question.place])]

    def shown(self, question: Question, policies: Sequence[Policy]) -> list[tuple[Demonstration, ...]]:
        """What each policy shows for a question, in prompt order."""
        pool, held, place = self._study.pool, self._candidates(question.rehearsal), question.place
        draw, _ = self._made[question.rehearsal]
        lesson = self._prior.lesson
        learned = lesson.settings is not None if draw.labels else lesson.trusts_consensus
        chosen = []
        for policy in policies:
            row = self._kept(held.rows[place : place + 1], policy)
            first, _ = policy.choose(
                np.where(row < 0, -np.inf, held.similarity[place : place + 1]),
                np.where(row < 0, 0.0, held.probability[place : place + 1]),
                policy.shots,
                learned=learned,
                texts=pool.meaning is not None,
                vectors=partial(self._vectors, row),
            )
            best = [row[0, position] for position in first[0] if position >= 0]
            order = best if policy.best_first else best[::-1]
            chosen.append(tuple(pool.demonstrations[number] for number in order if number >= 0))
        return chosen

    def _kept(self, rows: Rows, policy: Policy) -> Rows:
        """Candidate rows (n, m), with -1 for what the policy never shows."""
        known = self._study.pool.demonstrations
        if not policy.demoted:
            return rows
        out = np.array([row >= 0 and known[row].key in policy.demoted for row in rows.flat], bool)
        return np.where(out.reshape(rows.shape), -1, rows)

    def _vectors(self, rows: Rows, places: Rows) -> NDArray[np.float32]:
        """Vectors (1, j, d) of the candidates at some places (1, j) among rows (1, m)."""
        return self._study.pool.vectors[np.take_along_axis(rows, places, axis=1)]

    def _candidates_of(self, number: int) -> _Candidates:
        draw, past = self._made[number]
        study, pool = self._study, self._study.pool
        support, query = study.profile(draw.support, past), study.profile(draw.query, past)
        settings = self._prior.lesson.settings or PLAIN
        fitted = fit(support, pool.answer[draw.support], prior_log_weights(self._prior.transfer, past), settings)
        near, past_similarity = study.near(draw.query, past).flat()
        rows = np.concatenate([np.tile(draw.support, (len(draw.query), 1)), near], axis=1)
        own = similarities(pool.vectors[draw.query], pool.vectors[draw.support])
        rows, similarity = distinct(rows, np.concatenate([own, past_similarity], axis=1), self._twin[rows])
        answer = np.where(rows < 0, -1, pool.answer[rows])
        probability = plausible_answers(answer_scores(fitted, query, answer), answer)
        return _Candidates(rows, similarity, probability)

"""One institution's turn at playing the new one: what every selector shows for its queries, and what that scores."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from metachain.embedding.similarity import normalise_text
from metachain.evaluation import result
from metachain.evaluation.holdout import fewer_past
from metachain.evaluation.plan import Plan, selectors_named
from metachain.evaluation.scorers import Scorer, scorer_for
from metachain.evaluation.selectors import Episode, Ground, Shown, explained
from metachain.evaluation.summary import OURS
from metachain.learning.calibration import Forecast, forecast
from metachain.learning.episodes import rng_for, split
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.prior import GuardResult, run_guard, transfer_matrix
from metachain.learning.ranking import twins
from metachain.learning.transfer import redundancy, screening
from metachain.selection.baselines import bm25_weights, word_counts

__all__ = ["Bench", "Choice", "Draw", "Row", "Turn", "Turns", "scored"]

Rows = NDArray[np.intp]


class Bench:
    """Grounds for institutions that play the new one. Transfer is pairwise: measured once, read for every past."""

    def __init__(
        self, study: NeighbourTable, words: csr_array, twin: NDArray[np.int64], transfer: NDArray[np.float64]
    ) -> None:
        self.study = study
        """All institutions."""
        self._words, self._twin, self.transfer = words, twin, transfer
        """(S, S) from ``prior.transfer_matrix``."""
        self._kept: dict[tuple[int, ...], Ground] = {}

    @classmethod
    def of(cls, study: NeighbourTable) -> Self:
        """Measure what is shared; every row of the pool must have been looked up in ``study``."""
        texts = [normalise_text(one.input) for one in study.pool.demonstrations]
        return cls(study, word_counts(texts), twins(study.pool.demonstrations), transfer_matrix(study))

    def ground(self, past: Rows) -> Ground:
        """What the institutions ``past`` (S,) teach, without queries; learned once for each set of institutions."""
        key = tuple(past.tolist())
        if key not in self._kept:
            self._kept[key] = self.learn(past)
        return self._kept[key]

    def learn(self, past: Rows) -> Ground:
        """The same, learned anew and not kept."""
        rows = np.flatnonzero(np.isin(self.study.pool.owner, past))
        return Ground(
            self.study,
            past,
            np.zeros(0, np.intp),
            redundancy(self.transfer, past),
            screening(self.transfer, past),
            run_guard(self.study, self.transfer, past),
            bm25_weights(self._words, rows),
            self._words,
            self._twin,
        )


EVALUATION_STREAM = 1000
"""Keeps evaluation's random draws apart from the guard's rehearsals."""
Row = result.Score
Score = Callable[[Rows, Shown, Sequence[str]], dict[str, dict[str, float]]]


@dataclass(frozen=True)
class Choice:
    """What one selector shows for the queries of one institution."""

    selector: str
    labels: int
    institution: str
    seed: int
    query: Rows
    shown: Shown


@dataclass(frozen=True)
class Draw:
    """An institution's turn with only so many past institutions, drawn by a seed."""

    target: int
    seed: int
    size: int


@dataclass(frozen=True)
class Turn:
    """What came of an institution's turn."""

    target: int
    """Its number."""
    lesson: GuardResult
    """What was learned for it."""
    choices: list[Choice]
    forecasts: list[Forecast]
    scores: dict[str, list[Row]]
    """Rows by reader; none where a model reads them later."""


@dataclass(frozen=True)
class Turns:
    """All that any institution's turn needs. Its methods are pure, so they may run in any process, in any order."""

    bench: Bench
    pasts: Sequence[Rows]
    """Of each institution."""
    plan: Plan
    readers: tuple[str, ...]
    """Who answers at once."""

    @cached_property
    def scorer(self) -> Scorer:
        """What suits the outputs; made where it is used, as it remembers much."""
        return scorer_for(self.bench.study.pool, self.plan.metric)

    def with_all(self, targets: Sequence[int]) -> list[Turn]:
        """Turns of institutions that all learn from the same past ones, which is done once."""
        ground = self.bench.learn(self.pasts[targets[0]])
        return [self._turn(ground, target, self.plan.seeds, self.readers) for target in targets]

    def with_fewer(self, draw: Draw) -> Turn:
        """An institution's turn with fewer past institutions, read by the first reader alone."""
        name = self.bench.study.pool.institutions[draw.target]
        ground = self.bench.learn(fewer_past(self.pasts[draw.target], draw.size, name, draw.seed))
        return self._turn(ground, draw.target, [draw.seed], self.readers[:1])

    def _turn(self, ground: Ground, target: int, seeds: Iterable[int], readers: Sequence[str]) -> Turn:
        choices: list[Choice] = []
        forecasts: list[Forecast] = []
        for seed in seeds:
            chosen, sure = self._trial(ground, target, seed)
            choices += chosen
            forecasts += sure
        rows = scored(choices, self.scorer, readers) if readers else {}
        return Turn(target, ground.lesson, choices, forecasts, rows)

    def _trial(self, ground: Ground, target: int, seed: int) -> tuple[list[Choice], list[Forecast]]:
        """One random support: what every selector chooses, and how sure ours is."""
        found: list[Choice] = []
        forecasts: list[Forecast] = []
        plan, pool = self.plan, ground.study.pool
        name = pool.institutions[target]
        support, query = split(pool, target, max(plan.labels), plan.queries, EVALUATION_STREAM, seed)
        if not len(query):
            return found, forecasts
        ground = replace(ground, query=query, closeness=self.scorer.closeness)
        for k in plan.labels:
            if k > len(support):
                continue
            episode = Episode(ground, support[:k], plan.shots, rng_for(name, EVALUATION_STREAM, seed, k))
            for selector, select in selectors_named(plan.compared).items():
                if selector == "support" and k == 0:
                    continue
                if selector == OURS:
                    shown, sure = _foreseen(episode)
                    forecasts += sure
                else:
                    shown = select(episode)
                found.append(Choice(selector, k, name, seed, query, shown))
        return found, forecasts


def scored(choices: Iterable[Choice], score: Score, readers: Sequence[str]) -> dict[str, list[Row]]:
    """Rows of each reader's scores; all readers read the same choices."""
    found: dict[str, list[Row]] = {reader: [] for reader in readers}
    for one in choices:
        for reader, by_metric in score(one.query, one.shown, readers).items():
            found[reader] += [
                Row(one.selector, one.labels, one.institution, one.seed, metric, value, len(one.query))
                for metric, value in by_metric.items()
            ]
    return found


def _foreseen(episode: Episode) -> tuple[Shown, list[Forecast]]:
    """What ours shows, and how sure it is of these answers; of texts, which are seldom right to the letter, nothing."""
    pool, query = episode.ground.study.pool, episode.ground.query
    shown, probability = explained(episode)
    if pool.meaning is not None:
        return shown, []
    answers = np.where(shown < 0, -1, pool.answer[shown])
    return shown, [forecast(len(episode.support), answers, probability, pool.answer[query])]

"""One institution's turn at playing the new one: what every selector shows for its queries, and what that scores."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metachain.bench import Bench
from metachain.episode import Episode, Ground, Shown, explained
from metachain.forecast import Forecast, forecast
from metachain.holdout import fewer_past
from metachain.plan import Plan, selectors_named
from metachain.prior import Lesson
from metachain.scoring import Scorer, scorer_for
from metachain.study import institution_rng, split
from metachain.summary import OURS

__all__ = ["Choice", "Draw", "Row", "Turn", "Turns", "scored"]

EVALUATION_STREAM = 1000
"""Keeps evaluation's random draws apart from the guard's rehearsals."""

Rows = NDArray[np.intp]
Row = dict[str, Any]
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
    lesson: Lesson
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
            episode = Episode(ground, support[:k], plan.shots, institution_rng(name, EVALUATION_STREAM, seed, k))
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
        row = {"selector": one.selector, "labels": one.labels, "institution": one.institution, "seed": one.seed}
        for reader, by_metric in score(one.query, one.shown, readers).items():
            found[reader] += [
                {**row, "metric": metric, "score": value, "n": len(one.query)} for metric, value in by_metric.items()
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

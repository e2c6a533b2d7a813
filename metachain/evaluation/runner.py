"""One institution's turn at playing the new one: what every selector shows for its queries, and what that scores."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
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
from metachain.evaluation.selectors import HeldOutQueries, PastKnowledge, Shown, Trial, shown_with_probability
from metachain.evaluation.summary import OURS
from metachain.learning.calibration import Forecast, forecast
from metachain.learning.episodes import Episode, rng_for, split
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
        self, table: NeighbourTable, words: csr_array, twin: NDArray[np.int64], transfer: NDArray[np.float64]
    ) -> None:
        self.table = table
        """All institutions."""
        self._words, self._twin, self.transfer = words, twin, transfer
        """(S, S) from ``prior.transfer_matrix``."""
        self._kept: dict[tuple[int, ...], PastKnowledge] = {}

    @classmethod
    def of(cls, table: NeighbourTable) -> Self:
        """Measure what is shared; every row of the pool must have been looked up in ``table``."""
        texts = [normalise_text(one.input) for one in table.pool.demonstrations]
        return cls(table, word_counts(texts), twins(table.pool.demonstrations), transfer_matrix(table))

    def knowledge(self, past: Rows) -> PastKnowledge:
        """Knowledge from the institutions ``past`` (S,); learned once for each set of institutions."""
        key = tuple(past.tolist())
        if key not in self._kept:
            self._kept[key] = self.learn(past)
        return self._kept[key]

    def learn(self, past: Rows) -> PastKnowledge:
        """The same, learned anew and not kept."""
        rows = np.flatnonzero(np.isin(self.table.pool.owner, past))
        return PastKnowledge(
            self.table,
            past,
            redundancy(self.transfer, past),
            screening(self.transfer, past),
            run_guard(self.table, self.transfer, past),
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
        return scorer_for(self.bench.table.pool, self.plan.metric)

    def with_all(self, targets: Sequence[int]) -> list[Turn]:
        """Runs of institutions that all learn from the same past ones; learning is done once."""
        known = self.bench.learn(self.pasts[targets[0]])
        return [self._turn(known, target, self.plan.seeds, self.readers) for target in targets]

    def with_fewer(self, draw: Draw) -> Turn:
        """Run of an institution with fewer past institutions, read by the first reader only."""
        name = self.bench.table.pool.institutions[draw.target]
        known = self.bench.learn(fewer_past(self.pasts[draw.target], draw.size, name, draw.seed))
        return self._turn(known, draw.target, [draw.seed], self.readers[:1])

    def _turn(self, known: PastKnowledge, target: int, seeds: Iterable[int], readers: Sequence[str]) -> Turn:
        choices: list[Choice] = []
        forecasts: list[Forecast] = []
        for seed in seeds:
            for trial in self._trials(known, target, seed):
                for selector, select in self._selectors(trial):
                    if selector == OURS:
                        shown, sure = _foreseen(trial)
                        forecasts += sure
                    else:
                        shown = select(trial)
                    name, episode = known.table.pool.institutions[target], trial.episode
                    choices.append(Choice(selector, episode.labels, name, seed, episode.query, shown))
        rows = scored(choices, self.scorer, readers) if readers else {}
        return Turn(target, known.lesson, choices, forecasts, rows)

    def _trials(self, known: PastKnowledge, target: int, seed: int) -> Iterator[Trial]:
        """Trials of one random support, one for each number of labels that the institution has."""
        plan, pool = self.plan, known.table.pool
        support, query = split(pool, target, max(plan.labels), plan.queries, EVALUATION_STREAM, seed)
        if not len(query):
            return
        episode = Episode(target, len(support), support, query, known.past)
        queries = HeldOutQueries(known, episode, self.scorer.closeness)
        for k in plan.labels:
            if k <= len(support):
                rng = rng_for(pool.institutions[target], EVALUATION_STREAM, seed, k)
                yield Trial(queries, episode.taught(k), plan.shots, rng)

    def _selectors(self, trial: Trial) -> Iterator[tuple[str, Callable[[Trial], Shown]]]:
        """Selectors to compare in a trial: without labels there is no ``support`` to select from."""
        for name, select in selectors_named(self.plan.compared).items():
            if name != "support" or trial.episode.labels:
                yield name, select


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


def _foreseen(trial: Trial) -> tuple[Shown, list[Forecast]]:
    """Demonstrations of ``metachain`` and their probabilities; texts are seldom right to the letter and have none."""
    pool, query = trial.knowledge.table.pool, trial.episode.query
    shown, probability = shown_with_probability(trial)
    if pool.meaning is not None:
        return shown, []
    answers = np.where(shown < 0, -1, pool.answer[shown])
    return shown, [forecast(trial.episode.labels, answers, probability, pool.answer[query])]

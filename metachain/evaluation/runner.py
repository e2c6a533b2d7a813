"""Held-out runs: every selector chooses for the queries of one held-out institution, and is scored."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from metachain.embedding.similarity import normalise_text
from metachain.evaluation.holdout import fewer_past
from metachain.evaluation.plan import Plan, selectors_named
from metachain.evaluation.result_rows import Score
from metachain.evaluation.scorers import Floats, Scorer, Scores, scorer_for
from metachain.evaluation.selectors import HeldOutQueries, PastKnowledge, Shown, Trial, shown_with_probability
from metachain.evaluation.shown_measures import ShownMeasures
from metachain.evaluation.skill import skilled_score
from metachain.evaluation.summary import OURS
from metachain.learning.calibration import Forecast, forecast
from metachain.learning.episodes import Episode, rng_for, split
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.prior import GuardResult, run_guard, transfer_matrix
from metachain.learning.transfer import redundancy, screening
from metachain.selection.baselines import word_counts

__all__ = ["Choice", "HeldOutRun", "HeldOutRunner", "SharedMeasurements", "SubsetRun", "scored"]

EVALUATION_STREAM = 1000
"""Seed that keeps evaluation's random draws apart from the guard's rehearsals."""

Rows = NDArray[np.intp]
Read = Callable[[Rows, Shown, Sequence[str]], Scores]


class SharedMeasurements:
    """Measurements that all held-out runs share. Transfer is pairwise: it is measured once and read for every past."""

    def __init__(self, table: NeighbourTable, words: csr_array, transfer: NDArray[np.float64]) -> None:
        self.table = table
        self.transfer = transfer
        """(S, S) from ``prior.transfer_matrix``."""
        self._words = words
        self._knowledge: dict[tuple[int, ...], PastKnowledge] = {}

    @classmethod
    def of(cls, table: NeighbourTable) -> Self:
        """Measure all institutions of a pool, every row of which was looked up in ``table``."""
        texts = [normalise_text(one.input) for one in table.pool.demonstrations]
        return cls(table, word_counts(texts), transfer_matrix(table))

    def knowledge(self, past: Rows) -> PastKnowledge:
        """Knowledge from the institutions ``past`` (S,); learned once for each set of institutions."""
        key = tuple(past.tolist())
        if key not in self._knowledge:
            self._knowledge[key] = self.learn(past)
        return self._knowledge[key]

    def learn(self, past: Rows) -> PastKnowledge:
        """Learn from the institutions ``past`` (S,) anew, without keeping the result."""
        return self.taught(past, run_guard(self.table, self.transfer, past))

    def taught(self, past: Rows, lesson: GuardResult) -> PastKnowledge:
        """Knowledge from the institutions ``past`` (S,) with the guard's result already known."""
        weights = redundancy(self.transfer, past), screening(self.transfer, past)
        return PastKnowledge(self.table, past, *weights, lesson, self._words)


@dataclass(frozen=True)
class Choice:
    """Demonstrations that one selector shows for the queries of one institution."""

    selector: str
    labels: int
    institution: str
    seed: int
    query: Rows
    shown: Shown
    measures: ShownMeasures


@dataclass(frozen=True)
class SubsetRun:
    """A held-out run of the institution with number ``target``, with ``size`` past institutions drawn by a seed."""

    target: int
    seed: int
    size: int


@dataclass(frozen=True)
class HeldOutRun:
    """Result of holding out the institution with number ``target``."""

    target: int
    lesson: GuardResult
    choices: list[Choice]
    forecasts: list[Forecast]
    scores: dict[str, list[Score]]
    """Rows for each reader; empty where a model reads them later."""


@dataclass(frozen=True)
class HeldOutRunner:
    """Holds out institutions. Its methods are pure, so they may run in any process, in any order."""

    measurements: SharedMeasurements
    pasts: Sequence[Rows]
    """For each institution, the numbers of the past institutions that it learns from."""
    plan: Plan
    readers: tuple[str, ...]

    @cached_property
    def scorer(self) -> Scorer:
        """Scorer that suits the outputs; each process makes its own, as its caches are large."""
        return scorer_for(self.measurements.table.pool, self.plan.metric)

    def with_all(self, targets: Sequence[int]) -> list[HeldOutRun]:
        """Run institutions that all learn from the same past ones; learning is done once."""
        known = self.measurements.learn(self.pasts[targets[0]])
        runs = [self._run(known, target, self.plan.seeds) for target in targets]
        return [self._scored(run, self.readers, self.plan.skilled) for run in runs]

    def with_fewer(self, subset: SubsetRun) -> HeldOutRun:
        """Run an institution with fewer past institutions, read by the first reader only."""
        name = self.measurements.table.pool.institutions[subset.target]
        known = self.measurements.learn(fewer_past(self.pasts[subset.target], subset.size, name, subset.seed))
        return self._scored(self._run(known, subset.target, [subset.seed]), self.readers[:1])

    def _run(self, known: PastKnowledge, target: int, seeds: Iterable[int]) -> HeldOutRun:
        pool = known.table.pool
        choices: list[Choice] = []
        forecasts: list[Forecast] = []
        for seed in seeds:
            for trial in self._trials(known, target, seed):
                for selector, select in self._selectors(trial):
                    shown, further = _shown_and_forecasts(trial) if selector == OURS else (select(trial), [])
                    forecasts += further
                    name, labels, query = pool.institutions[target], trial.episode.labels, trial.episode.query
                    measures = ShownMeasures.of(pool, self.scorer, query, shown)
                    choices.append(Choice(selector, labels, name, seed, query, shown, measures))
        return HeldOutRun(target, known.lesson, choices, forecasts, {})

    def _scored(self, run: HeldOutRun, readers: Sequence[str], skills: Sequence[float] = ()) -> HeldOutRun:
        return replace(run, scores=scored(run.choices, self.scorer, readers, skills)) if readers else run

    def _trials(self, known: PastKnowledge, target: int, seed: int) -> Iterator[Trial]:
        """Yield the trials of one random support, one for each number of labels that the institution has."""
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
        """Yield the selectors to compare in a trial; without labels there is no ``support`` to select from."""
        for name, select in selectors_named(self.plan.compared).items():
            if name != "support" or trial.episode.labels:
                yield name, select


def scored(
    choices: Iterable[Choice], read: Read, readers: Sequence[str], skills: Sequence[float] = ()
) -> dict[str, list[Score]]:
    """Rows of each reader's scores; all readers read the same choices, the first also with higher ``skills``."""
    found: dict[str, list[Score]] = {reader: [] for reader in readers}
    for one in choices:
        for reader, by_metric in read(one.query, one.shown, readers).items():
            graded = (0.0, *skills) if reader == readers[0] else (0.0,)
            found[reader] += [_row(one, metric, own, skill) for metric, own in by_metric.items() for skill in graded]
    return found


def _row(choice: Choice, metric: str, own: Floats, skill: float) -> Score:
    measures = choice.measures
    best = measures.best[metric]
    return Score(
        selector=choice.selector,
        labels=choice.labels,
        institution=choice.institution,
        seed=choice.seed,
        metric=metric,
        score=skilled_score(own, best, skill),
        n=len(choice.query),
        recall=float(best.mean()),
        distinct=measures.distinct,
        shots=measures.shots,
        skill=skill,
    )


def _shown_and_forecasts(trial: Trial) -> tuple[Shown, list[Forecast]]:
    """Demonstrations of ``metachain`` and their probabilities; texts are seldom exactly right and get none."""
    pool, query = trial.knowledge.table.pool, trial.episode.query
    shown, probability = shown_with_probability(trial)
    if pool.meaning is not None:
        return shown, []
    answers = np.where(shown < 0, -1, pool.answer[shown])
    return shown, [forecast(trial.episode.labels, answers, probability, pool.answer[query])]

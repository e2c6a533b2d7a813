"""Forecast of what learning gains at a new institution, from rehearsals with the institutions of a library."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from metachain.evaluation.bootstrap import Interval, gain_interval
from metachain.evaluation.conditions import FEWEST_FOR_INTERVAL
from metachain.evaluation.library_measures import MOST_LABELS, Rehearsals, halves
from metachain.evaluation.readers import READERS
from metachain.evaluation.scorers import Scorer, scorer_for
from metachain.evaluation.selectors import SELECTORS, HeldOutQueries, PastKnowledge, Trial
from metachain.evaluation.summary import BASELINE, OURS
from metachain.learning.episodes import Episode, rng_for
from metachain.learning.guard import ARMS, NEAREST
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.prior import GuardResult
from metachain.learning.transfer import redundancy, screening
from metachain.progress import Progress, silent

__all__ = ["FORECAST_LABELS", "LEAST_GAIN", "Gain", "GainForecast", "forecast_gains"]

FORECAST_LABELS = (4, 16, MOST_LABELS)
LEAST_GAIN = 0.02
"""Gain from which learning is worth its trouble; averaging over institutions that all answer alike gains about 1 %."""
COMPARED = (OURS, BASELINE, "support")
SHOTS = 8
READER = next(iter(READERS))
TEXT_QUERIES = 20
"""Of one draw where answers are texts, because the reader takes milliseconds to write one."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Gain:
    """Gain of ``metachain`` over another selector, by the means over institutions."""

    mean: float | None
    """``mean(metachain) / mean(other) - 1``; None where nothing was measured, or the other is never right."""
    interval: Interval | None
    """95 % bootstrap interval over institutions; None with fewer than 4 of them."""

    @property
    def pays(self) -> bool | None:
        """True where the gain is shown, and at least 2 %; False where it is shown to be under 2 %; None else."""
        if self.mean is None or self.interval is None:
            return None
        low, high = self.interval
        if low > 0 and self.mean >= LEAST_GAIN:
            return True
        return False if high < LEAST_GAIN else None


@dataclass(frozen=True, slots=True)
class GainForecast:
    """Forecast of the gain of ``metachain`` at a new institution with some labels."""

    labels: int
    over_nearest: Gain
    """Over ``semantic``: plain nearest neighbours."""
    over_own: Gain
    """Over ``support``: the institution's own labels alone."""
    institutions: int
    """Number of institutions that took part."""

    @property
    def pays(self) -> bool | None:
        """True where both gains pay, False where one of them doesn't, None else."""
        both = self.over_nearest.pays, self.over_own.pays
        return False if False in both else (None if None in both else True)

    @property
    def likely(self) -> bool:
        """True where no gain is under 2 % in the mean."""
        return all(one.mean is None or one.mean >= LEAST_GAIN for one in (self.over_nearest, self.over_own))


def forecast_gains(
    table: NeighbourTable, transfer: Floats, rehearsed: Rehearsals, progress: Progress = silent
) -> tuple[GainForecast, ...]:
    """Forecast the gain with 4, 16 and 32 labels, by what ``evaluate`` would compare.

    Each institution with twice as many demonstrations plays the new one. The selectors show eight demonstrations for
    the queries of its rehearsals, and the offline reader answers from them. The arm is the one that scores best for the
    other institutions. ``transfer`` (S, S) and ``rehearsed`` are those of ``table``.
    """
    count = len(table.pool.institutions)
    scorer = scorer_for(table.pool)
    scores = np.full((count, len(FORECAST_LABELS), len(COMPARED)), np.nan)
    for number in range(count):
        progress("forecasting", number, count)
        if rehearsed.arms[number, 1] >= 0:
            known = _knowledge(table, transfer, rehearsed.arms[number].tolist(), number)
            for place, labels in enumerate(FORECAST_LABELS):
                drawn = [_scores(trial, scorer) for trial in _trials(known, number, labels, scorer)]
                if drawn:
                    scores[number, place] = np.mean(drawn, axis=0)
    progress("forecasting", count, count)
    return tuple(_forecast(labels, scores[:, place]) for place, labels in enumerate(FORECAST_LABELS))


def _knowledge(table: NeighbourTable, transfer: Floats, arms: list[int], number: int) -> PastKnowledge:
    """Knowledge of the others for one institution; its ``arms``, without and with labels, are those best for them."""
    unlabelled, labelled = (ARMS[arm] for arm in arms)
    everyone = np.arange(len(table.pool.institutions))
    past = everyone[everyone != number]
    lesson = GuardResult(labelled, unlabelled is not NEAREST, np.zeros(0))
    unused = csr_array((0, 0))
    return PastKnowledge(table, past, redundancy(transfer, past), screening(transfer, past), lesson, unused, unused)


def _trials(known: PastKnowledge, number: int, labels: int, scorer: Scorer) -> Iterator[Trial]:
    """Yield the rehearsals of one institution with so many labels; none for one with fewer."""
    pool = known.table.pool
    drawn = halves(pool, number)
    if pool.meaning is not None:
        drawn = [(support, query[:TEXT_QUERIES]) for support, query in drawn[:1]]
    for support, query in drawn:
        if len(support) >= labels:
            episode = Episode(number, labels, support[:labels], query, known.past)
            queries = HeldOutQueries(known, episode, scorer.closeness)
            yield Trial(queries, episode, SHOTS, rng_for(pool.institutions[number], labels))


def _scores(trial: Trial, scorer: Scorer) -> list[float]:
    """Mean score of each selector by the first metric."""
    shown = (SELECTORS[name](trial) for name in COMPARED)
    read = (scorer(trial.episode.query, one, [READER])[READER] for one in shown)
    return [float(by_metric[scorer.metrics[0]].mean()) for by_metric in read]


def _forecast(labels: int, scores: Floats) -> GainForecast:
    """Forecast from scores (S, len(COMPARED)), nan for institutions that took no part."""
    known = scores[~np.isnan(scores[:, 0])]
    ours, nearest, own = known.T
    return GainForecast(labels, _gain(ours, nearest), _gain(ours, own), len(known))


def _gain(ours: Floats, other: Floats) -> Gain:
    if not len(other) or other.mean() == 0:
        return Gain(None, None)
    interval = gain_interval(ours, other) if len(other) >= FEWEST_FOR_INTERVAL else None
    return Gain(float(ours.mean() / other.mean() - 1), interval)

"""Forecast of what learning gains at a new institution, from rehearsals with the institutions of a library."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metachain.evaluation.bootstrap import Interval, gain_interval
from metachain.evaluation.conditions import FEWEST_FOR_INTERVAL
from metachain.evaluation.library_measures import MOST_LABELS, Rehearsals, halves
from metachain.evaluation.readers import READERS
from metachain.evaluation.runner import SharedMeasurements
from metachain.evaluation.scorers import Scorer, scorer_for
from metachain.evaluation.selectors import SELECTORS, HeldOutQueries, PastKnowledge, Trial
from metachain.evaluation.summary import BASELINE, OURS
from metachain.learning.episodes import Episode
from metachain.learning.guard import ARMS, NEAREST
from metachain.learning.prior import GuardResult
from metachain.progress import Progress, silent

__all__ = ["FORECAST_LABELS", "LEAST_GAIN", "Gain", "GainForecast", "forecast_gains"]

FORECAST_LABELS = (4, 16, MOST_LABELS)
LEAST_GAIN = 0.02
"""Gain from which learning is worth its trouble; averaging over institutions that all answer alike gains about 1 %."""
COMPARED = (OURS, BASELINE, "support")
UNUSED = np.random.default_rng(0)
"""No selector that is compared draws at random."""
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
        """True where both gains are at least 2 % in the mean, as far as they are known."""
        return all(one.mean is None or one.mean >= LEAST_GAIN for one in (self.over_nearest, self.over_own))


def forecast_gains(
    measurements: SharedMeasurements, rehearsed: Rehearsals, progress: Progress = silent
) -> tuple[GainForecast, ...]:
    """Forecast the gain with 4, 16 and 32 labels, by what ``evaluate`` would compare.

    Each institution with twice as many demonstrations plays the new one. The selectors show eight demonstrations for
    the queries of its rehearsals, and the offline reader answers from them. The arm is the one that scores best for the
    other institutions. ``measurements`` and ``rehearsed`` are of one table.
    """
    pool = measurements.table.pool
    count, scorer = len(pool.institutions), scorer_for(pool)
    scores = np.full((count, len(FORECAST_LABELS), len(COMPARED)), np.nan)
    for number in range(count):
        progress("forecasting", number, count)
        if rehearsed.arms[number, 1] >= 0:
            known = _knowledge(measurements, rehearsed.arms[number].tolist(), number)
            drawn = [_scored(queries, scorer) for queries in _rehearsals(known, number, scorer)]
            scores[number] = np.mean(drawn, axis=0)
    progress("forecasting", count, count)
    return tuple(_forecast(labels, scores[:, place]) for place, labels in enumerate(FORECAST_LABELS))


def _knowledge(measurements: SharedMeasurements, arms: list[int], number: int) -> PastKnowledge:
    """Knowledge of the others for one institution; its ``arms``, without and with labels, are those best for them."""
    unlabelled, labelled = (ARMS[arm] for arm in arms)
    past = np.delete(np.arange(len(measurements.table.pool.institutions)), number)
    return measurements.taught(past, GuardResult(labelled, unlabelled is not NEAREST, np.zeros(0)))


def _rehearsals(known: PastKnowledge, number: int, scorer: Scorer) -> Iterator[HeldOutQueries]:
    """Yield the queries and labels of each rehearsal of one institution."""
    pool = known.table.pool
    drawn = halves(pool, number)
    if pool.meaning is not None:
        drawn = [(support, query[:TEXT_QUERIES]) for support, query in drawn[:1]]
    for support, query in drawn:
        yield HeldOutQueries(known, Episode(number, len(support), support, query, known.past), scorer.closeness)


def _scored(queries: HeldOutQueries, scorer: Scorer) -> Floats:
    """Scores (len(FORECAST_LABELS), len(COMPARED)) of one rehearsal; nan for more labels than it has."""
    scores = np.full((len(FORECAST_LABELS), len(COMPARED)), np.nan)
    for place, labels in enumerate(FORECAST_LABELS):
        if labels <= queries.episode.labels:
            scores[place] = _scores(Trial(queries, queries.episode.taught(labels), SHOTS, UNUSED), scorer)
    return scores


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

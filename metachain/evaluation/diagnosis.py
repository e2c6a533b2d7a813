"""Diagnosis of a library: the ten conditions of meta-learning, measured, a forecast of the gain, and a verdict."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from metachain.embedding.encoder import Encoder
from metachain.errors import DataError
from metachain.evaluation.conditions import LACKING_AT, RELATED, RULES, Condition, decide_by_count, decide_by_mean
from metachain.evaluation.gain_forecast import LEAST_GAIN, GainForecast, forecast_gains
from metachain.evaluation.library_measures import (
    LADDER,
    Agreement,
    Rehearsals,
    agreement,
    count_ways_of_answering,
    excess_transfer,
    neighbour_table_for,
    rehearse,
)
from metachain.evaluation.runner import SharedMeasurements
from metachain.learning.artifacts import learned_changes, noticed_changes
from metachain.learning.changes import Change
from metachain.learning.episodes import LABELS
from metachain.learning.own_labels import conflicts
from metachain.learning.pool import Pool
from metachain.learning.shared_past import pool_of
from metachain.library.library import Library
from metachain.progress import Progress, silent

__all__ = ["BUDGET", "Diagnosis", "break_even", "check_seconds", "diagnose"]

BUDGET = 600.0
SAMPLE = 32
FEW, MOST = 1, len(LABELS) - 1
"""Places of 4 and 16 among the label counts that are rehearsed."""

REMEDIES = {
    "a single task": "use plain nearest neighbours over all demonstrations; add institutions that answer otherwise",
    "unrelated tasks": "give each institution its own demonstrations only",
    "simple transfer suffices": "use plain nearest neighbours over all demonstrations",
    "compute limits": "learn from fewer institutions or demonstrations, or allow more seconds",
}
"""Advice for each condition against learning. Abundant data alone is none: new institutions have few labels."""

Floats = NDArray[np.float64]
Verdict = Literal["meta-learning pays", "meta-learning does not pay", "can't tell"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Verdict on meta-learning for a library, with its reasons and advice. Made by ``diagnose``."""

    institutions: int
    demonstrations: int
    conditions: tuple[Condition, ...]
    """The five for use, then the five against."""
    break_even: int | None
    """Fewest own labels that make the other institutions unnecessary; None where no number was enough."""
    verdict: Verdict
    advice: str
    conflicts: int = 0
    """Number of texts to which one institution gives several answers (``learning.conflicts``)."""
    changes: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)
    """Changes of answers in the stored posteriors, by institution (``learning.changes``)."""
    past_changes: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)
    """Changes of past institutions in the stored common prior, by institution."""
    outdated: int = 0
    """Number of demonstrations that this prior leaves out as outdated."""
    forecast: tuple[GainForecast, ...] = ()
    """Forecast of the gain over plain nearest neighbours at a new institution with 4, 16 and 32 labels."""

    def __getitem__(self, name: str) -> Condition:
        """Return the condition of that name. Raises KeyError."""
        return {one.name: one for one in self.conditions}[name]


@dataclass(frozen=True)
class _Measured:
    sizes: NDArray[np.intp]
    agreement: Agreement
    excess: Floats
    rehearsed: Rehearsals
    forecast: tuple[GainForecast, ...] = ()
    seconds: float | None = None
    megabytes: float = 0.0


def diagnose(library: Library, *, seconds: float = BUDGET, progress: Progress = silent) -> Diagnosis:
    """Measure the ten conditions of meta-learning in a library; learning may take ``seconds`` on this machine.

    Takes about as long as ``learn``, calls no model and never reads groups. Works for any library, even an empty one:
    a condition that can't be measured stays undecided. Raises DataError where ``seconds`` is not a positive number.
    """
    check_seconds(seconds)
    pool = pool_of(library, library.demonstrations(), progress=progress)
    measured = _measure(pool, library.encoder, progress)
    conditions = _conditions(measured, seconds)
    enough = break_even(measured.rehearsed)
    verdict, advice = _verdict(conditions, enough, measured.forecast)
    conflicting = sum(len(conflicts(library, name)) for name in pool.institutions)
    changes, past = noticed_changes(library), learned_changes(library)
    return Diagnosis(
        len(pool.institutions),
        len(pool.owner),
        conditions,
        enough,
        verdict,
        advice,
        conflicting,
        changes,
        past.of,
        past.count,
        measured.forecast,
    )


def check_seconds(seconds: float) -> None:
    """Raise DataError where ``seconds`` is not a positive number."""
    if not (isfinite(seconds) and seconds > 0):
        raise DataError(f"seconds must be a positive number, got {seconds}")


def break_even(rehearsed: Rehearsals) -> int | None:
    """Return the fewest own labels, of 4, 8, 16, … 1024, that score as well as 16 labels with the other institutions.

    The average is over the institutions with so many demonstrations. None where no number is enough.
    """
    for place, labels in enumerate(LADDER):
        lead = rehearsed.own[:, place] - rehearsed.learned[:, MOST]
        known = lead[~np.isnan(lead)]
        if len(known) and known.mean() >= 0:
            return labels
    return None


def _measure(pool: Pool, encoder: Encoder, progress: Progress) -> _Measured:
    sizes = np.array([len(rows) for rows in pool.rows], np.intp)
    if len(sizes) < 2:
        shape = (len(sizes), len(sizes))
        nothing = Agreement(np.zeros(shape, np.int64), np.zeros(shape, np.int64))
        return _Measured(sizes, nothing, np.full(len(sizes), np.nan), Rehearsals.none(len(sizes)))
    started = time.perf_counter()
    study = neighbour_table_for(pool, progress)
    measurements = SharedMeasurements.of(study)
    rehearsed = rehearse(study, progress, measurements.transfer)
    seconds = time.perf_counter() - started + _seconds_to_embed(pool, encoder)
    forecast = forecast_gains(measurements, rehearsed, progress)
    held = 2 * pool.vectors.nbytes + study.neighbours.rows.nbytes + study.neighbours.similarity.nbytes
    return _Measured(sizes, agreement(study), excess_transfer(study), rehearsed, forecast, seconds, held / 1e6)


def _seconds_to_embed(pool: Pool, encoder: Encoder) -> float:
    """Estimate the time to embed all texts from a sample; loading the model is not counted."""
    texts = [pool.demonstrations[row].input for row in np.unique(pool.text, return_index=True)[1]]
    sample = texts[:: -(-len(texts) // SAMPLE)]
    encoder.encode(sample[:1])
    started = time.perf_counter()
    encoder.encode(sample)
    return (time.perf_counter() - started) * len(texts) / len(sample)


def _conditions(measured: _Measured, seconds: float) -> tuple[Condition, ...]:
    """Decide the ten conditions, in the order of ``RULES``."""
    played, excess = measured.rehearsed, measured.excess
    related = np.where(np.isnan(excess), np.nan, excess >= RELATED)
    lacking = np.where(measured.sizes >= 4 * LACKING_AT, played.half - played.own[:, LADDER.index(LACKING_AT)], np.nan)
    adapted = played.learned[:, MOST] - played.learned[:, 0]
    alone = np.where(np.isnan(played.half), np.nan, played.half >= played.learned[:, MOST])
    gain = (played.learned - played.nearest)[:, FEW:].mean(axis=1)
    many, few, one, fast, personal, single, unrelated, abundant, simple, compute = RULES
    if measured.seconds is not None:
        compute = replace(compute, meaning=f"{compute.meaning}, with {measured.megabytes:.0f} MB of arrays in memory")
    return (
        decide_by_count(many, None if np.isnan(related).all() and len(excess) > 1 else float(np.nansum(related))),
        decide_by_mean(few, lacking),
        decide_by_mean(one, related),
        decide_by_mean(fast, adapted),
        decide_by_mean(personal, measured.agreement.differing),
        decide_by_count(single, count_ways_of_answering(measured.agreement)),
        decide_by_mean(unrelated, excess),
        decide_by_mean(abundant, alone),
        decide_by_mean(simple, gain),
        decide_by_count(replace(compute, threshold=seconds), measured.seconds),
    )


def _verdict(
    conditions: tuple[Condition, ...], enough: int | None, forecast: tuple[GainForecast, ...]
) -> tuple[Verdict, str]:
    """Decide by the compute limits, then by the forecast.

    Where the forecast leaves it open, and expects a gain nowhere or has no interval, what holds against learning
    decides.
    """
    against = [one.name for one in conditions if one.holds and one.name in REMEDIES]
    if "compute limits" in against:
        return "meta-learning does not pay", f"compute limits: {REMEDIES['compute limits']}"
    settled = [one.pays for one in forecast]
    if True in settled:
        return "meta-learning pays", _advice_to_learn(conditions, enough, forecast)
    sufficient = enough is not None and enough <= LABELS[MOST]
    expected = any(one.likely and one.over_nearest.interval for one in forecast)
    if set(settled) != {False} and (expected or not (against or sufficient)):
        missing = "add institutions, or demonstrations to each, and diagnose again; until then let the guard decide"
        return "can't tell", f"the gain is not settled; {missing}"
    if against:
        return "meta-learning does not pay", f"{', '.join(against)}: {REMEDIES[against[0]]}"
    if sufficient:
        advice = f"{enough} labels of its own serve an institution as well as the others do: ask for those"
        return "meta-learning does not pay", advice
    return "meta-learning does not pay", f"the gain is under {LEAST_GAIN:.0%}: {REMEDIES['simple transfer suffices']}"


def _advice_to_learn(conditions: tuple[Condition, ...], enough: int | None, forecast: tuple[GainForecast, ...]) -> str:
    """Advice where learning pays: for how many labels, and what was not shown."""
    paying = [one.labels for one in forecast if one.pays]
    limit = f"fewer than about {enough} labels of its own" if enough else "few labels of its own"
    shown = f" (shown with {' and '.join(map(str, paying))})" if len(paying) < len(forecast) else ""
    absent = [one.name for one in conditions if one.kind == "use" and not one.holds]
    caveat = f"; beware, not shown: {', '.join(absent)}" if absent else ""
    return f"learn from this library and adapt to any new institution with {limit}{shown}{caveat}"

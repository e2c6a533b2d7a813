"""Bootstrap intervals over institutions (percentile method; Efron & Tibshirani 1993, chapter 13)."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["Interval", "curve_interval", "gain_interval", "mean_interval"]

RESAMPLES = 10_000
CURVE_RESAMPLES = 2000
"""Fewer for the points of a learning curve: a report draws hundreds of them."""

Floats = NDArray[np.float64]
Interval = tuple[float, float]
"""Lower and upper end of a 95 % interval."""


def mean_interval(values: Floats, seed: int = 0, fewest: int = 2) -> Interval | None:
    """95 % interval of the mean of ``values`` (S,), from 10,000 resamples; None with fewer than ``fewest`` values."""
    if len(values) < fewest:
        return None
    return _percentiles(values[_resamples(len(values), seed)].mean(axis=1))


def gain_interval(own: Floats, base: Floats, seed: int = 0) -> Interval | None:
    """95 % interval of ``mean(own) / mean(base) - 1``, from 10,000 resamples of the pairs (S,), at least one.

    None where a resample leaves the mean of ``base`` at 0, so that the gain is undefined.
    """
    drawn = _resamples(len(base), seed)
    means = base[drawn].mean(axis=1)
    return _percentiles(own[drawn].mean(axis=1) / means - 1) if means.all() else None


def curve_interval(values: Floats) -> Interval | None:
    """95 % interval of the mean of ``values`` (S,), from 2,000 resamples; None for a single value."""
    if len(values) < 2:
        return None
    count = len(values)
    draws = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=CURVE_RESAMPLES)
    return _percentiles((draws / count) @ values)


def _resamples(count: int, seed: int) -> NDArray[np.int64]:
    """(10,000, count) places in [0, count), drawn with replacement."""
    return np.random.default_rng(seed).integers(count, size=(RESAMPLES, count))


def _percentiles(statistics: Floats) -> Interval:
    low, high = np.percentile(statistics, [2.5, 97.5])
    return float(low), float(high)

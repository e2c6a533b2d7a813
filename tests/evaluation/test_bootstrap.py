"""Intervals over institutions, against a slow and obvious resampling."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import SEEDS, briefly

from metachain.evaluation.bootstrap import curve_interval, gain_interval, mean_interval
from metachain.evaluation.conditions import FEWEST_FOR_INTERVAL

interval = partial(mean_interval, fewest=FEWEST_FOR_INTERVAL)


@given(SEEDS, st.integers(4, 30))
@briefly
def test_the_interval_is_that_of_resampled_means(seed: int, count: int) -> None:
    """The 2.5th and 97.5th percentile of the means of 10,000 resamples; the mean lies inside."""
    values = np.random.default_rng(seed).normal(size=count)
    span = interval(values)
    drawn = np.random.default_rng(0).integers(count, size=(10_000, count)).tolist()
    means = sorted(sum(values[one] for one in draw) / count for draw in drawn)
    assert span
    assert span == pytest.approx((means[250], means[9749]), abs=0.01)
    assert span[0] <= values.mean() <= span[1]


def test_three_institutions_have_no_interval() -> None:
    """A bootstrap of fewer than four values would promise too much."""
    assert interval(np.array([0.1, 0.2, 0.3])) is None


def test_one_value_has_no_interval() -> None:
    """There is nothing to resample."""
    assert mean_interval(np.array([0.5])) is curve_interval(np.array([0.5])) is None
    assert mean_interval(np.array([0.5, 0.5])) == curve_interval(np.array([0.5, 0.5])) == (0.5, 0.5)


def test_an_undefined_gain_has_no_interval() -> None:
    """Where some resamples leave the baseline at 0; pairs are drawn together."""
    assert gain_interval(np.array([0.5, 0.5]), np.array([0.0, 0.5])) is None
    assert gain_interval(np.array([0.3, 0.6]), np.array([0.2, 0.4])) == pytest.approx((0.5, 0.5))

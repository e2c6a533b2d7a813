"""Probabilities that mean what they say: learned, applied and measured, against loops."""

import json
from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import SEEDS, briefly

from metachain.learning.calibration import (
    BINS,
    EDGE,
    FEWEST,
    UNCALIBRATED,
    Bin,
    Calibration,
    Forecast,
    calibration,
    expected_calibration_error,
    forecast,
    reliability,
)

PROBABILITIES = st.lists(st.floats(0, 1) | st.sampled_from([number / BINS for number in range(BINS + 1)]), max_size=40)


def log_odds(p: float) -> float:
    """``log(p / (1 - p))`` of a probability that is kept off 0 and 1."""
    kept = min(max(p, EDGE), 1 - EDGE)
    return log(kept / (1 - kept))


def calibrated(p: float, intercept: float, slope: float) -> float:
    """``σ(a + g logit p)``; 0 stays 0."""
    return 1 / (1 + exp(-(intercept + slope * log_odds(p)))) if p > 0 else 0.0


def drawn(seed: int, n: int, intercept: float, slope: float) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and events that come true as often as the calibrated ones say."""
    rng = np.random.default_rng(seed)
    probability = rng.uniform(0.02, 0.98, size=n)
    true = np.array([calibrated(float(p), intercept, slope) for p in probability])
    return probability, rng.uniform(size=n) < true


def newton(probability: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """Logistic regression of n events on log odds, by Newton's method."""
    weights = np.zeros(2)
    for _ in range(30):
        gradient, curvature = np.zeros(2), np.zeros((2, 2))
        for p, hit in zip(probability.tolist(), right.tolist(), strict=True):
            x = np.array([1.0, log_odds(p)])
            said = 1 / (1 + exp(-float(weights @ x)))
            gradient += (hit - said) * x
            curvature += said * (1 - said) * np.outer(x, x)
        weights = weights + np.linalg.solve(curvature, gradient)
    return float(weights[0]), float(weights[1])


@given(st.lists(st.floats(0, 1), max_size=8), st.floats(-3, 3), st.floats(-2, 3))
@briefly
def test_calibrating_bends_the_log_odds(values: list[float], intercept: float, slope: float) -> None:
    """``σ(a + g logit p)`` for probabilities of any shape, in [0, 1]; 0 stays 0."""
    given_shape = np.array([values, values[::-1]])
    found = Calibration(intercept, slope).of(given_shape)
    assert np.allclose(found, [[calibrated(p, intercept, slope) for p in row] for row in given_shape.tolist()])
    assert ((found >= 0) & (found <= 1)).all()


@given(st.lists(st.floats(EDGE, 1 - EDGE), min_size=1))
@briefly
def test_uncalibrated_probabilities_stay_as_they_are(values: list[float]) -> None:
    """Without intercept and with slope 1 nothing is bent, however small."""
    assert UNCALIBRATED.of(np.array(values)).tolist() == values
    assert UNCALIBRATED.of(np.array([0.0, 1e-9, 1.0])).tolist() == [0.0, 1e-9, 1.0]


@given(SEEDS, st.floats(-1, 1), st.floats(0.3, 2))
@briefly
def test_learning_is_logistic_regression_on_log_odds(seed: int, intercept: float, slope: float) -> None:
    """Intercept and slope are those of Newton's method on the likelihood (Platt 1999), unless the slope is negative."""
    probability, right = drawn(seed, 120, intercept, slope)
    found, (a, g) = Calibration.learn(probability, right), newton(probability, right)
    assert (found.intercept, found.slope) == (pytest.approx((a, g), abs=2e-3, rel=5e-3) if g >= 0 else (0.0, 1.0))


@given(SEEDS, st.floats(-1, 1), st.floats(-2, 0.2))
@briefly
def test_calibrating_never_turns_an_order_round(seed: int, intercept: float, slope: float) -> None:
    """However badly probabilities fared, the higher of two is not lower once calibrated."""
    probability, right = drawn(seed, 120, intercept, slope)
    found = Calibration.learn(probability, right)
    assert found.slope >= 0
    assert (np.diff(found.of(np.linspace(0, 1, 50))) >= 0).all()


def test_what_fares_the_worse_the_more_probable_it_is_teaches_nothing() -> None:
    """Where logistic regression finds a negative slope, probabilities are left as they are."""
    probability, right = drawn(3, 500, 0.5, -1.0)
    assert newton(probability, right)[1] < -0.5
    assert Calibration.learn(probability, right) == UNCALIBRATED


def test_learning_finds_what_probabilities_were_bent_by() -> None:
    """From many events the intercept and slope that made them come back, and the probabilities come true."""
    probability, right = drawn(5, 20_000, -0.8, 0.5)
    found = Calibration.learn(probability, right)
    assert (found.intercept, found.slope) == pytest.approx((-0.8, 0.5), abs=0.1)
    before, after = (
        expected_calibration_error(reliability(values, right)) for values in (probability, found.of(probability))
    )
    assert after < 0.02
    assert before > 0.1


@pytest.mark.parametrize(
    ("n", "right"), [(0, 0.5), (FEWEST - 1, 0.5), (FEWEST, 0.0), (FEWEST, 1.0), (10 * FEWEST, 1.0)]
)
def test_too_few_or_all_alike_teach_nothing(n: int, right: float) -> None:
    """With under 50 probabilities, or none or all of them true, they are left as they are."""
    probability = np.random.default_rng(1).uniform(size=n)
    assert Calibration.learn(probability, np.arange(n) < right * n) == UNCALIBRATED


def test_fifty_are_enough() -> None:
    """With 50 probabilities of both kinds something is learned."""
    assert Calibration.learn(np.linspace(0.01, 0.99, FEWEST), np.arange(FEWEST) % 3 == 1) != UNCALIBRATED


def slow_bins(probability: list[float], right: list[bool]) -> list[tuple[float, float, int]]:
    """Mean probability, share true and number of each tenth of the unit interval, the empty ones left out."""
    bins: dict[int, list[tuple[float, bool]]] = {}
    for p, hit in zip(probability, right, strict=True):
        tenth = next(number for number in range(BINS) if p * BINS < number + 1 or number == BINS - 1)
        bins.setdefault(tenth, []).append((p, hit))
    return [
        (
            sum(p for p, _ in bins[one]) / len(bins[one]),
            sum(hit for _, hit in bins[one]) / len(bins[one]),
            len(bins[one]),
        )
        for one in sorted(bins)
    ]


@given(PROBABILITIES, SEEDS)
@briefly
def test_reliability_counts_tenth_by_tenth(probability: list[float], seed: int) -> None:
    """Each tenth that holds a probability has its mean, the share that came true and how many; 1 is of the last."""
    right = np.random.default_rng(seed).uniform(size=len(probability)) < 0.5
    found = reliability(np.array(probability), right)
    expected = slow_bins(probability, right.tolist())
    assert [one.n for one in found] == [n for *_, n in expected]
    assert np.allclose([(one.probability, one.right) for one in found], [pair[:2] for pair in expected])
    assert sum(one.n for one in found) == len(probability)


@given(PROBABILITIES, SEEDS)
@briefly
def test_the_calibration_error_is_a_weighted_mean_of_gaps(probability: list[float], seed: int) -> None:
    """``Σ_b n_b |right_b - probability_b| / n``, in [0, 1]; 0 where there is nothing."""
    right = np.random.default_rng(seed).uniform(size=len(probability)) < 0.5
    expected = 0.0
    for mean, share, n in slow_bins(probability, right.tolist()):
        expected += n / len(probability) * abs(share - mean)
    found = expected_calibration_error(reliability(np.array(probability), right))
    assert found == pytest.approx(expected)
    assert 0 <= found <= 1


def test_a_certainty_that_never_comes_true_is_all_error() -> None:
    """Probability 1 of what never happens has the error 1, and of what always happens 0."""
    certain = np.ones(7)
    assert reliability(certain, np.zeros(7, bool)) == (Bin(1.0, 0.0, 7),)
    assert expected_calibration_error(reliability(certain, np.zeros(7, bool))) == 1
    assert expected_calibration_error(reliability(certain, np.ones(7, bool))) == 0
    assert expected_calibration_error(()) == 0


def made(labels: int, probability: list[float], right: list[bool]) -> Forecast:
    """A forecast of so many answers."""
    return Forecast(labels, np.array(probability), np.array(right, bool))


@given(st.integers(0, 6), st.integers(0, 5), st.integers(0, 9))
@briefly
def test_an_answer_counts_once_a_query(n: int, shots: int, seed: int) -> None:
    """However often an answer is shown for a query it counts once, with its probability; what is not shown, never."""
    rng = np.random.default_rng(seed)
    answers, truth = rng.integers(-1, 3, (n, shots)), rng.integers(0, 3, n)
    probability = rng.uniform(size=(n, 4))[np.arange(n)[:, None], answers]
    expected = [
        (probability[query, list(row).index(answer)], answer == truth[query])
        for query, row in enumerate(answers.tolist())
        for answer in set(row) - {-1}
    ]
    found = forecast(4, answers, probability, truth)
    assert sorted(zip(found.probability.tolist(), found.right.tolist(), strict=True)) == sorted(expected)
    assert found.labels == 4


def test_calibration_by_hand() -> None:
    """Draws of one label count are taken together, fewest labels first; the error is the mean distance of the bins."""
    several = [made(8, [0.9], [True]), made(0, [0.1, 0.3], [False, True]), made(8, [0.95, 0.2], [False, False])]
    none, eight = calibration(several)
    assert none == {
        **{"labels": 0, "ece": pytest.approx((0.1 + 0.7) / 2), "n": 2},
        "bins": [{"probability": 0.1, "right": 0.0, "n": 1}, {"probability": 0.3, "right": 1.0, "n": 1}],
    }
    assert (eight["labels"], eight["n"]) == (8, 3)
    assert eight["bins"][1] == {"probability": pytest.approx(0.925), "right": 0.5, "n": 2}
    assert eight["ece"] == pytest.approx((0.2 + 2 * 0.425) / 3)
    json.dumps([none, eight], allow_nan=False)


def test_nothing_shown_has_no_row() -> None:
    """A label count at which nothing was shown is left out."""
    assert calibration([made(0, [], []), made(4, [1.0], [True])])[0]["labels"] == 4
    assert calibration([]) == calibration([made(0, [], [])]) == []

"""Probabilities of the answers that are shown, against counting them one by one."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import briefly

from metachain.forecast import Forecast, calibration, forecast


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

"""A condition holds, doesn't, or can't be told."""

from dataclasses import replace

import numpy as np
import pytest

from metachain.evaluation.conditions import RULES, decide_by_count, decide_by_mean

ABOVE = replace(RULES[1], side="at least", threshold=0.5)
UNDER = replace(ABOVE, side="under")
SPREAD = np.array([0.0, 0.0, 1.0, 1.0, np.nan])


def test_the_ten_are_the_patterns() -> None:
    """Five conditions speak for the use of meta-learning and five against, by the names that the pattern has."""
    assert [(one.name, one.kind) for one in RULES] == [
        ("many related tasks", "use"),
        ("few examples per task", "use"),
        ("tasks from one distribution", "use"),
        ("fast adaptation needed", "use"),
        ("personalisation at scale", "use"),
        ("a single task", "avoid"),
        ("unrelated tasks", "avoid"),
        ("abundant data per task", "avoid"),
        ("simple transfer suffices", "avoid"),
        ("compute limits", "avoid"),
    ]


@pytest.mark.parametrize(("number", "above"), [(0.4, False), (0.5, True), (0.6, True)])
def test_a_count_is_compared_with_the_threshold(number: float, above: bool) -> None:
    """``at least`` holds from the threshold on, ``under`` below it, and never both."""
    assert decide_by_count(ABOVE, number).holds is above
    assert decide_by_count(UNDER, number).holds is not above


@pytest.mark.parametrize(("value", "above"), [(0.4, False), (0.5, True), (0.6, True)])
def test_a_mean_is_decided_where_its_interval_is_on_one_side(value: float, above: bool) -> None:
    """Institutions that all say the same settle it."""
    found = decide_by_mean(ABOVE, np.full(6, value))
    assert (found.holds, found.interval) == (above, (pytest.approx(value), pytest.approx(value)))
    assert decide_by_mean(UNDER, np.full(6, value)).holds is not above


@pytest.mark.parametrize(
    ("values", "measure", "why"),
    [
        (SPREAD, 0.5, "the threshold lies within the interval"),
        (np.array([0.9, 0.9, 0.9]), 0.9, "measured at 3 only"),
        (np.array([np.nan]), None, "could not be measured"),
        (np.zeros(0), None, "could not be measured"),
    ],
)
def test_what_is_not_settled_is_said_to_be_so(values: np.ndarray, measure: float | None, why: str) -> None:
    """Too few institutions, none, or an interval around the threshold: can't tell, and the reason is given."""
    for rule in (ABOVE, UNDER):
        found = decide_by_mean(rule, values)
        assert found.holds is None
        assert found.measure == (None if measure is None else pytest.approx(measure))
        assert why in found.explanation
    assert decide_by_count(ABOVE, None).holds is None

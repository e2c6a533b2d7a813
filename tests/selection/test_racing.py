"""The race: who loses is dropped, who can't gain gives way, the incumbent needs to be beaten."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metachain.selection.racing import most_left, paired, still_racing, winner

RNG = np.random.default_rng(0)


def scores(*chances: float, items: int = 400) -> np.ndarray:
    """Right or wrong by these chances, all arms by the same luck, as on the same items; (items, A)."""
    luck = RNG.random(items)
    return np.array([[float(one < chance) for chance in chances] for one in luck])


def test_a_clear_loser_is_dropped_with_its_deficit() -> None:
    """And the reason."""
    left, (dropped,) = still_racing(scores(0.9, 0.5), [0, 1], 2, incumbent=0)
    assert left == [0]
    assert (dropped.arm, dropped.items, dropped.reason) == (1, 400, "loses")
    assert dropped.behind == pytest.approx(0.4, abs=0.08)


def test_nobody_is_certain_to_lose_after_few_items() -> None:
    """Not even by all of them."""
    assert still_racing(scores(1.0, 0.0, items=8), [0, 1], 2, incumbent=0) == ([0, 1], [])


def test_an_arm_that_can_gain_nothing_gives_way_to_the_preferred() -> None:
    """The first in the order stays, also before the incumbent; where few items were seen all stay."""
    same = np.repeat(scores(0.5, items=400), 2, axis=1)
    left, (dropped,) = still_racing(same, [0, 1], 2, incumbent=1)
    assert (left, dropped.arm, dropped.reason) == ([0], 1, "gains nothing")
    assert still_racing(same[:100], [0, 1], 2, incumbent=1) == ([0, 1], [])


def test_the_incumbent_is_compared_to_the_end() -> None:
    """It doesn't lose half-way, and stands beside the best when the rest are halved."""
    made = scores(0.2, 0.9, 0.8, 0.85)
    left, _ = still_racing(made, [0, 1, 2, 3], 2, incumbent=0)
    assert left == [0, 1]


def test_halving_keeps_the_best() -> None:
    """Of those that are neither lost nor worthless."""
    few = scores(0.1, 0.9, 0.5, 0.7, items=20)
    means = few.mean(axis=0)
    left, dropped = still_racing(few, [0, 1, 2, 3], 2, incumbent=1)
    assert left == sorted(np.argsort(-means, kind="stable")[:2].tolist())
    assert {one.reason for one in dropped} == {"halved"}


def test_without_items_nobody_is_dropped() -> None:
    """And the incumbent wins."""
    assert still_racing(np.zeros((0, 3)), [0, 1, 2], 2, incumbent=1) == ([0, 1, 2], [])
    assert winner(np.zeros((0, 3)), [0, 1, 2], incumbent=1) == 1


def test_the_incumbent_must_be_beaten() -> None:
    """By more than one standard error; an incumbent that is out is not asked."""
    made = scores(0.6, 0.6, 0.9)
    assert winner(made[:, :2], [0, 1], incumbent=1) == 1
    assert winner(made, [1, 2], incumbent=1) == 2
    assert winner(made, [0], incumbent=2) == 0


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30))
def test_a_paired_comparison_is_antisymmetric(pairs: list[tuple[float, float]]) -> None:
    """The error is that of the differences, with a quarter of an item's square as if seen in advance."""
    one, other = np.array(pairs).T
    mean, error = paired(one, other)
    assert paired(other, one) == (pytest.approx(-mean), pytest.approx(error))
    assert mean == pytest.approx(float(np.mean(one) - np.mean(other)))
    assert error**2 * len(one) ** 2 == pytest.approx(float(np.var(one - other)) * len(one) + 0.25)


def test_arms_are_halved_as_calls_are_spent() -> None:
    """At 40, 65 and 85 % of the calls, and never under two."""
    spent = (0, 319, 320, 519, 520, 679, 680, 800)
    assert [most_left(16, calls, 800) for calls in spent] == [16, 16, 8, 8, 4, 4, 2, 2]
    assert most_left(3, 800, 800) == 2

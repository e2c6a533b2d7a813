"""The race of policies: the right one is found for stand-ins with known quirks, in half the calls of an even split."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
from stage import stage

from benchmarks.common.stand_in_models import IN_OFFICE, QUIRKS, READING, asking, worth
from metachain.errors import DataError
from metachain.learning.policy import CANDIDATES, DEFAULT, Policy
from metachain.selection import policy_search as tuning
from metachain.selection.policy_search import Trial, tune

SEEDS, MANY_SEEDS = range(10), range(20)
CALLS = 1000
NEAR_ENOUGH = 0.01
NEAR_ENOUGH_ERRING = 0.02
"""For a model that errs at random: policies that apportion differ by less than 2,000 calls can tell."""
QUERIES_READ, QUERIES = 2000, 8000


@cache
def value_of(quirk: str) -> np.ndarray:
    """What each candidate is worth to a stand-in; fewer queries say so for those that take long to read them."""
    return worth(stage(99), quirk, QUERIES_READ if quirk in READING else QUERIES)


def regrets(quirk: str, calls: int, incumbent: Policy = IN_OFFICE, seeds: Sequence[int] = SEEDS) -> np.ndarray:
    """Worth of the best policy less that of the one that each seed's race ends with (simple regret)."""
    races = [tune(stage(seed), asking(quirk), calls, incumbent=incumbent) for seed in seeds]
    value = value_of(quirk)
    return np.round([value.max() - value[CANDIDATES.index(race.policy)] for race in races], 9)


@pytest.mark.parametrize("quirk", QUIRKS)
def test_the_right_policy_is_found_in_nine_of_ten_seeds(quirk: str) -> None:
    """Within 2,000 calls, whichever policy was in office before."""
    near = NEAR_ENOUGH_ERRING if quirk == "errs" else NEAR_ENOUGH
    assert (regrets(quirk, 2 * CALLS) <= near).sum() >= 9
    assert (regrets(quirk, 2 * CALLS, DEFAULT) <= near).sum() >= 9


def test_the_race_needs_half_the_calls_of_an_even_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over quirks, seeds and policies in office: a tenth of a point from an even split that asks twice as much.

    It loses no more than two thirds of what an even split of as many calls loses.
    """

    def lost(calls: int) -> float:
        runs = [(quirk, incumbent) for quirk in QUIRKS if quirk != "ignores" for incumbent in (IN_OFFICE, DEFAULT)]
        return float(np.mean([regrets(quirk, calls, incumbent, MANY_SEEDS) for quirk, incumbent in runs]))

    raced = lost(CALLS)
    monkeypatch.setattr(tuning, "still_racing", lambda scores, racing, most, incumbent: (racing, []))
    assert raced <= lost(2 * CALLS) + 0.001
    assert raced <= lost(CALLS) * 2 / 3


def test_for_a_model_that_ignores_demonstrations_none_are_shown() -> None:
    """Of policies that do as well the shortest is kept, and the calls that proved it are all that is spent."""
    races = [tune(stage(seed), asking("ignores"), 8000) for seed in SEEDS]
    assert {race.policy for race in races} == {Policy(0)}
    assert max(len(race.trials) for race in races) < 4000


@pytest.mark.parametrize("calls", [0, 1, 15, 100])
def test_calls_are_never_exceeded(calls: int) -> None:
    """Nor is a trial asked twice."""
    asked: list[Trial] = []

    def ask(trials: Sequence[Trial]) -> list[float]:
        asked.extend(trials)
        return asking("reader")(trials)

    race = tune(stage(1), ask, calls)
    assert len(asked) == len(set(asked)) == len(race.trials) <= calls
    if calls < 16:
        assert (race.policy, race.gain, race.interval) == (DEFAULT, 0.0, (0.0, 0.0))


def test_it_ends_where_the_budget_does() -> None:
    """An answer that is None ends the race, and what was answered before counts."""
    left = iter([1.0] * 40)
    race = tune(stage(1), lambda trials: [next(left, None) for _ in trials], 1000)
    assert len(race.trials) == 40
    assert race.policy == DEFAULT


def test_the_same_seed_finds_the_same() -> None:
    """And another asks other queries."""
    first, again, other = (tune(stage(seed), asking("errs"), 300) for seed in (3, 3, 4))
    assert first == again
    assert set(first.trials) != set(other.trials)


def test_what_was_compared_is_told() -> None:
    """Means of all that ran, a reason for each that lost, and the gain over the incumbent with its interval."""
    race = tune(stage(0), asking("copies_last"), 2000, incumbent=IN_OFFICE)
    assert len(race.scores) == len(CANDIDATES)
    assert not np.isnan(race.scores).any()
    assert race.scores[0] == 0.0
    left = set(range(len(CANDIDATES))) - {one.arm for one in race.dropped}
    assert CANDIDATES.index(race.policy) in left
    assert len(left) <= 2
    low, high = race.interval
    assert 0 < low < race.gain < high


@pytest.mark.parametrize(
    ("options", "wrong"), [({"calls": -1}, "-1"), ({"calls": 9, "incumbent": Policy(3)}, "incumbent must be one of")]
)
def test_what_cannot_be_is_refused(options: dict[str, Any], wrong: str) -> None:
    """Before anything is asked."""
    with pytest.raises(DataError, match=wrong):
        tune(stage(0), asking("reader"), **options)

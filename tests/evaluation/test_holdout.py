"""Who is held out together, and which past institutions a smaller past is made of."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import SEEDS, briefly

from metachain.data.demonstration import Demonstration
from metachain.errors import DataError
from metachain.evaluation.holdout import fewer_past, held_out_together, past_sizes, pasts_of

NAMES = ("east", "north", "south", "west")


def made(*groups: str) -> list[Demonstration]:
    """One demonstration of each institution, with a group or none."""
    return [
        Demonstration(name, "knee", "a", metadata={"group": group} if group else {})
        for name, group in zip(NAMES, groups, strict=False)
    ]


def test_institutions_or_groups_are_held_out() -> None:
    """Alone under ``institution``; under ``group`` with those of the same group, and alone where none is named."""
    assert held_out_together(made("a", "b", "a", ""), "institution").tolist() == [0, 1, 2, 3]
    numbers = held_out_together(made("a", "b", "a", ""), "group").tolist()
    assert numbers[0] == numbers[2]
    assert len(set(numbers)) == 3


def test_a_group_named_like_an_institution_is_not_that_institution() -> None:
    """An institution without a group stays alone though a group bears its name."""
    numbers = held_out_together(made("west", "b", "b", ""), "group").tolist()
    assert numbers[0] != numbers[3]


def test_sizes_must_be_smaller_than_the_smallest_past() -> None:
    """Of groups of 3, 1 and 1, members of the first have 2 past institutions: only smaller numbers than 2 remain."""
    groups = np.array([0, 0, 0, 1, 2])
    alone, grouped = (
        pasts_of([Demonstration(f"h{number}", "knee", "a") for number in range(len(some))], some, None)
        for some in (np.arange(6), groups)
    )
    assert past_sizes(alone, (2, 4, 5, 50)) == (2, 4)
    assert past_sizes(grouped, ()) == ()
    with pytest.raises(DataError, match=r"--past 2,10: some institution has only 2 past institutions in all"):
        past_sizes(grouped, (2, 10))


def test_only_what_is_allowed_is_past() -> None:
    """Of those not held out with it an institution uses what is named for it, and nobody where nothing is."""
    records, groups = made("a", "b", "c", "d"), np.array([0, 0, 1, 2])
    names = [one.institution for one in records]
    allowed = {names[0]: frozenset(names), names[2]: frozenset([names[0], "another"])}
    assert [past.tolist() for past in pasts_of(records, groups, allowed)] == [[2, 3], [], [0], []]
    assert past_sizes(pasts_of(records, groups, {names[0]: frozenset(names)}), (1, 2)) == (1,)
    with pytest.raises(DataError, match=r"no institution shares its demonstrations with another .*metachain share"):
        pasts_of(records, groups, {names[0]: frozenset(names[:2])})


@given(SEEDS, st.integers(2, 12))
@briefly
def test_draws_are_nested_and_of_the_past(seed: int, count: int) -> None:
    """A smaller draw is part of each larger one, all are of the past, ascending, and the whole is the past itself."""
    past = np.random.default_rng(seed).permutation(40)[:count]
    draws = [fewer_past(past, size, "new", seed).tolist() for size in range(1, count + 1)]
    for size, draw in enumerate(draws, start=1):
        assert draw == sorted(set(draw))
        assert len(draw) == size
        assert set(draws[size - 2] if size > 1 else []) < set(draw) <= set(past.tolist())
    assert draws[-1] == sorted(past.tolist())


def test_draws_depend_on_name_and_seed_alone() -> None:
    """The same name and seed draw the same, whatever the order; others draw others, evenly."""
    past = np.arange(10)
    assert np.array_equal(fewer_past(past, 3, "a", 1), fewer_past(past[::-1], 3, "a", 1))
    assert len({tuple(fewer_past(past, 3, name, seed).tolist()) for name in "abcd" for seed in range(5)}) > 15
    drawn = np.concatenate([fewer_past(past, 3, "a", seed) for seed in range(1000)])
    assert np.bincount(drawn).min() > 240

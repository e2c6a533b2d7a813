"""What a prompt has room for, against trying every set of demonstrations, and from a real library."""

from collections.abc import Callable
from dataclasses import replace
from itertools import chain, combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import briefly, filled, hospitals

from metachain.data.demonstration import Demonstration
from metachain.errors import DataError
from metachain.learning.gaussian_process import Settings
from metachain.learning.posterior import adapt
from metachain.learning.prior import learn
from metachain.library.library import Library
from metachain.selection.selection import Chosen, Selection
from metachain.selection.selector import Selector
from metachain.selection.token_budget import positions_within, select_within, utilities

MADE = hospitals(5, 16)
NEW = "hospital 4"
QUERY = "mri brain ward b"
LONG = "x " * 100_000
CANDIDATES = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 30)), max_size=8)
METHODS = {"metachain": Settings(0.3, 1.0, 0.05), "nearest": None}
both_methods = pytest.mark.parametrize("method", METHODS)


def selector_of(library: Library, method: str = "metachain", k: int = 4) -> Selector:
    """A selector that is made to use one method."""
    prior = learn(library)
    lesson = replace(prior.lesson, settings=METHODS[method], trusts_consensus=method == "metachain")
    return Selector(library, adapt(replace(prior, lesson=lesson), library, NEW), k)


def long_for(selection: Selection, few: int = 10, many: int = 1000) -> Callable[[Demonstration], int]:
    """A count by which what a selection shows is long, and all else short."""
    long = set(selection.demonstrations)
    return lambda one: many if one in long else few


@given(CANDIDATES, st.integers(0, 100))
@briefly
def test_half_of_the_best_possible_at_least(candidates: list[tuple[float, int]], budget: int) -> None:
    """Never over budget, never empty where one fits, ascending, and worth at least half of the best of all sets."""
    utility, tokens = [one[0] for one in candidates], [one[1] for one in candidates]
    kept = positions_within(utility, tokens, budget)
    assert kept == sorted(set(kept))
    assert sum(tokens[one] for one in kept) <= budget
    assert bool(kept) == any(one <= budget for one in tokens)
    places = range(len(candidates))
    every = chain.from_iterable(combinations(places, size) for size in range(len(candidates) + 1))
    best = max(sum(utility[one] for one in some) for some in every if sum(tokens[one] for one in some) <= budget)
    assert sum(utility[one] for one in kept) >= best / 2 - 1e-9


@given(CANDIDATES, st.integers(0, 100))
@briefly
def test_nothing_that_still_fits_is_skipped(candidates: list[tuple[float, int]], budget: int) -> None:
    """What is not kept would have been over budget, and where all fit all are kept."""
    tokens = [one[1] for one in candidates]
    kept = positions_within([one[0] for one in candidates], tokens, budget)
    left = budget - sum(tokens[one] for one in kept)
    assert all(tokens[one] > left for one in range(len(tokens)) if one not in kept)


def test_utility_for_each_token_decides() -> None:
    """By hand: two short ones, together more useful than the long one, which would fit by itself."""
    assert positions_within([0.5, 0.6, 0.8], [50, 50, 100], 100) == [0, 1]
    assert positions_within([0.1, 0.9], [2, 100], 100) == [1]
    assert positions_within([0.9, 0.5, 0.5], [200_000, 10, 10], 10) == [2]
    assert positions_within([0.5, 0.5, 0.5], [1, 1, 1], 10, most=2) == [1, 2]
    assert positions_within([0.9], [11], 10) == []


@pytest.mark.parametrize(("utility", "tokens"), [([-0.1], [1]), ([float("nan")], [1]), ([0.1], [-1])])
def test_negative_numbers_are_refused(utility: list[float], tokens: list[int]) -> None:
    """A logarithm is no utility, and nothing takes less than no tokens."""
    with pytest.raises(DataError, match="must be 0 or more"):
        positions_within(utility, tokens, 10)


def test_utility_is_the_score() -> None:
    """Quotient or similarity, of which a negative one is worth nothing."""
    chosen = [Chosen(Demonstration("a", "x", "1"), score, 0.9, 0.5, "why") for score in (-0.2, 0.4, 0.8)]
    assert utilities(chosen) == [0.0, 0.4, 0.8]


@both_methods
def test_an_ample_budget_changes_nothing(tmp_path: Path, method: str) -> None:
    """Where everything fits, exactly, the selection is the selector's own."""
    with filled(tmp_path / "library.db", MADE) as library:
        selector = selector_of(library, method)
    own = selector.select(QUERY)
    assert own.chosen
    assert select_within(selector, QUERY, 10 * len(own.chosen), lambda _: 10) == own


@both_methods
@pytest.mark.parametrize("budget", [0, 1, 20, 40, 70, 1000])
def test_never_over_budget_and_never_empty_in_vain(tmp_path: Path, method: str, budget: int) -> None:
    """Whatever the budget: it is kept to, something is shown where anything fits, the likeliest or nearest last."""
    with filled(tmp_path / "library.db", MADE) as library:
        selector = selector_of(library, method)
    for query in (QUERY, "blood panel clinic north", "nothing of the kind"):
        selection = select_within(selector, query, budget, lambda one: len(one.input))
        shown = selection.demonstrations
        assert sum(len(one.input) for one in shown) <= budget
        assert len(set(shown)) == len(shown) <= selector.k
        assert bool(shown) == (budget >= min(len(one.input) for one in MADE))
        order = [(one.plausibility if method == "metachain" else one.score) for one in selection.chosen]
        assert order == sorted(order)


@both_methods
def test_what_is_too_long_counts_as_not_there(tmp_path: Path, method: str) -> None:
    """Where all of the first choice is over budget, the choice is that of a library without it."""
    with filled(tmp_path / "library.db", MADE) as library:
        selector = selector_of(library, method)
    own = selector.select(QUERY)
    within = select_within(selector, QUERY, 10 * selector.k, long_for(own))
    assert within.chosen
    assert not set(within.demonstrations) & set(own.demonstrations)
    assert within == selector.select(QUERY, without=set(own.demonstrations))


@both_methods
def test_a_shorter_one_takes_the_place_of_what_leaves_no_room(tmp_path: Path, method: str) -> None:
    """Of a first choice of which one fits with little to spare, the others' places go to short ones further down."""
    with filled(tmp_path / "library.db", MADE) as library:
        selector = selector_of(library, method, k=3)
    query = "xray knee ward a"
    own = selector.select(query)
    within = select_within(selector, query, 1020, long_for(own))
    assert len(set(within.demonstrations) & set(own.demonstrations)) == 1
    assert within.chosen[-1] in own.chosen
    assert len(within.chosen) == len(own.chosen) == 3


@both_methods
def test_a_demonstration_of_200_000_characters_is_skipped(tmp_path: Path, method: str) -> None:
    """The institution's own label that would be shown first, but is as long as a book, leaves the prompt to others."""
    labels = [Demonstration(NEW, f"mri brain ward b {LONG}", "code 2 of system 0")]
    with filled(tmp_path / "library.db", [*MADE, *labels]) as library:
        selector = selector_of(library, method, k=1)
    query = f"mri brain ward b {LONG} again"
    assert selector.select(query).demonstrations == tuple(labels)
    (shown,) = select_within(selector, query, 50, lambda one: len(one.input)).demonstrations
    assert len(shown.input) <= 50


def test_a_demonstration_is_counted_once(tmp_path: Path) -> None:
    """However often it is met while choosing, so that a slow tokenizer may count."""
    counted: list[Demonstration] = []
    with filled(tmp_path / "library.db", MADE) as library:
        selector = selector_of(library)
    select_within(selector, QUERY, 15, lambda one: counted.append(one) or len(one.input))  # type: ignore[func-returns-value]
    assert len(set(counted)) == len(counted) > 0


def test_no_demonstrations_are_asked_for(tmp_path: Path) -> None:
    """A selector of none shows none."""
    with filled(tmp_path / "library.db", MADE) as library:
        selector = selector_of(library, k=0)
    assert select_within(selector, QUERY, 100, lambda _: 1).chosen == ()

"""A policy says how many are shown, chosen by what, and in which order; the default changes nothing."""

from typing import Any

import numpy as np
import pytest
from handmade import Tiny, demonstrations, learned_library
from hypothesis import given
from hypothesis import strategies as st

from metachain.errors import DataError
from metachain.learning.artifacts import load_posterior
from metachain.learning.policy import CANDIDATES, DEFAULT, Policy
from metachain.learning.ranking import nearest_first, plausible_first
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE
from metachain.selection.selector import Selector

QUERY = "x-ray of the chest 0"


def choose(policy: Policy, similarity: Any, plausibility: Any, **options: Any) -> list[list[int]]:
    """Positions chosen, where candidates' vectors are the axes of their own space unless others are given."""
    near, sure = np.atleast_2d(similarity).astype(float), np.atleast_2d(plausibility).astype(float)
    vectors = options.pop("vectors", np.eye(near.shape[1], dtype=np.float32))
    settings = {"learned": True, "texts": False, **options}
    first, _ = policy.choose(near, sure, policy.shots, vectors=lambda places: vectors[places], **settings)
    return [[place for place in row if place >= 0] for row in first.tolist()]


@given(
    st.lists(st.tuples(st.floats(-1, 1), st.floats(0.001, 1)), min_size=1, max_size=20),
    st.integers(0, 10),
    st.booleans(),
)
def test_the_default_is_what_the_guard_says(candidates: list[tuple[float, float]], shots: int, texts: bool) -> None:
    """Plausible and near where it lets learning choose, else plainly the nearest."""
    near, sure = (np.array([part]) for part in zip(*candidates, strict=True))
    vectors = np.zeros((len(candidates), 1), np.float32)
    first, _ = plausible_first(near, sure, shots, texts=texts)
    learned = [place for place in first[0].tolist() if place >= 0]
    assert choose(Policy(shots), near, sure, texts=texts, vectors=vectors) == [learned]
    plain = choose(Policy(shots), near, sure, learned=False, vectors=vectors)
    assert plain == choose(Policy(shots, 0), near, sure, vectors=vectors) == nearest_first(near, shots).tolist()


def test_weight_moves_from_near_to_plausible() -> None:
    """Without weight the nearest is first, with much of it the most plausible."""
    near, sure = [0.9, 0.8, 0.1], [0.1, 0.3, 0.6]
    first = [choose(Policy(3, weight, 0.0), near, sure)[0][0] for weight in (0, 1, 100)]
    assert first == [0, 1, 2]


def test_the_kept_share_drops_the_less_plausible() -> None:
    """None are dropped at 0, all but the best at 1."""
    near, sure = [0.9, 0.9, 0.9], [0.5, 0.3, 0.2]
    shown = [choose(Policy(3, 10, share), near, sure) for share in (0.0, 0.5, 1.0)]
    assert shown == [[[0, 1, 2]], [[0, 1]], [[0]]]


def test_diversity_passes_over_what_is_like_those_chosen() -> None:
    """Of two alike the second gives way to one that is less near."""
    vectors = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    near, sure = [0.9, 0.89, 0.8], [1, 1, 1]
    shown = [choose(Policy(2, 0, diversity=much), near, sure, vectors=vectors) for much in (0.0, 0.5)]
    assert shown == [[[0, 1]], [[0, 2]]]


def test_where_there_is_no_candidate_none_is_shown() -> None:
    """Neither by nearness nor by plausibility nor for diversity."""
    for policy in CANDIDATES:
        assert choose(policy, [-np.inf, -np.inf], [0, 0]) == [[]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"shots": -1},
        {"shots": 2.5},
        {"shots": True},
        {"weight": -1},
        {"weight": float("nan")},
        {"weight": float("inf")},
        {"kept_share": 1.1},
        {"diversity": -0.1},
        {"diversity": float("nan")},
    ],
)
def test_numbers_out_of_range_are_named(wrong: dict[str, Any]) -> None:
    """With what was got."""
    with pytest.raises(DataError, match=f"{next(iter(wrong))} must be .*, got {next(iter(wrong.values()))}"):
        Policy(**wrong)


@pytest.mark.parametrize("policy", [*CANDIDATES, Policy(demoted=frozenset([("b", "2"), ("a", "1")]))], ids=str)
def test_json_brings_it_back(policy: Policy) -> None:
    """Demotions included, and no two candidates read alike."""
    assert Policy.from_json(policy.to_json()) == policy
    assert [str(one) for one in CANDIDATES].count(str(policy)) <= 1


@pytest.fixture
def library(place: str) -> Any:
    """A library that has learned, with a new institution."""
    with Library.open(learned_library(place, demonstrations()), Tiny()) as opened:
        yield opened


def test_a_selector_shows_as_its_policy_says(library: Library) -> None:
    """How many, which order, and ``k`` in place of the policy's number."""
    posterior = load_posterior(library, "new")
    usual = Selector(library, posterior).select(QUERY)
    assert Selector(library, posterior, policy=Policy(2)).select(QUERY).chosen == usual.chosen[-2:]
    assert not Selector(library, posterior, policy=Policy(0)).select(QUERY).chosen
    assert Selector(library, posterior, 3, Policy(2)).select(QUERY).chosen == usual.chosen[-3:]
    turned = Selector(library, posterior, policy=Policy(best_first=True)).select(QUERY)
    assert turned.chosen == usual.chosen
    assert turned.demonstrations == usual.demonstrations[::-1]


def test_a_selector_never_shows_what_is_demoted(library: Library) -> None:
    """The next best takes its place."""
    posterior = load_posterior(library, "new")
    best = Selector(library, posterior).select(QUERY, 1).demonstrations[0]
    policy = Policy(demoted=frozenset([(best.institution, best.id)]))
    shown = Selector(library, posterior, policy=policy).select(QUERY).demonstrations
    assert shown
    assert best not in shown


def test_diversity_reads_own_labels_and_past_demonstrations(library: Library) -> None:
    """A selector that counts likeness shows as many as are asked for, from both sides."""
    library.add([type(one)("new", one.input + " again", one.output) for one in demonstrations(1)], share=EVERYONE)
    posterior = load_posterior(library, "new")
    shown = Selector(library, posterior, policy=Policy(6, 0, diversity=0.9)).select(QUERY).demonstrations
    assert len(shown) == len(set(shown)) == 6
    assert {one.institution == "new" for one in shown} == {True, False}


def test_candidates_come_from_short_to_long() -> None:
    """So that of two that do as well the shorter is preferred; the default is one of them."""
    assert [one.shots for one in CANDIDATES] == sorted(one.shots for one in CANDIDATES)
    assert Policy() == DEFAULT
    assert DEFAULT in CANDIDATES

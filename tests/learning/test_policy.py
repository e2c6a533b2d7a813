"""A policy says how many are shown, chosen by what, and in which order; the default changes nothing."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from handmade import Tiny, demonstrations, learned_library
from hypothesis import given
from hypothesis import strategies as st

from metachain.errors import DataError
from metachain.learning.apportionment import apportion_answers
from metachain.learning.artifacts import load_posterior
from metachain.learning.candidates import Candidates, choose
from metachain.learning.policy import CANDIDATES, DEFAULT, Policy
from metachain.learning.ranking import nearest_first
from metachain.library.library import Library
from metachain.selection.selector import Selector

QUERY = "x-ray of the chest 0"


def shown(policy: Policy, similarity: Any, probability: Any, answer: Any, **options: Any) -> list[list[int]]:
    """Places chosen among candidates with some similarity, probability and answer."""
    near, sure = np.atleast_2d(similarity).astype(float), np.atleast_2d(probability).astype(float)
    given = np.atleast_2d(np.array(answer, np.int64))
    candidates = Candidates(np.where(given < 0, -1, np.arange(near.shape[1])), near, given)
    first, _ = choose(policy, candidates, sure, policy.shots, **{"sharpness": 1.0, **options})
    return [[place for place in row if place >= 0] for row in first.tolist()]


@given(st.lists(st.tuples(st.floats(-1, 1), st.integers(0, 3)), min_size=1, max_size=20), st.integers(0, 10))
def test_the_default_is_as_the_guard_says(candidates: list[tuple[float, int]], shots: int) -> None:
    """Apportioned with the guard's sharpness where it lets learning choose, else plainly the nearest."""
    near, answer = (np.array([part]) for part in zip(*candidates, strict=True))
    sure = np.array([0.4, 0.3, 0.2, 0.1])[answer]
    for sharpness in (0.5, 3.0):
        learned = shown(Policy(shots), near, sure, answer, sharpness=sharpness)
        assert learned == shown(Policy(shots, sharpness), near, sure, answer)
        places, _ = apportion_answers(sure**sharpness, near, answer, shots)
        assert learned == [[place for place in places[0].tolist() if place >= 0]]
    plain = shown(Policy(shots), near, sure, answer, sharpness=None)
    assert plain == shown(Policy(shots, nearest=True), near, sure, answer) == nearest_first(near, shots).tolist()


def test_sharpness_moves_from_every_answer_to_the_likeliest() -> None:
    """Flat, every answer gets a place, and the likeliest leads; sharp, the likeliest gets them all."""
    answer = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    sure = np.array([0.6, 0.3, 0.1])[answer]
    counts = []
    for sharpness in (0.1, 1.0, 20.0):
        (places,) = shown(Policy(4, sharpness), [0.5] * 12, sure, answer)
        counts.append(np.bincount([answer[place] for place in places], minlength=3).tolist())
    assert counts == [[2, 1, 1], [3, 1, 0], [4, 0, 0]]


def test_what_is_left_out_is_never_shown() -> None:
    """Its place goes to the next, by probability or by nearness."""
    for policy in (Policy(2), Policy(2, nearest=True)):
        assert shown(policy, [0.9, 0.8, 0.7], [0.5] * 3, [0] * 3, left_out=np.array([[True, False, False]])) == [[1, 2]]


def test_where_there_is_no_candidate_none_is_shown() -> None:
    """Neither by nearness nor by probability."""
    for policy in CANDIDATES:
        assert shown(policy, [-np.inf, -np.inf], [0, 0], [-1, -1]) == [[]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"shots": -1},
        {"shots": 2.5},
        {"shots": True},
        {"sharpness": 0},
        {"sharpness": -1},
        {"sharpness": float("nan")},
        {"sharpness": float("inf")},
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


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"weight": None, "kept_share": 0.5, "diversity": 0.0}, Policy(6)),
        ({"weight": 3.0, "kept_share": None, "diversity": 0.3}, Policy(6)),
        ({"weight": 0, "kept_share": None, "diversity": 0.0}, Policy(6, nearest=True)),
    ],
)
def test_a_policy_from_before_keeps_its_shots_and_order(before: dict[str, Any], now: Policy) -> None:
    """A weight of 0 was plain nearest neighbours; other weights, shares and diversity are the guard's sharpness now."""
    record = {"shots": 6, **before, "best_first": False, "demoted": [["a", "1"]]}
    assert Policy.from_json(record) == replace(now, demoted=frozenset({("a", "1")}))


def test_candidates_come_from_short_to_long() -> None:
    """So that of two that do as well the shorter is preferred; the default is one of them."""
    assert [one.shots for one in CANDIDATES] == sorted(one.shots for one in CANDIDATES)
    assert Policy() == DEFAULT
    assert DEFAULT in CANDIDATES

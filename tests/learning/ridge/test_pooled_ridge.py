"""The pooled regression, against inverting one matrix over all demonstrations."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import SEEDS, SIZES, briefly, random_pool, unit_vectors

from metachain.learning.index import InstitutionIndex
from metachain.learning.pool import Pool
from metachain.learning.ridge import NormalEquations, PooledRidge, normal_equations
from metachain.learning.shared_past import PastVersion, SharedPast
from metachain.library.origins import Reach

CLOSE = {"rtol": 1e-3}
"""Predictions are rounded to five decimals, and 0.02 is added to them."""


def lift(found: PooledRidge, pool: Pool, seed: int) -> np.ndarray:
    """Lift of every answer to three random texts."""
    return found.lift(unit_vectors(seed + 1, 3), pool.answers)


@given(SEEDS, SIZES, st.data())
@briefly
def test_any_institutions_can_be_left_out(seed: int, sizes: list[int], data: st.DataObject) -> None:
    """Whichever others there are, and in whatever order they are asked for."""
    pool = random_pool(seed, sizes)
    kept = data.draw(st.lists(st.sampled_from(range(len(sizes))), min_size=1, unique=True))
    found = lift(NormalEquations(pool).solve(kept), pool, seed)
    np.testing.assert_allclose(found, oracles.lifts(pool, kept, unit_vectors(seed + 1, 3)), **CLOSE)
    alone = [number for number in range(len(pool.owner)) if pool.owner[number] in kept]
    part = replace(
        pool,
        demonstrations=tuple(pool.demonstrations[row] for row in alone),
        vectors=pool.vectors[alone],
        institutions=tuple(pool.institutions[number] for number in sorted(kept)),
        owner=np.searchsorted(sorted(kept), pool.owner[alone]),
        answer=pool.answer[alone],
    )
    np.testing.assert_allclose(lift(NormalEquations(part).solve(range(len(kept))), pool, seed), found, rtol=1e-9)


@given(SEEDS, SIZES)
@briefly
def test_without_the_frequency_it_is_the_posterior_mean_of_a_linear_model(seed: int, sizes: list[int]) -> None:
    """Ridge with λ = 1 minimises ``|X W - Y|² + |W|²``: no other weights near it do better."""
    pool = random_pool(seed, sizes)
    found = NormalEquations(pool).solve(range(len(sizes)))
    x, y = pool.vectors.astype(float), np.eye(len(pool.answers))[pool.answer][:, found.answers]

    def loss(weights: np.ndarray) -> float:
        return float(((x @ weights - y) ** 2).sum() + (weights**2).sum())

    least = loss(found.weights.astype(float))
    for step in np.random.default_rng(seed).normal(scale=0.01, size=(5, *found.weights.shape)):
        assert loss(found.weights + step) > least


def test_an_answer_that_nobody_gives_has_the_least_lift_for_its_frequency() -> None:
    """Further answers of an institution's own are predicted nowhere; their lift is that of an unseen one."""
    pool = random_pool(1, [9, 9])
    found = NormalEquations(pool).solve([0, 1]).lift(unit_vectors(2, 3), (*pool.answers, "of", "ours"))
    assert np.allclose(found[:, -2:], 0.02 / 0.001**0.4)
    assert (found > 0).all()


def test_the_kin_of_a_code_lift_it_too() -> None:
    """An answer that nobody gives has the lift of the codes with its prefix, and others have only their own."""
    pool = replace(random_pool(1, [9, 9]), answers=("0351", "0352", "0450", "triage 2"))
    found, vectors = NormalEquations(pool).solve([0, 1]), unit_vectors(2, 3)
    names = (*pool.answers, "0359", "0999")
    told, plain = found.lift(vectors, names), found.lift(vectors, ("a", "b", "c", "d", "e", "f"))
    share = np.maximum(vectors @ found.weights, 0)
    frequency = found.frequency[:2].sum()
    together = (share[:, 0] + share[:, 1] + 0.02) / (frequency + 0.001) ** 0.4
    for place in (0, 1, 4):
        np.testing.assert_allclose(told[:, place], plain[:, place] * together**0.8, **CLOSE)
    for place in (2, 3, 5):
        np.testing.assert_allclose(told[:, place], plain[:, place] ** 1.8, **CLOSE)


def test_a_part_of_the_past_is_numbered_as_its_own_pool() -> None:
    """Answers that only institutions left out give are no longer numbered."""
    pool = random_pool(3, [4, 5, 2], answers=9)
    past = SharedPast(pool, InstitutionIndex(pool), PastVersion(Reach(pool.institutions), 0, 0, 0))
    part = past.part(Reach(("h0", "h2")))
    vectors = unit_vectors(4, 3)
    kept = [pool.answers.index(name) for name in part.pool.answers]
    assert len(kept) < len(pool.answers)
    expected = np.array(oracles.lifts(pool, [0, 2], vectors))[:, kept]
    np.testing.assert_allclose(part.regression.lift(vectors, part.pool.answers), expected, **CLOSE)


def test_a_large_institution_counts_with_some_of_its_demonstrations(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most 1,024, drawn by its name: the same ones whoever else is there."""
    monkeypatch.setattr(normal_equations, "MOST_ROWS", 5)
    pool = random_pool(5, [30, 4, 30])
    found = NormalEquations(pool).solve([0, 1])
    assert np.allclose(found.frequency.sum(), 1)
    assert np.allclose(found.frequency * 9, np.round(found.frequency * 9))
    two = random_pool(5, [30, 4])
    np.testing.assert_allclose(
        lift(NormalEquations(replace(two, vectors=pool.vectors[:34])).solve([0, 1]), two, 6), lift(found, pool, 6)
    )


@pytest.mark.parametrize(("institutions", "most"), [(1, 1024), (64, 1024), (65, 512), (128, 512), (1000, 64)])
def test_many_institutions_count_with_fewer_demonstrations_each(institutions: int, most: int) -> None:
    """So a process is ready within a second, however many there are."""
    assert normal_equations.rows_of_each(institutions) == most


def test_fewer_institutions_count_with_more_although_the_others_were_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A regression depends on the institutions asked for alone."""
    monkeypatch.setattr(normal_equations, "MOST_ROWS", 8)
    monkeypatch.setattr(normal_equations, "FULL", 2)
    three = random_pool(5, [30, 30, 30])
    two = replace(random_pool(5, [30, 30]), vectors=three.vectors[:60])
    found = NormalEquations(three).solve([0, 1])
    assert np.array_equal(found.weights, NormalEquations(two).solve([0, 1]).weights)
    assert np.allclose(found.frequency * 16, np.round(found.frequency * 16))


def test_of_very_many_answers_the_most_frequent_are_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others keep the lift of an answer that is never predicted."""
    pool = random_pool(7, [20, 20])
    counts = np.bincount(pool.answer)
    whole = NormalEquations(pool).solve([0, 1])
    monkeypatch.setattr(normal_equations, "MOST_ANSWERS", 2)
    found = NormalEquations(pool).solve([0, 1])
    assert sorted(counts[found.answers]) == sorted(counts)[-2:]
    places = np.searchsorted(whole.answers, found.answers)
    np.testing.assert_allclose(found.weights, whole.weights[:, places], rtol=1e-4, atol=1e-6)


def test_another_process_solves_the_same() -> None:
    """It is sent without what it has solved, which the first process keeps."""
    made = NormalEquations(random_pool(8, [5, 6]))
    here = made.solve([0])
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as others:
        there = others.submit(made.solve, [0]).result()
    assert np.array_equal(here.weights, there.weights)
    assert made.solve([0]) is here

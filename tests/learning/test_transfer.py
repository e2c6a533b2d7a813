"""Who answers whose inputs, and who says the same, against loops."""

from math import exp, log
from statistics import median

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import SEEDS, SIZES, briefly, random_answers, random_meaning, random_pool, random_profile

from metachain.learning.transfer import (
    SCREENED_BELOW,
    SCREENING_WEIGHT,
    familiarity,
    prior_log_weights,
    redundancy,
    screening,
    shared_answers,
    transfer_row,
)

ITEMS = 6


def agreement(transfer: np.ndarray, s: int, u: int) -> float:
    """A[s, u]."""
    return 1.0 if s == u else (transfer[s, u] + transfer[u, s]) / 2


def slow_screening(transfer: np.ndarray, chosen: list[int]) -> list[float]:
    """``2 min(0, log((r_s + 0.01) / 0.5))`` for each of the institutions chosen."""
    best = [max((agreement(transfer, s, u) for u in chosen if u != s), default=0.0) for s in chosen]
    if len(chosen) < 3 or median(best) == 0:
        return [0.0] * len(chosen)
    return [SCREENING_WEIGHT * min(0.0, log((one / median(best) + 0.01) / SCREENED_BELOW)) for one in best]


@given(SEEDS, SIZES)
@briefly
def test_familiarity_decays_with_distance(seed: int, sizes: list[int]) -> None:
    """A reply counts ``exp((cov - 1) / 0.25)``, which is 1 for a text that the institution holds."""
    profile, told = random_profile(seed, random_pool(seed, sizes), ITEMS)
    assert np.allclose(familiarity(profile), [[exp((cov - 1) / 0.25) for cov in text.coverage] for text in told])


@given(SEEDS, SIZES)
@briefly
def test_a_transfer_row_is_a_weighted_mean_of_right_shares(seed: int, sizes: list[int]) -> None:
    """P[u, s] is the mean over u's items of ``g_s(x, y_x)``, each weighing ``exp((cov_s(x) - 1) / 0.25)``."""
    pool = random_pool(seed, sizes)
    profile, told = random_profile(seed, pool, ITEMS)
    answer = random_answers(seed, pool, ITEMS)
    row = transfer_row(profile, answer)
    for s in range(len(sizes)):
        weights = [exp((text.coverage[s] - 1) / 0.25) for text in told]
        shares = [text.shares[s].get(int(y), 0.0) for text, y in zip(told, answer, strict=True)]
        assert np.isclose(row[s], sum(w * g for w, g in zip(weights, shares, strict=True)) / sum(weights))
    assert (row >= 0).all()
    assert (row <= 1 + 1e-9).all()


@given(SEEDS, SIZES)
@briefly
def test_replies_that_are_texts_transfer_by_their_likeness(seed: int, sizes: list[int]) -> None:
    """Where answers are texts, P[u, s] is the mean of how near s's replies come to what u answers."""
    pool = random_pool(seed, sizes)
    profile, told = random_profile(seed, pool, ITEMS, meaning=random_meaning(seed))
    answer = random_answers(seed, pool, ITEMS)
    row = transfer_row(profile, answer)
    for s in range(len(sizes)):
        weights = [exp((text.coverage[s] - 1) / 0.25) for text in told]
        near = [oracles.share(text, s, int(y)) for text, y in zip(told, answer, strict=True)]
        assert np.isclose(row[s], sum(w * g for w, g in zip(weights, near, strict=True)) / sum(weights), atol=1e-6)


@given(SEEDS, st.integers(1, 7), st.data())
@briefly
def test_screening_holds_back_those_that_agree_with_nobody(seed: int, size: int, data: st.DataObject) -> None:
    """``2 min(0, log((r_s + 0.01) / 0.5))`` of the best agreement over the usual one, and never above 0."""
    transfer = np.random.default_rng(seed).uniform(size=(size, size)) ** data.draw(st.sampled_from([1, 8]))
    chosen = data.draw(st.lists(st.integers(0, size - 1), min_size=1, unique=True))
    found = screening(transfer, chosen)
    assert np.allclose(found, slow_screening(transfer, chosen))
    assert (found <= 0).all()


def test_the_one_that_agrees_with_nobody_is_held_back_alone() -> None:
    """Among institutions that agree, one that answers nobody's inputs loses its weight and the others keep theirs."""
    transfer = np.full((5, 5), 0.6)
    transfer[3, :] = transfer[:, 3] = 0.03
    held = screening(transfer, range(5))
    assert held[[0, 1, 2, 4]].tolist() == [0, 0, 0, 0]
    assert held[3] == pytest.approx(SCREENING_WEIGHT * log(0.06 / SCREENED_BELOW))


@pytest.mark.parametrize("chosen", [[0], [0, 2]])
def test_two_institutions_hold_nobody_back(chosen: list[int]) -> None:
    """With fewer than three there is no usual agreement, however little the two agree."""
    transfer = np.diag([1.0, 1.0, 1.0])
    transfer[0, 2] = 0.01
    assert screening(transfer, chosen).tolist() == [0.0] * len(chosen)


def test_where_nobody_agrees_nobody_is_held_back() -> None:
    """Institutions that have nothing in common at all all keep their weight."""
    assert screening(np.eye(4), range(4)).tolist() == [0.0] * 4


@given(SEEDS, SIZES, st.sets(st.integers(0, 3), min_size=1))
@briefly
def test_sharing_answers_with_a_list_is_a_cosine_of_sets(seed: int, sizes: list[int], listed: set[int]) -> None:
    """``4 log(cos + 0.01)``: the answers in common over the geometric mean of how many both give (Ochiai 1957)."""
    pool = random_pool(seed, sizes)
    found = shared_answers(pool.gives, np.isin(np.arange(4), sorted(listed)))
    expected = oracles.sharing(pool, range(len(sizes)), {pool.answers[number] for number in listed})
    assert np.allclose(found, expected)


def test_a_list_of_nothing_known_prefers_nobody() -> None:
    """Where no past institution gives any of the answers listed, all count the same."""
    pool = random_pool(3, [5, 2, 9])
    assert len(set(shared_answers(pool.gives, np.zeros(4, bool)).tolist())) == 1


@given(SEEDS, st.integers(1, 7))
@briefly
def test_standing_is_redundancy_and_screening(seed: int, size: int) -> None:
    """``ℓ⁰_s`` is the sum of both, and the order of institutions is only an order."""
    transfer = np.random.default_rng(seed).uniform(size=(size, size)) ** 6
    everyone = list(range(size))
    sums = [
        -0.5 * log(sum(agreement(transfer, s, u) ** 4 for u in everyone)) + held
        for s, held in zip(everyone, slow_screening(transfer, everyone), strict=True)
    ]
    assert np.allclose(prior_log_weights(transfer, everyone), sums)
    assert np.allclose(prior_log_weights(transfer, everyone[::-1]), sums[::-1])


@given(SEEDS, st.integers(1, 7), st.data())
@briefly
def test_redundancy_discounts_those_that_agree(seed: int, size: int, data: st.DataObject) -> None:
    """``ℓ⁰_s = -½ log Σ_u A[s, u]⁴`` among the institutions chosen, and never above 0."""
    transfer = np.random.default_rng(seed).uniform(size=(size, size))
    chosen = data.draw(st.lists(st.integers(0, size - 1), min_size=1, unique=True))
    expected = [-0.5 * log(sum(agreement(transfer, s, u) ** 4 for u in chosen)) for s in chosen]
    found = redundancy(transfer, chosen)
    assert np.allclose(found, expected)
    assert (found <= 0).all()


@given(SEEDS, st.integers(1, 7), st.integers(1, 3), st.data())
@briefly
def test_those_that_only_ask_bear_out_answers(seed: int, size: int, further: int, data: st.DataObject) -> None:
    """Rows of further institutions count in screening, each by itself, and in nothing else."""
    transfer = np.random.default_rng(seed).uniform(size=(size + further, size)) ** 6
    chosen = data.draw(st.lists(st.integers(0, size - 1), min_size=1, unique=True))
    best = [
        max(
            [agreement(transfer, s, u) for u in chosen if u != s]
            + [transfer[u, s] for u in range(size, size + further)]
        )
        for s in chosen
    ]
    usual = median(best)
    held = [SCREENING_WEIGHT * min(0.0, log((one / usual + 0.01) / SCREENED_BELOW)) for one in best]
    assert np.allclose(screening(transfer, chosen), held if len(chosen) > 2 else 0)
    assert np.array_equal(redundancy(transfer, chosen), redundancy(transfer[:size], chosen))


def test_twins_count_once() -> None:
    """Two institutions that answer each other's inputs perfectly weigh as much as one that nobody resembles."""
    transfer = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    weights = np.exp(redundancy(transfer, [0, 1, 2])) ** 2
    assert np.isclose(weights[0] + weights[1], weights[2])


def test_standing_leaves_the_transfer_matrix_as_it_was() -> None:
    """The matrix handed in is not written to."""
    transfer = np.full((3, 3), 0.4)
    prior_log_weights(transfer, np.arange(3))
    assert (transfer == 0.4).all()


@given(SEEDS, st.permutations(range(5)))
@briefly
def test_permuting_institutions_permutes_redundancy(seed: int, order: list[int]) -> None:
    """The order of institutions is only an order."""
    transfer = np.random.default_rng(seed).uniform(size=(5, 5))
    assert np.allclose(redundancy(transfer, order), redundancy(transfer, range(5))[order])

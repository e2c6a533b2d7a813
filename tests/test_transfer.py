"""Who answers whose inputs, and who says the same, against loops."""

from math import exp, log

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from oracles import SEEDS, SIZES, briefly, random_answers, random_pool, random_profile

from metachain.transfer import familiarity, redundancy, transfer_row

ITEMS = 6


def agreement(transfer: np.ndarray, s: int, u: int) -> float:
    """A[s, u]."""
    return 1.0 if s == u else (transfer[s, u] + transfer[u, s]) / 2


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


def test_twins_count_once() -> None:
    """Two institutions that answer each other's inputs perfectly weigh as much as one that nobody resembles."""
    transfer = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    weights = np.exp(redundancy(transfer, [0, 1, 2])) ** 2
    assert np.isclose(weights[0] + weights[1], weights[2])


def test_redundancy_leaves_the_transfer_matrix_as_it_was() -> None:
    """The matrix handed in is not written to."""
    transfer = np.full((3, 3), 0.4)
    redundancy(transfer, np.arange(3))
    assert (transfer == 0.4).all()


@given(SEEDS, st.permutations(range(5)))
@briefly
def test_permuting_institutions_permutes_redundancy(seed: int, order: list[int]) -> None:
    """The order of institutions is only an order."""
    transfer = np.random.default_rng(seed).uniform(size=(5, 5))
    assert np.allclose(redundancy(transfer, order), redundancy(transfer, range(5))[order])

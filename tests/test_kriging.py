"""The posterior, against inverting small matrices and looping over everything."""

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import SEEDS, SETTINGS, SIZES, Known, briefly, random_answers, random_pool, random_profile

from metachain.kriging import (
    NOISE,
    Settings,
    evidence,
    fit,
    left_out,
    localised,
    plausibility,
    predict,
    residuals,
    solve,
    variance,
    without_diagonal,
)
from metachain.pool import Pool
from metachain.profile import Profile, attention, consensus

TEXTS = 3
LABELS = st.integers(0, 6)


def scene(seed: int, sizes: list[int], k: int) -> tuple[Pool, Profile, Profile, np.ndarray, np.ndarray, Known]:
    """A pool, profiles of k labels and three texts, the labels' answers, log weights, and the oracle's view."""
    pool = random_pool(seed, sizes)
    profile, told = random_profile(seed, pool, k + TEXTS)
    answer = random_answers(seed, pool, k)
    redundancy = -np.random.default_rng(seed).uniform(size=len(sizes))
    known = Known(told[:k], answer.tolist(), redundancy.tolist(), Settings(0, 0, 0.05))
    return pool, profile.take(np.arange(k)), profile.take(np.arange(k, k + TEXTS)), answer, redundancy, known


@given(SEEDS, SIZES, st.sampled_from([0.05, 0.2]))
@briefly
def test_evidence_is_the_log_likelihood_of_a_slip(seed: int, sizes: list[int], slip: float) -> None:
    """A label speaks ``exp((cov - 1) / 0.5) log(ε + (1 - ε) g_s)`` for each institution, never above 0."""
    _, support, _, answer, _, known = scene(seed, sizes, 4)
    expected = [oracles.evidence(text, y, slip) for text, y in zip(known.labels, known.given, strict=True)]
    found = evidence(support, answer, slip)
    assert np.allclose(found, expected)
    assert (found <= 1e-12).all()


@given(SEEDS, st.integers(1, 4), st.integers(0, 5), st.integers(1, 3))
@briefly
def test_log_weights_gather_nearby_evidence(seed: int, s: int, k: int, n: int) -> None:
    """``ℓ_s(x) = ℓ⁰_s + 2 b Σ_i κ(x, x_i) evidence_is``."""
    rng = np.random.default_rng(seed)
    base, kernel, spoken = rng.normal(size=s), rng.uniform(size=(n, k)), -rng.uniform(size=(k, s))
    found = localised(base, kernel, spoken, 0.3)
    for x in range(n):
        for institution in range(s):
            summed = sum(kernel[x, i] * spoken[i, institution] for i in range(k))
            assert np.isclose(found[x, institution], base[institution] + 2 * 0.3 * summed)


def test_without_diagonal_no_label_speaks_for_itself() -> None:
    """Only the diagonal becomes 0, and the kernel handed in stays."""
    kernel = np.arange(1.0, 10).reshape(3, 3)
    assert without_diagonal(kernel).tolist() == [[0, 2, 3], [4, 0, 6], [7, 8, 0]]
    assert kernel[1, 1] == 5


def test_residuals_are_answers_less_expectations() -> None:
    """``r_i = e_{y_i} - m(x_i)``, and the expectation handed in stays."""
    mean = np.array([[0.25, 0.75], [1.0, 0.0]])
    assert residuals(mean, np.array([0, 1])).tolist() == [[0.75, -0.75], [-1.0, 1.0]]
    assert mean[0, 0] == 0.25


@given(SEEDS, SIZES, st.integers(1, 6), st.floats(0, 2))
@briefly
def test_solving_is_multiplying_by_the_inverse(seed: int, sizes: list[int], k: int, scale: float) -> None:
    """``(c κ + 0.3 I)⁻¹ r``."""
    *_, known = scene(seed, sizes, k)
    kernel, r = oracles.kernel(known.labels, known.labels), np.random.default_rng(seed).normal(size=(k, 3))
    assert np.allclose(solve(kernel, r, scale), np.linalg.inv(scale * kernel + 0.3 * np.eye(k)) @ r)


@given(SEEDS, SIZES, LABELS, SETTINGS)
@briefly
def test_prediction_is_the_posterior_mean(seed: int, sizes: list[int], k: int, settings: Settings) -> None:
    """``V(x, ·)`` is that of steps D to F, computed label by label and institution by institution."""
    pool, support, texts, answer, redundancy, known = scene(seed, sizes, k)
    _, told = random_profile(seed, pool, k + TEXTS)
    known = known._replace(settings=settings)
    expected = [oracles.posterior_mean(text, known, len(pool.answers)) for text in told[k:]]
    assert np.allclose(predict(fit(support, answer, redundancy, settings), texts), expected)


@given(SEEDS, SIZES, SETTINGS)
@briefly
def test_without_labels_the_posterior_is_the_prior(seed: int, sizes: list[int], settings: Settings) -> None:
    """With no label the prediction is the consensus under the prior's weights, and the variance all of c."""
    _, support, texts, answer, redundancy, _ = scene(seed, sizes, 0)
    fitted = fit(support, answer, redundancy, settings)
    assert np.allclose(predict(fitted, texts), consensus(texts, attention(texts, redundancy, 0.1)))
    assert variance(fitted, texts).tolist() == [settings.scale] * TEXTS


@given(SEEDS, SIZES, LABELS, SETTINGS)
@briefly
def test_plausibility_is_a_product_of_three(seed: int, sizes: list[int], k: int, settings: Settings) -> None:
    """How well an answer fits: what is expected, how much the institution uses it, what plain neighbours say."""
    pool, support, texts, answer, redundancy, known = scene(seed, sizes, k)
    _, told = random_profile(seed, pool, k + TEXTS)
    known = known._replace(settings=settings)
    fitted = fit(support, answer, redundancy, settings)
    found = plausibility(predict(fitted, texts), fitted.usage, texts.vote)
    assert np.allclose(found, [oracles.fits(text, known, len(pool.answers)) for text in told[k:]])
    assert (found > 0).all()
    assert k > 0 or not fitted.usage.any()


@given(SEEDS, SIZES, LABELS, SETTINGS)
@briefly
def test_predictions_sum_to_one(seed: int, sizes: list[int], k: int, settings: Settings) -> None:
    """Residuals sum to 0, so what is expected of all answers together is 1."""
    _, support, texts, answer, redundancy, _ = scene(seed, sizes, k)
    assert np.allclose(predict(fit(support, answer, redundancy, settings), texts).sum(axis=1), 1)


@given(SEEDS, SIZES, LABELS, st.floats(0, 2))
@briefly
def test_variance_is_what_the_labels_leave(seed: int, sizes: list[int], k: int, scale: float) -> None:
    """``c - c² κ(x, X) (c κ(X, X) + 0.3 I)⁻¹ κ(X, x)``, in [0, c]."""
    pool, support, texts, answer, redundancy, known = scene(seed, sizes, k)
    _, told = random_profile(seed, pool, k + TEXTS)
    found = variance(fit(support, answer, redundancy, Settings(0.3, scale, 0.05)), texts)
    assert np.allclose(found, [oracles.posterior_variance(text, known.labels, scale) for text in told[k:]])
    assert (found >= -1e-9).all()
    assert (found <= scale + 1e-9).all()


@given(SEEDS, SIZES, st.integers(1, 6), st.floats(0, 2))
@briefly
def test_more_labels_never_widen_the_posterior(seed: int, sizes: list[int], k: int, scale: float) -> None:
    """Each further label leaves every text's variance as it was or smaller."""
    _, support, texts, answer, redundancy, _ = scene(seed, sizes, k)
    before = np.full(TEXTS, np.inf)
    for known in range(k + 1):
        fitted = fit(support.take(np.arange(known)), answer[:known], redundancy, Settings(0.3, scale, 0.05))
        now = variance(fitted, texts)
        assert (now <= before + 1e-9).all()
        before = now


@given(SEEDS, SIZES, st.integers(1, 6), st.floats(0.01, 2))
@briefly
def test_left_out_predictions_are_those_of_refitting(seed: int, sizes: list[int], k: int, scale: float) -> None:
    """Each label's left-out prediction is what a posterior fitted to all other labels predicts for it."""
    pool, *_, known = scene(seed, sizes, k)
    kernel = oracles.kernel(known.labels, known.labels)
    mean = np.random.default_rng(seed).dirichlet(np.ones(len(pool.answers)), size=k)
    r = np.eye(len(pool.answers))[known.given] - mean
    found = left_out(kernel, r, mean, scale)
    for i in range(k):
        rest = [j for j in range(k) if j != i]
        inverse = np.linalg.inv(scale * kernel[np.ix_(rest, rest)] + 0.3 * np.eye(k - 1))
        assert np.allclose(found[i], mean[i] + scale * kernel[i, rest] @ inverse @ r[rest])


@given(SEEDS, SIZES, st.permutations(range(5)), SETTINGS)
@briefly
def test_the_order_of_labels_changes_nothing(seed: int, sizes: list[int], order: list[int], settings: Settings) -> None:
    """Labels are a set: permuting them leaves prediction and variance."""
    _, support, texts, answer, redundancy, _ = scene(seed, sizes, 5)
    one = fit(support, answer, redundancy, settings)
    other = fit(support.take(np.array(order)), answer[order], redundancy, settings)
    assert np.allclose(predict(one, texts), predict(other, texts))
    assert np.allclose(variance(one, texts), variance(other, texts))


def test_a_label_answers_its_own_text() -> None:
    """At a label's own text the answer is expected ``c / (c + 0.3)`` of the way from the prior to the label."""
    _, support, _, answer, redundancy, known = scene(4, [6, 7], 1)
    settings = Settings(0.0, 1.0, 0.05)
    prior = oracles.prior_mean(known.labels[0], known._replace(settings=settings), support.answers)
    there = prior[answer[0]] + (1 - prior[answer[0]]) / (1 + NOISE)
    assert predict(fit(support, answer, redundancy, settings), support)[0, answer[0]] == pytest.approx(there)


def test_two_labels_that_contradict_each_other_are_noise() -> None:
    """The same text labelled in two ways is no error: each answer is expected about half."""
    pool, support, _, _, redundancy, _ = scene(5, [6, 7], 1)
    twice = support.take(np.array([0, 0]))
    expected = predict(fit(twice, np.array([0, 1]), redundancy, Settings(0.0, 100.0, 0.05)), support)[0]
    assert expected[[0, 1]] == pytest.approx([0.5, 0.5], abs=0.01)
    assert len(expected) == len(pool.answers)

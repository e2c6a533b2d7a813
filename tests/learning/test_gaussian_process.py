"""The posterior, against inverting small matrices and looping over everything."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import (
    SEEDS,
    SETTINGS,
    SIZES,
    Known,
    Replies,
    briefly,
    every_answer,
    random_answers,
    random_meaning,
    random_pool,
    random_profile,
    unit_vectors,
)

from metachain.learning.answer_fits import UNLISTED, answer_scores, experts, fits_of_answers
from metachain.learning.gaussian_process import (
    NOISE,
    PLAIN,
    UNLABELLED_TEMPERATURE,
    Settings,
    co_treatment_kernel,
    evidence,
    fit,
    local_log_weights,
    predict,
    propagate,
    residuals,
    solve,
    usage,
    without_diagonal,
)
from metachain.learning.reply_profile import Profile, attention, consensus, replies_to
from metachain.learning.ridge import NormalEquations

TEXTS = 3
LABELS = st.integers(0, 6)


class Scene(NamedTuple):
    """An institution with k labels, as the implementation has it and as the oracle has it."""

    support: Profile
    texts: Profile
    answer: np.ndarray
    standing: np.ndarray
    known: Known
    told: list[Replies]
    """Of the three texts."""


def scene(seed: int, sizes: list[int], k: int, settings: Settings = PLAIN, *, text: bool = False) -> Scene:
    """A random pool, k labels and three texts; answers are texts where ``text`` is set."""
    pool = random_pool(seed, sizes)
    meaning = random_meaning(seed, len(pool.answers)) if text else None
    profile, told = random_profile(seed, pool, k + TEXTS, meaning=meaning)
    answer = random_answers(seed, pool, k)
    standing = -np.random.default_rng(seed).uniform(size=len(sizes))
    known = Known(told[:k], answer.tolist(), standing.tolist(), settings)
    support, texts = profile.take(np.arange(k)), profile.take(np.arange(k, k + TEXTS))
    return Scene(support, texts, answer, standing, known, told[k:])


@given(SEEDS, SIZES, st.sampled_from([0.05, 0.2]), st.booleans())
@briefly
def test_evidence_is_the_log_likelihood_of_a_slip(seed: int, sizes: list[int], slip: float, text: bool) -> None:
    """A label speaks ``exp((cov - 1) / 0.5) log(ε + (1 - ε) g_s)`` for each institution, never above 0."""
    made = scene(seed, sizes, 4, text=text)
    expected = [oracles.evidence(label, y, slip) for label, y in zip(made.known.labels, made.known.given, strict=True)]
    found = evidence(made.support, made.answer, slip)
    assert np.allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert (found <= 1e-6).all()


@given(SEEDS, st.integers(1, 4), st.integers(0, 5), st.integers(1, 3))
@briefly
def test_log_weights_gather_nearby_evidence(seed: int, s: int, k: int, n: int) -> None:
    """``ℓ_s(x) = ℓ⁰_s + 2 b Σ_i κ(x, x_i) evidence_is``."""
    rng = np.random.default_rng(seed)
    base, kernel, spoken = rng.normal(size=s), rng.uniform(size=(n, k)), -rng.uniform(size=(k, s))
    found = local_log_weights(base, kernel, spoken, 0.3)
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


@given(SEEDS, st.integers(0, 6))
@briefly
def test_residuals_of_texts_are_unit_vectors_less_expectations(seed: int, k: int) -> None:
    """``r_i = φ(y_i) - m(x_i)`` where answers are texts, and neither what is expected nor what is meant changes."""
    rng, meaning = np.random.default_rng(seed), random_meaning(seed)
    mean, answer = rng.normal(size=(k, 3)), rng.integers(4, size=k)
    before, meant = mean.tolist(), meaning.tolist()
    found = residuals(mean, answer, meaning)
    assert found.shape == (k, 3)
    for i, y in enumerate(answer.tolist()):
        assert found[i].tolist() == [meant[y][axis] - before[i][axis] for axis in range(3)]
    assert (mean.tolist(), meaning.tolist()) == (before, meant)


@given(SEEDS, SIZES, st.integers(1, 6), SETTINGS)
@briefly
def test_solving_is_multiplying_by_the_inverse(seed: int, sizes: list[int], k: int, settings: Settings) -> None:
    """``(c (κ + c₀) + 0.3 I)⁻¹ r``."""
    known = scene(seed, sizes, k).known
    kernel, r = oracles.kernel(known.labels, known.labels), np.random.default_rng(seed).normal(size=(k, 3))
    covariance = [
        [settings.scale * (kernel[i, j] + settings.intercept) + (NOISE if i == j else 0.0) for j in range(k)]
        for i in range(k)
    ]
    assert np.allclose(solve(kernel, r, settings), np.linalg.inv(covariance) @ r)


@given(SEEDS, st.integers(1, 4), st.integers(0, 5), SETTINGS)
@briefly
def test_spreading_is_a_sum_over_labels(seed: int, n: int, k: int, settings: Settings) -> None:
    """``c Σ_i (κ(x, x_i) + c₀) w_i`` for each text and answer."""
    rng = np.random.default_rng(seed)
    kernel, weights = rng.uniform(size=(n, k)), rng.normal(size=(k, 3))
    found = propagate(kernel, weights, settings)
    for x in range(n):
        for y in range(3):
            summed = sum((kernel[x, i] + settings.intercept) * weights[i, y] for i in range(k))
            assert np.isclose(found[x, y], settings.scale * summed)


@given(SEEDS, SIZES, LABELS, st.booleans())
@briefly
def test_kinship_is_the_co_treatment_kernel(seed: int, sizes: list[int], k: int, text: bool) -> None:
    """κ of each text and each label, whether answers are labels or texts."""
    made = scene(seed, sizes, k, text=text)
    found = co_treatment_kernel(fit(made.support, made.answer, made.standing, PLAIN), made.texts)
    assert np.allclose(found, oracles.kernel(made.told, made.known.labels), atol=1e-5)


@given(SEEDS, SIZES, LABELS, SETTINGS, st.booleans())
@briefly
def test_prediction_is_the_posterior_mean(seed: int, sizes: list[int], k: int, settings: Settings, text: bool) -> None:
    """``V(x, ·)`` is that of steps D to F, computed label by label and institution by institution.

    Where answers are texts, learning in the space of their unit vectors is learning answer by answer and mixing then.
    """
    made = scene(seed, sizes, k, settings, text=text)
    expected = [oracles.expectation(one, made.known, made.texts.answers) for one in made.told]
    fitted = fit(made.support, made.answer, made.standing, settings)
    found = predict(fitted, made.texts)
    assert found.shape == (TEXTS, 3 if text else made.texts.answers)
    assert fitted.weights.shape == (k, found.shape[1])
    assert np.allclose(found, expected, rtol=1e-4, atol=1e-5 if text else 1e-8)


@given(SEEDS, SIZES, SETTINGS, st.booleans())
@briefly
def test_without_labels_the_posterior_is_the_prior(seed: int, sizes: list[int], settings: Settings, text: bool) -> None:
    """With no label the prediction is the consensus under the prior's weights, of texts the mean of their vectors."""
    made = scene(seed, sizes, 0, text=text)
    fitted = fit(made.support, made.answer, made.standing, settings)
    expected = consensus(made.texts, attention(made.texts, made.standing, settings.coverage or UNLABELLED_TEMPERATURE))
    if text:
        meaning = random_meaning(seed, made.texts.answers)
        expected = np.array([oracles.mean_meaning(dict(enumerate(row)), meaning) for row in expected.tolist()])
    assert np.allclose(predict(fitted, made.texts), expected)


@given(SEEDS, SIZES, LABELS, SETTINGS, st.none() | st.lists(st.booleans(), min_size=4, max_size=4))
@briefly
def test_plausibility_is_a_product_of_four(
    seed: int, sizes: list[int], k: int, settings: Settings, listed: list[bool] | None
) -> None:
    """How well an answer fits: what is expected, how much the institution uses it, what neighbours and words say.

    The last three count by the settings' exponents; an answer that isn't listed counts ten-thousandth.
    """
    made = scene(seed, sizes, k, settings)
    fitted = fit(made.support, made.answer, made.standing, settings, None if listed is None else np.array(listed))
    expected = [oracles.fits(text, made.known._replace(listed=listed), made.texts.answers) for text in made.told]
    asked, mean = every_answer(made.texts), predict(fitted, made.texts)
    weight = experts(fitted.usage, made.texts, asked, settings, fitted.listed)
    found = fits_of_answers(mean, weight, made.texts, asked)
    assert np.allclose(found, expected)
    assert np.array_equal(answer_scores(fitted, made.texts, asked), found)
    assert np.array_equal(answer_scores(fitted, made.texts, asked, co_treatment_kernel(fitted, made.texts)), found)
    assert (found > 0).all()


@given(SEEDS, SIZES, LABELS, SETTINGS)
@briefly
def test_a_text_is_plausible_where_it_is_near_what_is_expected(
    seed: int, sizes: list[int], k: int, settings: Settings
) -> None:
    """``exp(cos(Σ_y V(x, y) φ(y), φ(y)) / 0.6)``, whatever the usage and the vote."""
    made = scene(seed, sizes, k, settings, text=True)
    expected = np.array([oracles.fits(one, made.known, made.texts.answers) for one in made.told])
    found = answer_scores(fit(made.support, made.answer, made.standing, settings), made.texts, every_answer(made.texts))
    assert np.allclose(found, expected, rtol=1e-3)


@given(SEEDS, SIZES, LABELS, st.integers(0, 7), st.booleans())
@briefly
def test_answers_asked_about_fit_as_they_do_among_all(seed: int, sizes: list[int], k: int, m: int, text: bool) -> None:
    """Asking about some answers, in any order and repeatedly, picks from how well all of them fit.

    A negative answer, which stands for none, changes nothing beside it and makes nothing infinite.
    """
    made, rng = scene(seed, sizes, k, text=text), np.random.default_rng(seed)
    fitted = fit(made.support, made.answer, made.standing, PLAIN, rng.random(made.texts.answers) < 0.5)
    asked = rng.integers(-2, made.texts.answers, size=(TEXTS, m))
    every, found = (answer_scores(fitted, made.texts, some) for some in (every_answer(made.texts), asked))
    assert found.shape == asked.shape
    assert np.isfinite(found).all()
    assert (found > 0).all()
    for x, place in zip(*np.nonzero(asked >= 0), strict=True):
        assert found[x, place] == pytest.approx(every[x, asked[x, place]], rel=1e-4 if text else 1e-12)


def test_a_lift_that_is_asked_for_must_be_there() -> None:
    """Settings that use the regression refuse a profile without it; nothing is left out in silence."""
    made, settings = scene(3, [6, 7], 4), replace(PLAIN, lift=0.5)
    fitted = fit(made.support, made.answer, made.standing, settings)
    with pytest.raises(ValueError, match="lift"):
        answer_scores(fitted, replace(made.texts, lift=None), every_answer(made.texts))


@pytest.mark.parametrize("text", [False, True])
def test_without_labels_no_answer_is_used_more_than_another(text: bool) -> None:
    """Log ratios of usage are 0 before any label."""
    made = scene(3, [6, 7], 0, text=text)
    assert usage(made.support, made.answer, made.standing).tolist() == [0.0] * 4


def test_labels_raise_the_answers_they_use() -> None:
    """An answer that every label gives is used more than expected, one that none gives less."""
    made = scene(3, [6, 7], 6)
    ratios = usage(made.support, np.zeros(6, int), made.standing)
    assert ratios[0] > 0
    assert (ratios[1:] < 0).all()


def test_no_text_is_used_more_than_another() -> None:
    """Where answers are texts log ratios of usage are 0, whatever the labels use."""
    made = scene(3, [6, 7], 6, text=True)
    assert usage(made.support, np.zeros(6, int), made.standing).tolist() == [0.0] * 4


def test_a_list_without_an_answer_leaves_it_a_last_resort() -> None:
    """Where a list is known, an answer outside of it counts ten-thousandth; the others count the same."""
    made = scene(3, [6, 7], 4)
    free, bound = (
        answer_scores(
            fit(made.support, made.answer, made.standing, PLAIN, listed), made.texts, every_answer(made.texts)
        )
        for listed in (None, np.array([True, False, True, True]))
    )
    assert np.allclose(bound[:, 1], free[:, 1] * UNLISTED)
    assert np.array_equal(bound[:, [0, 2, 3]], free[:, [0, 2, 3]])


@given(SEEDS, SIZES, LABELS, SETTINGS)
@briefly
def test_predictions_sum_to_one(seed: int, sizes: list[int], k: int, settings: Settings) -> None:
    """Residuals sum to 0, so what is expected of all answers together is 1."""
    made = scene(seed, sizes, k)
    fitted = fit(made.support, made.answer, made.standing, settings)
    assert np.allclose(predict(fitted, made.texts).sum(axis=1), 1)


@given(SEEDS, SIZES, st.permutations(range(5)), SETTINGS)
@briefly
def test_the_order_of_labels_changes_nothing(seed: int, sizes: list[int], order: list[int], settings: Settings) -> None:
    """Labels are a set: permuting them leaves what is predicted and how plausible it is."""
    made = scene(seed, sizes, 5)
    one = fit(made.support, made.answer, made.standing, settings)
    other = fit(made.support.take(np.array(order)), made.answer[order], made.standing, settings)
    assert np.allclose(predict(one, made.texts), predict(other, made.texts))
    asked = every_answer(made.texts)
    assert np.allclose(answer_scores(one, made.texts, asked), answer_scores(other, made.texts, asked))


def test_a_label_answers_its_own_text() -> None:
    """At a label's own text the answer is expected ``c / (c + 0.3)`` of the way from the prior to the label."""
    settings = Settings(0.0, 1.0, 0.05)
    made = scene(4, [6, 7], 1, settings)
    prior = oracles.prior_mean(made.known.labels[0], made.known, made.support.answers)
    (y,) = made.answer
    there = prior[y] + (1 - prior[y]) / (1 + NOISE)
    assert predict(fit(made.support, made.answer, made.standing, settings), made.support)[0, y] == pytest.approx(there)


def test_an_intercept_speaks_for_texts_that_nobody_treats_alike() -> None:
    """Where κ is 0 a label says nothing of a text, but with an intercept c₀ its residual counts c₀ everywhere."""
    kernel, r = np.zeros((1, 1)), np.array([[0.5, -0.5]])
    alone, common = Settings(0.0, 1.0, 0.05), Settings(0.0, 1.0, 0.05, intercept=2.0)
    assert not propagate(kernel, solve(kernel, r, alone), alone).any()
    assert propagate(kernel, solve(kernel, r, common), common) == pytest.approx(2 / (2 + NOISE) * r)


def test_two_labels_that_contradict_each_other_are_noise() -> None:
    """The same text labelled in two ways is no error: each answer is expected about half."""
    made = scene(5, [6, 7], 1)
    twice = made.support.take(np.array([0, 0]))
    fitted = fit(twice, np.array([0, 1]), made.standing, Settings(0.0, 100.0, 0.05))
    expected = predict(fitted, made.support)[0]
    assert expected[[0, 1]] == pytest.approx([0.5, 0.5], abs=0.01)
    assert len(expected) == made.support.answers


SCORES = st.floats(0, 1)


def scored_fits(made: Scene, settings: Settings, score: np.ndarray) -> np.ndarray:
    """How well every answer fits each of the support's texts, where its answers earned some scores."""
    fitted = fit(made.support, made.answer, made.standing, settings, score=score)
    return answer_scores(fitted, made.support, every_answer(made.support))


@given(SEEDS, SIZES, st.integers(1, 6), SETTINGS, st.booleans())
@briefly
def test_a_score_of_one_is_a_label(seed: int, sizes: list[int], k: int, settings: Settings, text: bool) -> None:
    """Where every score is 1 the posterior is that of as many labels."""
    made = scene(seed, sizes, k, settings, text=text)
    hard = fit(made.support, made.answer, made.standing, settings)
    soft = fit(made.support, made.answer, made.standing, settings, score=np.ones(k))
    for name in ("evidence", "weights", "usage"):
        assert np.allclose(getattr(soft, name), getattr(hard, name), rtol=0, atol=1e-9)


@given(SEEDS, SIZES, st.lists(SCORES, min_size=1, max_size=6))
@briefly
def test_targets_follow_jeffreys_rule(seed: int, sizes: list[int], scores: list[float]) -> None:
    """The answer becomes as probable as its score; the others share the rest as they were expected to."""
    made = scene(seed, sizes, len(scores))
    mean = np.random.default_rng(seed).dirichlet(np.ones(4), size=len(scores))
    target = mean + residuals(mean, made.answer, score=np.array(scores))
    for i, (s, y) in enumerate(zip(scores, made.answer.tolist(), strict=True)):
        others = 1 - mean[i, y]
        expected = [s if z == y else (1 - s) * mean[i, z] / others for z in range(4)]
        assert np.allclose(target[i], expected, atol=1e-9)


def test_where_nothing_else_was_expected_nobody_gets_the_rest() -> None:
    """An answer that was certain and is rejected leaves no other in its place."""
    mean = np.array([[1.0, 0.0]])
    assert residuals(mean, np.array([0]), score=np.array([0.25])).tolist() == [[-0.75, 0.0]]


@given(SEEDS, SIZES, st.lists(SCORES, min_size=1, max_size=6))
@briefly
def test_a_rejected_text_loses_what_was_expected_of_it(seed: int, sizes: list[int], scores: list[float]) -> None:
    """A score of 0 takes away the component along the answer, if positive, and a residual is never long."""
    made = scene(seed, sizes, len(scores), text=True)
    rng, meaning = np.random.default_rng(seed), random_meaning(seed)
    mean = rng.normal(size=(len(scores), 3))
    mean *= rng.uniform(size=(len(scores), 1)) / np.linalg.norm(mean, axis=1, keepdims=True)
    told = meaning[made.answer].astype(float)
    rejected = mean + residuals(mean, made.answer, meaning, np.zeros(len(scores)))
    assert np.allclose((rejected * told).sum(axis=1), np.minimum((mean * told).sum(axis=1), 0), atol=1e-6)
    assert (np.linalg.norm(residuals(mean, made.answer, meaning, np.array(scores)), axis=1) <= 2 + 1e-6).all()


@given(SEEDS, SIZES, SETTINGS, SCORES, SCORES)
@briefly
def test_the_better_the_score_the_more_plausible_the_answer(
    seed: int, sizes: list[int], settings: Settings, one: float, other: float
) -> None:
    """At its own text an answer fits no worse for a higher score, as long as whom to believe is settled (b = 0)."""
    made = scene(seed, sizes, 4, replace(settings, belief=0.0))
    rest = np.random.default_rng(seed).uniform(size=3)
    low, high = (scored_fits(made, replace(settings, belief=0.0), np.append(s, rest))[0] for s in sorted((one, other)))
    y = made.answer[0]
    assert low[y] / low.sum() <= high[y] / high.sum() * (1 + 1e-9)


@given(SEEDS, SIZES, SETTINGS, SCORES, SCORES)
@briefly
def test_the_better_the_score_the_more_of_a_text_is_expected(
    seed: int, sizes: list[int], settings: Settings, one: float, other: float
) -> None:
    """At its own text what is expected goes no less far in the answer's direction for a higher score (b = 0).

    Its cosine may still fall, as what other labels say of the text weighs more where less is expected besides.
    """
    settled = replace(settings, belief=0.0)
    made = scene(seed, sizes, 4, settled, text=True)
    assert made.support.meaning is not None
    rest = np.random.default_rng(seed).uniform(size=3)
    fits = (
        fit(made.support, made.answer, made.standing, settled, score=np.append(s, rest)) for s in sorted((one, other))
    )
    low, high = (predict(fitted, made.support)[0] @ made.support.meaning[made.answer[0]] for fitted in fits)
    assert low <= high + 1e-9


@given(SEEDS, SIZES, SCORES, SCORES)
@briefly
def test_a_better_score_speaks_for_those_that_say_so(seed: int, sizes: list[int], one: float, other: float) -> None:
    """Between institutions that know a text alike, a higher score moves belief to the one that gives the answer more.

    A score of a half says nothing about whom to believe.
    """
    made = scene(seed, sizes, 1)
    support = replace(made.support, coverage=np.full_like(made.support.coverage, 0.7))
    low, high = (evidence(support, made.answer, 0.05, np.array([s]))[0] for s in sorted((one, other)))
    order = np.argsort(replies_to(support, made.answer)[0])
    assert (np.diff((high - low)[order]) >= -1e-12).all()
    assert not evidence(support, made.answer, 0.05, np.array([0.5])).any()


@given(SEEDS, SIZES, st.lists(SCORES, min_size=5, max_size=5), st.permutations(range(5)), SETTINGS, st.booleans())
@briefly
def test_the_order_of_scores_changes_nothing(
    seed: int, sizes: list[int], scores: list[float], order: list[int], settings: Settings, text: bool
) -> None:
    """Scored answers are a set, as labels are."""
    made, score, rows = scene(seed, sizes, 5, text=text), np.array(scores), np.array(order)
    one = fit(made.support, made.answer, made.standing, settings, score=score)
    other = fit(made.support.take(rows), made.answer[rows], made.standing, settings, score=score[rows])
    assert np.allclose(predict(one, made.texts), predict(other, made.texts), atol=1e-6)


@given(SEEDS, SIZES, st.lists(SCORES, min_size=4, max_size=4), st.permutations(range(4)), SETTINGS)
@briefly
def test_names_of_answers_are_only_names(
    seed: int, sizes: list[int], scores: list[float], names: list[int], settings: Settings
) -> None:
    """Renaming all answers renames what is plausible, and changes nothing else."""
    pool, score, new = random_pool(seed, sizes), np.array(scores), np.array(names)
    renamed = replace(pool, answer=new[pool.answer])
    answer, standing = random_answers(seed, pool, 4), np.zeros(len(sizes))
    found = []
    for one, given_answer in ((pool, answer), (renamed, new[answer])):
        lift = NormalEquations(one).solve(range(len(sizes))).lift(unit_vectors(seed + 1, 4), one.answers)
        support = replace(random_profile(seed, one, 4)[0], lift=lift)
        found.append(
            answer_scores(fit(support, given_answer, standing, settings, score=score), support, every_answer(support))
        )
    assert np.allclose(found[1][:, new], found[0], rtol=1e-3)

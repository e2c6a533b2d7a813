"""The guard rehearses honestly, tries every arm, and lets learning in only where it pays."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import SEEDS, SIZES, BagOfWords, Known, briefly, hospitals, random_answers, random_pool, random_profile

from metachain.demonstration import Demonstration
from metachain.guard import ARMS, LABELS, NEAREST, QUERIES, Draw, _expectations, arm_scores, best_arm, draws
from metachain.kriging import Settings, fit, plausibility, predict
from metachain.pool import make_pool
from metachain.prior import Lesson, learn_lesson, transfer_matrix
from metachain.similarity import hybrid_vectors, lexical_vectors
from metachain.study import Study
from metachain.transfer import redundancy


def study_of(demonstrations: list[Demonstration]) -> Study:
    """Every row of some demonstrations looked up, with the tiny encoder."""
    texts = [one.input for one in demonstrations]
    pool = make_pool(demonstrations, hybrid_vectors(BagOfWords().encode(texts), lexical_vectors(texts)))
    return Study.of(pool, np.arange(len(texts)))


def lesson_of(demonstrations: list[Demonstration]) -> Lesson:
    """What the guard learns from some demonstrations."""
    study = study_of(demonstrations)
    return learn_lesson(study, transfer_matrix(study), np.arange(len(study.pool.institutions)))


def test_the_arms_are_those_of_step_h() -> None:
    """Every (b, c, ε) of the grid is an arm, once; nearest neighbours are the first; ε matters not where b is 0."""
    grid = {
        (b, c, 0.05 if b == 0 else slip)
        for b in (0, 0.1, 0.3, 1)
        for c in (0, 0.03, 0.1, 0.3, 1)
        for slip in (0.05, 0.2)
    }
    assert ARMS[0] is NEAREST
    assert {(arm.belief, arm.scale, arm.slip) for arm in ARMS[1:] if arm} == grid
    assert len(ARMS) == 1 + len(grid)


@given(SEEDS, SIZES, st.integers(0, 5))
@briefly
def test_every_arm_expects_what_its_own_posterior_predicts(seed: int, sizes: list[int], k: int) -> None:
    """What arms share is computed once, and yet each finds exactly what ``fit`` and ``predict`` of its settings do."""
    pool = random_pool(seed, sizes)
    profile, _ = random_profile(seed, pool, k + 3)
    support, query = profile.take(np.arange(k)), profile.take(np.arange(k, k + 3))
    answer, weights = random_answers(seed, pool, k), -np.random.default_rng(seed).uniform(size=len(sizes))
    found = dict(_expectations(support, answer, query, weights))
    assert set(found) == {arm for arm in ARMS if arm}
    for arm, fits in found.items():
        fitted = fit(support, answer, weights, arm)
        assert np.allclose(fits, plausibility(predict(fitted, query), fitted.usage, query.vote))


@given(st.integers(1, 100), st.sampled_from(["a", "west wing", "größe"]))
@briefly
def test_rehearsals_never_ask_about_their_own_labels(size: int, name: str) -> None:
    """Support and queries are rows of the institution and share none; supports are nested and at most half."""
    own = [Demonstration(name, f"text {number % 60}", "a", str(number)) for number in range(size)]
    pool = make_pool([Demonstration("another", "x", "a"), *own], np.zeros((size + 1, 2), np.float32))
    institution = pool.institutions.index(name)
    made = draws(pool, institution)
    assert len(made) == (6 if size >= 2 else 0)
    for draw in made:
        assert draw.institution == institution
        assert set(draw.support) | set(draw.query) <= set(pool.rows[institution])
        assert not set(pool.text[draw.support]) & set(pool.text[draw.query])
        assert len(draw.support) == min(draw.labels, max(LABELS), size // 2)
        assert 1 <= len(draw.query) <= QUERIES
        assert len(set(draw.query)) == len(draw.query)
    for less, more in pairwise(made):
        if less.labels < more.labels:
            assert more.support[: len(less.support)].tolist() == less.support.tolist()
            assert more.query.tolist() == less.query.tolist()


def slow_arm_score(study: Study, draw: Draw, past: np.ndarray, arm: Settings | None) -> float:
    """Share of the draw's queries that one arm answers right, query by query."""
    pool, right = study.pool, 0
    own = draw.support.tolist()
    others = [row for row in range(len(pool.owner)) if pool.owner[row] in past]
    told = oracles.replies(study.near(np.concatenate([draw.query, draw.support]), past), pool.answer)
    labels = told[len(draw.query) :]
    ell = redundancy(transfer_matrix(study), past).tolist()
    for place, row in enumerate(draw.query):
        if arm is NEAREST:
            near = sorted((float(pool.vectors[row] @ pool.vectors[other]), other) for other in others + own)[-8:]
            said = oracles.vote([h for h, _ in near], [int(pool.answer[other]) for _, other in near])
        else:
            known = Known(labels, pool.answer[own].tolist(), ell, arm)
            said = int(np.argmax(oracles.fits(told[place], known, len(pool.answers))))
        right += said == pool.answer[row]
    return right / len(draw.query)


@pytest.mark.parametrize("labels", [0, 4])
def test_arm_scores_are_shares_answered_right(labels: int) -> None:
    """Each arm's score is that of answering query by query; one query may fall either way where answers tie."""
    study = study_of(hospitals(3, 16, seed=4))
    draw = next(one for one in draws(study.pool, 0) if one.labels == labels)
    past = np.array([1, 2])
    scores = arm_scores(study, draw, past, transfer_matrix(study))
    for number in (0, 1, 3, 5, 12, 24, len(ARMS) - 1):
        assert scores[number] == pytest.approx(
            slow_arm_score(study, draw, past, ARMS[number]), abs=1.01 / len(draw.query)
        )
    exact = [slow_arm_score(study, draw, past, arm) == pytest.approx(scores[ARMS.index(arm)]) for arm in ARMS[:6]]
    assert sum(exact) >= 5


def test_the_best_mean_wins_and_the_plainer_of_two_that_tie() -> None:
    """The arm with the best mean over rehearsals is taken, the earlier where the last bits alone differ."""
    one, other = np.zeros(len(ARMS)), np.zeros(len(ARMS))
    one[3], other[3], other[7] = 0.5, 0.5, 0.9
    assert best_arm([one, other]) == ARMS[3]
    other[7] = 1.0 + 1e-13
    assert best_arm([one, other]) == ARMS[3]
    other[7] = 1.1
    assert best_arm([one, other]) == ARMS[7]


def test_without_rehearsals_nothing_is_learned() -> None:
    """No score, or only equal ones, keep plain nearest neighbours."""
    assert best_arm([]) is NEAREST
    assert best_arm([np.full(len(ARMS), 0.7)] * 3) is NEAREST


def test_institutions_that_are_all_the_same_have_nothing_to_teach() -> None:
    """Where the same texts have the same answers everywhere, plain nearest neighbours stay."""
    made = hospitals(1, 30)
    copies = [replace(one, institution=f"hospital {number}") for number in range(4) for one in made]
    lesson = lesson_of(copies)
    assert lesson.settings is NEAREST
    assert not lesson.trusts_consensus


def test_one_constant_answer_has_nothing_to_teach() -> None:
    """Where everybody always gives one answer, plain nearest neighbours stay."""
    lesson = lesson_of([replace(one, output="same") for one in hospitals(4, 20)])
    assert (lesson.settings, lesson.trusts_consensus) == (NEAREST, False)
    assert (lesson.scores == 1).all()


def test_who_rehearses_is_not_among_its_own_past() -> None:
    """Where every institution has answers of its own, rehearsing without labels answers nothing right."""
    lesson = lesson_of([replace(one, output=f"{one.output} at {one.institution}") for one in hospitals(4, 20)])
    assert (lesson.scores[LABELS.index(0)] == 0).all()
    assert (lesson.scores[LABELS.index(4)] > 0).any()


def test_systems_that_contradict_each_other_let_learning_in() -> None:
    """Where half of the answers depend on the system, an arm that learns does best with labels."""
    lesson = lesson_of(hospitals(6, 40))
    assert lesson.settings is not NEAREST
    learned = lesson.scores[:, ARMS.index(lesson.settings)]
    assert (learned[1:] > lesson.scores[1:, 0] + 0.1).all()


@pytest.mark.parametrize("sizes", [[30], [1, 1, 1], [30, 1]])
def test_too_little_to_rehearse_on_is_no_reason_to_learn(sizes: list[int]) -> None:
    """One institution, or institutions of one demonstration, teach nothing but raise nothing."""
    made = [one for number, size in enumerate(sizes) for one in hospitals(3, 30)[30 * number : 30 * number + size]]
    lesson = lesson_of(made)
    assert lesson.scores.shape == (len(LABELS), len(ARMS))
    if sizes != [30, 1]:
        assert lesson.settings is NEAREST
        assert np.isnan(lesson.scores).all()

"""The guard rehearses honestly, tries every arm, and lets learning in only where it pays."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import (
    SEEDS,
    SIZES,
    BagOfWords,
    Known,
    Replies,
    briefly,
    hospitals,
    note_writers,
    random_answers,
    random_meaning,
    random_pool,
    random_profile,
)

from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import hybrid_vectors, lexical_vectors
from metachain.learning.answer_fits import answer_scores
from metachain.learning.calibration import UNCALIBRATED, Calibration
from metachain.learning.candidates import Candidates, Profiles
from metachain.learning.episodes import ALIKE_TRANSFER, LABELS, QUERIES, Episode, all_episodes, episodes_of
from metachain.learning.gaussian_process import PLAIN, Settings, fit
from metachain.learning.guard import (
    ARMS,
    BELIEFS,
    COMMON,
    CONSTANT,
    INTERCEPTS,
    NEAREST,
    SCALES,
    SHARPNESSES,
    SHOTS,
    SLIPS,
    _fits_by_arm,
    _mean_shown,
    arm_scores,
    best_arm,
    flattest,
    likeliest_answers,
    mean_scores,
    sharpness_scores,
)
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.pool import make_pool
from metachain.learning.prior import GuardResult, run_guard, transfer_matrix
from metachain.learning.transfer import prior_log_weights
from metachain.scoring.metrics import token_f1

WELL = Settings(0.3, 1.0, 0.05)


def study_of(demonstrations: list[Demonstration]) -> NeighbourTable:
    """Every row of some demonstrations looked up, with the tiny encoder."""
    texts = [one.input for one in demonstrations]
    pool = make_pool(demonstrations, hybrid_vectors(BagOfWords().encode(texts), lexical_vectors(texts)))
    return NeighbourTable.of(pool, np.arange(len(texts)))


def lesson_of(demonstrations: list[Demonstration]) -> GuardResult:
    """What the guard learns from some demonstrations."""
    study = study_of(demonstrations)
    return run_guard(study, transfer_matrix(study), np.arange(len(study.pool.institutions)))


def test_the_arms_are_those_of_step_h() -> None:
    """Every (b, c, ε) of the grid is an arm, once; nearest neighbours are the first; ε matters not where b is 0.

    With the smaller ε and a large enough c, each is tried with an intercept too.
    """
    grid = {(b, c, SLIPS[0] if b == 0 else slip, 0.0) for b in BELIEFS for c in SCALES for slip in SLIPS}
    grid |= {(b, c, SLIPS[0], c0) for b in BELIEFS for c in SCALES for c0 in INTERCEPTS if c >= CONSTANT}
    assert ARMS[0] is NEAREST
    assert {(arm.belief, arm.scale, arm.slip, arm.intercept) for arm in ARMS[1:] if arm} == grid
    assert len(ARMS) == 1 + len(grid)
    assert {(arm.usage, arm.vote, arm.lift, arm.coverage) for arm in ARMS if arm} == {tuple(COMMON.values())}


@given(SEEDS, SIZES, st.integers(0, 5), st.integers(1, 6), st.booleans())
@briefly
def test_every_arm_judges_as_its_own_posterior(seed: int, sizes: list[int], k: int, m: int, text: bool) -> None:
    """What arms share is computed once, and yet each finds what ``fit`` and ``answer_scores`` of its settings do.

    Whichever answers are asked about, those of candidates that aren't there among them.
    """
    pool = random_pool(seed, sizes)
    profile, _ = random_profile(seed, pool, k + 3, meaning=random_meaning(seed) if text else None)
    support, query = profile.take(np.arange(k)), profile.take(np.arange(k, k + 3))
    answer, weights = random_answers(seed, pool, k), -np.random.default_rng(seed).uniform(size=len(sizes))
    asked = np.random.default_rng(seed + 1).integers(-1, len(pool.answers), size=(3, m))
    found = dict(_fits_by_arm(Profiles(support, query), answer, weights, asked))
    assert set(found) == {arm for arm in ARMS if arm}
    for arm, fits in found.items():
        assert np.allclose(fits, answer_scores(fit(support, answer, weights, arm), query, asked), rtol=1e-4)


@given(st.integers(1, 100), st.sampled_from(["a", "west wing", "größe"]))
@briefly
def test_rehearsals_never_ask_about_their_own_labels(size: int, name: str) -> None:
    """Support and queries are rows of the institution and share none; supports are nested and at most half."""
    own = [Demonstration(name, f"text {number % 60}", "a", str(number)) for number in range(size)]
    pool = make_pool([Demonstration("another", "x", "a"), *own], np.zeros((size + 1, 2), np.float32))
    institution = pool.institutions.index(name)
    made = episodes_of(pool, institution, np.array([1 - institution]))
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


def slow_fits(study: NeighbourTable, draw: Episode, arm: Settings) -> list[list[float]]:
    """How well every answer fits each of the draw's queries, by steps A to F."""
    pool = study.pool
    near = study.near(np.concatenate([draw.query, draw.support]), draw.past)
    told: list[Replies] = oracles.replies(near, pool.answer, pool.meaning)
    if pool.meaning is None:
        asked = np.concatenate([draw.query, draw.support])
        told = oracles.with_lifts(told, oracles.lifts(pool, draw.past.tolist(), pool.vectors[asked]))
    texts, labels = told[: len(draw.query)], told[len(draw.query) :]
    weights = prior_log_weights(transfer_matrix(study), draw.past).tolist()
    known = Known(labels, pool.answer[draw.support].tolist(), weights, arm)
    return [oracles.fits(text, known, len(pool.answers)) for text in texts]


def slow_candidates(study: NeighbourTable, draw: Episode) -> list[list[tuple[float, int]]]:
    """Similarity and answer of the labels and of every institution's nearest, for each query."""
    vectors, answer = study.pool.vectors, study.pool.answer
    found = []
    for query in draw.query:
        own = [(round(float(vectors[query] @ vectors[row]), 5), int(answer[row])) for row in draw.support]
        for number in draw.past:
            rows = [row for row in range(len(answer)) if study.pool.owner[row] == number]
            near = sorted((-round(float(vectors[query] @ vectors[row]), 5), row) for row in rows)[:8]
            own += [(-h, int(answer[row])) for h, row in near]
        found.append(own)
    return found


def slow_shown(candidates: list[tuple[float, int]], fits: list[float] | None) -> list[int]:
    """Texts shown for one query, best first: by ``p ** 10 exp(h / 0.1)``, or by h alone where ``fits`` is None."""
    if fits is None:
        return [y for _, y in sorted(candidates, key=lambda pair: -pair[0])[:SHOTS]]
    probable = oracles.plausible(fits, [y for _, y in candidates])
    weight = [10 * math.log(p) + h / 0.1 for p, (h, _) in zip(probable, candidates, strict=True)]
    return [candidates[place][1] for place in sorted(range(len(weight)), key=lambda c: -weight[c])[:SHOTS]]


def slow_arm_score(study: NeighbourTable, draw: Episode, arm: Settings | None) -> float:
    """Share of the draw's queries that one arm answers right, query by query."""
    right = 0
    judged = slow_fits(study, draw, arm or PLAIN)
    for row, fits, candidates in zip(draw.query, judged, slow_candidates(study, draw), strict=True):
        if arm is NEAREST:
            near = sorted(candidates, key=lambda pair: pair[0])[-SHOTS:]
            said = oracles.vote([h for h, _ in near], [y for _, y in near])
        else:
            said = int(np.argmax(fits))
        right += said == study.pool.answer[row]
    return right / len(draw.query)


def slow_likeness(study: NeighbourTable, draw: Episode, arm: Settings | None) -> float:
    """Token F1 of the texts that one arm shows with the right ones: the mean over the best, and over all shown."""
    pool, best, every = study.pool, [], []
    assert pool.meaning is not None
    judged = slow_fits(study, draw, arm or PLAIN)
    for row, fits, candidates in zip(draw.query, judged, slow_candidates(study, draw), strict=True):
        shown = slow_shown(candidates, fits if arm else None)
        near = [token_f1(pool.answers[y], pool.demonstrations[row].output) for y in shown]
        best.append(near[0])
        every += near
    return sum(best) / len(best) / 2 + sum(every) / len(every) / 2


@pytest.mark.parametrize("labels", [0, 4])
def test_arm_scores_are_shares_answered_right(labels: int) -> None:
    """Each arm's score is that of answering query by query; one query may fall either way where answers tie."""
    study = study_of(hospitals(3, 16, seed=4))
    draw = next(one for one in episodes_of(study.pool, 0, np.array([1, 2])) if one.labels == labels)
    scores = arm_scores(study, draw, transfer_matrix(study))
    for number in (0, 1, 3, 5, 12, 24, len(ARMS) - 1):
        assert scores[number] == pytest.approx(slow_arm_score(study, draw, ARMS[number]), abs=1.01 / len(draw.query))
    exact = [abs(slow_arm_score(study, draw, arm) - scores[ARMS.index(arm)]) < 1e-5 for arm in ARMS[:6]]
    assert sum(exact) >= 5


@pytest.mark.parametrize(("each", "labels"), [(16, 0), (16, 4), (3, 0), (3, 4)])
def test_arm_scores_of_texts_are_likeness_to_the_right_ones(each: int, labels: int) -> None:
    """Where answers are texts each arm's score is token F1 of what it shows, the best one counting as much as all.

    Where there are fewer demonstrations than can be shown, those that there are count.
    """
    study = study_of(note_writers(3, each, seed=4))
    assert study.pool.meaning is not None
    draw = next(one for one in episodes_of(study.pool, 0, np.array([1, 2])) if one.labels == labels)
    scores = arm_scores(study, draw, transfer_matrix(study))
    for number in (0, 1, 3, 8, 24, len(ARMS) - 1):
        assert scores[number] == pytest.approx(slow_likeness(study, draw, ARMS[number]), abs=1e-4)


def test_the_best_text_shown_is_the_first_that_was_kept() -> None:
    """Where the first choice was dropped as implausible, or there is none, the next one counts as the best."""
    answer = np.array([[4, 9, -1, 2], [3, 5, 7, -1]])
    candidates = Candidates(np.maximum(answer, -1), np.zeros((2, 4)), answer)
    worth = np.array([[0.9, 0.3, 0.8, 0.1], [0.5, 0.7, 0.2, 0.6]])
    found = _mean_shown(worth, candidates, np.array([[-1, 2, 1, 3], [1, -1, 3, -1]]))
    assert found == pytest.approx((0.3 + 0.7) / 2 / 2 + (0.3 + 0.1 + 0.7) / 3 / 2)


@pytest.mark.parametrize("labels", [0, 4])
def test_forecasts_are_of_the_likeliest_answers(labels: int) -> None:
    """For each query each of the 8 likeliest answers comes once, with its probability, and is right or not."""
    study = study_of(hospitals(3, 16, seed=4))
    draw = next(one for one in episodes_of(study.pool, 0, np.array([1, 2])) if one.labels == labels)
    found = likeliest_answers(study, draw, transfer_matrix(study), WELL)
    expected = []
    judged = slow_fits(study, draw, WELL)
    for row, fits, candidates in zip(draw.query, judged, slow_candidates(study, draw), strict=True):
        answers = [y for _, y in candidates]
        probable = dict(zip(answers, oracles.plausible(fits, answers), strict=True))
        likeliest = sorted(probable.values(), reverse=True)[:SHOTS]
        expected.append((likeliest, probable.get(int(study.pool.answer[row]), 0.0) in likeliest))
    assert np.allclose(found.probability, [p for some, _ in expected for p in some])
    assert found.labels == labels
    assert found.right.sum() == sum(hit for _, hit in expected)
    assert 0 < found.right.sum() < len(found.right)


@pytest.mark.parametrize("labels", [0, 4])
def test_sharpness_scores_are_of_a_vote_and_of_the_answers_shown(labels: int) -> None:
    """Each sharpness by what it shows, query by query; the sharpest shows the right answer least often."""
    study = study_of(hospitals(3, 16, seed=4))
    draw = next(one for one in episodes_of(study.pool, 0, np.array([1, 2])) if one.labels == labels)
    calibration = Calibration(0.1, 0.9)
    scores = sharpness_scores(study, draw, transfer_matrix(study), WELL, calibration)
    judged, every = slow_fits(study, draw, WELL), slow_candidates(study, draw)
    for number, sharpness in enumerate(SHARPNESSES):
        voted = among = 0
        for row, fits, candidates in zip(draw.query, judged, every, strict=True):
            near, answers = [h for h, _ in candidates], [y for _, y in candidates]
            sure = calibration.of(np.array(oracles.plausible(fits, answers))) ** sharpness
            shown = [place for place in oracles.choice(near, sure.tolist(), answers, SHOTS) if place >= 0]
            shown_answers = [answers[place] for place in shown]
            among += study.pool.answer[row] in shown_answers
            voted += oracles.vote([near[place] for place in shown], shown_answers, 0.1) == study.pool.answer[row]
        n = len(draw.query)
        assert scores[number] == pytest.approx([voted / n, among / n], abs=1.01 / n)
    assert (np.diff(scores[:, 1]) <= 0).all()


def test_the_flattest_costs_a_reader_that_votes_less_than_two_points() -> None:
    """By hand: the first whose vote is within that of the sharpest one's; 1 where nothing was rehearsed."""
    recall = np.linspace(0.9, 0.6, len(SHARPNESSES))
    loss = np.array([0.03, 0.021, 0.019, 0.0, 0.022, 0.0, 0.0])
    scores = np.stack([0.7 - loss, recall], axis=1)
    assert flattest([scores, scores]) == SHARPNESSES[2]
    assert flattest([np.stack([0.7 + loss, recall], axis=1)]) == SHARPNESSES[0]
    assert flattest([]) == 1.0


def slow_episodes(study: NeighbourTable, transfer: np.ndarray, past: list[int]) -> list[Episode]:
    """Each institution's draws beside all others, and beside those unlike it where some are and two are left."""
    made = []
    for number in past:
        others = [one for one in past if one != number]
        unlike = [one for one in others if (transfer[number, one] + transfer[one, number]) / 2 < ALIKE_TRANSFER]
        companies = [some for some in (others, unlike) if some is others or 2 <= len(some) < len(others)]
        for draw in episodes_of(study.pool, number, np.array(others)):
            made += [replace(draw, past=np.array(some)) for some in companies]
    return made


@given(SEEDS, st.integers(0, 6))
@briefly
def test_rehearsals_leave_out_those_that_answer_alike(seed: int, size: int) -> None:
    """Each is left out alone, and again with all that are like it, unless nobody is or fewer than two remain."""
    study = study_of(hospitals(6, 4))
    transfer = np.random.default_rng(seed).uniform(ALIKE_TRANSFER - 0.3, ALIKE_TRANSFER + 0.2, size=(6, 6))
    past = np.random.default_rng(seed).permutation(6)[:size]
    found = all_episodes(study.pool, transfer, past)
    expected = slow_episodes(study, transfer, past.tolist()) if size > 1 else []
    assert len(found) == len(expected)
    for draw, same in zip(found, expected, strict=True):
        assert (draw.institution, draw.labels, draw.query.tolist()) == (
            same.institution,
            same.labels,
            same.query.tolist(),
        )
        assert draw.past.tolist() == same.past.tolist()


def test_a_lesson_is_the_mean_over_all_rehearsals() -> None:
    """Scores, the arm chosen and the calibrations are those of rehearsing one by one, with and without those alike."""
    study = study_of(hospitals(4, 40))
    transfer, past = transfer_matrix(study), [0, 1, 2, 3]
    made = slow_episodes(study, transfer, past)
    assert {len(one.past) for one in made} == {2, 3}
    lesson = run_guard(study, transfer, np.array(past))
    for place, labels in enumerate(LABELS):
        scores = [arm_scores(study, draw, transfer) for draw in made if draw.labels == labels]
        assert np.allclose(lesson.scores[place], np.mean(scores, axis=0))
    assert lesson.settings == best_arm([lesson.scores[1], lesson.scores[2]])
    assert lesson.trusts_consensus == (best_arm([lesson.scores[0]]) is not NEAREST)
    for k in (0, 7):
        found = [
            likeliest_answers(study, draw, transfer, lesson.settings or PLAIN)
            for draw in made
            if bool(draw.labels) == bool(k)
        ]
        probability, right = ([getattr(one, name) for one in found] for name in ("probability", "right"))
        assert lesson.calibration(k) == Calibration.learn(np.concatenate(probability), np.concatenate(right))
        assert lesson.calibration(k) != UNCALIBRATED
    assert lesson.settings is not NEAREST
    learned = [draw for draw in made if lesson.admits(draw.labels)]
    scores = [
        sharpness_scores(study, draw, transfer, lesson.settings, lesson.calibration(draw.labels)) for draw in learned
    ]
    assert lesson.sharpness == flattest(scores)
    assert lesson.sharpness_with(4) == lesson.sharpness
    assert (lesson.sharpness_with(0) is None) == (not lesson.trusts_consensus)


def test_systems_that_write_differently_let_learning_in() -> None:
    """Where answers are texts whose phrases depend on the system, an arm that learns does best with labels.

    How near a text comes is no probability, so nothing is calibrated.
    """
    lesson = lesson_of(note_writers(4, 16))
    assert lesson.settings is not NEAREST
    learned = lesson.scores[:, ARMS.index(lesson.settings)]
    assert (learned[1:] > lesson.scores[1:, 0] + 0.2).all()
    assert (lesson.unlabelled, lesson.labelled) == (UNCALIBRATED, UNCALIBRATED)


def test_the_best_mean_wins_and_the_plainer_of_two_that_tie() -> None:
    """The arm with the best mean over rehearsals is taken, the earlier where the last bits alone differ."""
    one, other = np.zeros(len(ARMS)), np.zeros(len(ARMS))
    one[3], other[3], other[7] = 0.5, 0.5, 0.9
    assert best_arm([one, other]) == ARMS[3]
    other[7] = 1.0 + 1e-13
    assert best_arm([one, other]) == ARMS[3]
    other[7] = 1.1
    assert best_arm([one, other]) == ARMS[7]


def test_a_mean_of_scores_and_of_sums_is_that_of_all_scores() -> None:
    """Scores that are known by their sum and number count as much as those that are known one by one."""
    scores = np.random.default_rng(0).uniform(size=(7, len(ARMS)))
    assert mean_scores(scores).tobytes() == np.mean(scores, axis=0).tobytes()
    for known in range(7):
        sums, further = scores[known:].sum(axis=0), 7 - known
        assert np.allclose(mean_scores(list(scores[:known]), sums, further), scores.mean(axis=0))
        assert best_arm(list(scores[:known]), sums, further) == best_arm(list(scores))
    assert np.isnan(mean_scores([])).all()


def test_withoutrehearsals_nothing_is_learned() -> None:
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
    assert np.allclose(lesson.scores, 1, atol=1e-5)


def test_who_rehearses_is_not_among_its_own_past() -> None:
    """Where every institution has answers of its own, rehearsing without labels answers nothing right."""
    lesson = lesson_of([replace(one, output=f"{one.output} at {one.institution}") for one in hospitals(4, 20)])
    assert np.allclose(lesson.scores[LABELS.index(0)], 0, atol=1e-5)
    assert (lesson.scores[LABELS.index(4)] > 0.01).any()


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

"""What every selector of an evaluation shows, against looking at every demonstration, and against production."""

import re
from collections.abc import Sequence
from dataclasses import replace
from math import log, sqrt
from pathlib import Path

import numpy as np
import oracles
import pytest
from langchain_core.vectorstores.utils import maximal_marginal_relevance
from oracles import unit_vectors
from slow_selectors import (
    LABELLED,
    MADE,
    NOTES,
    QUERY,
    SETTINGS,
    SUPPORT,
    TARGET,
    UNLABELLED,
    candidates,
    dense_of,
    labels,
    queries_of,
    slow_choice,
    slow_plausible,
    trial_of,
)

from metachain.data.demonstration import Demonstration
from metachain.embedding.encoder import Encoder
from metachain.embedding.similarity import LEXICAL_DIMENSIONS
from metachain.evaluation.selectors import (
    ON_REQUEST,
    SELECTORS,
    HeldOutQueries,
    Trial,
    _plausible,
    shown_with_probability,
)
from metachain.learning.gaussian_process import PLAIN, Settings
from metachain.learning.policy import VERDICT
from metachain.learning.posterior import adapt
from metachain.learning.prior import GuardResult, learn, run_guard, transfer_matrix
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE
from metachain.selection.selection import Selection
from metachain.selection.selector import Selector

EVERY = {**SELECTORS, **ON_REQUEST}


def dot(one: np.ndarray, other: np.ndarray) -> float:
    """Inner product, number by number."""
    return sum(float(a) * float(b) for a, b in zip(one, other, strict=True))


def slow_nearby(trial: Trial, query: int, rows: Sequence[int]) -> list[tuple[float, int]]:
    """Similarity, to four decimals, and row of each candidate, nearest first; of an institution's twins the first."""
    pool, seen, kept = trial.queries.knowledge.table.pool, set(), []
    for row in rows:
        one = pool.demonstrations[row]
        if (one.institution, one.input, one.output) not in seen:
            kept.append((round(dot(pool.vectors[query], pool.vectors[row]), 4), row))
        seen.add((one.institution, one.input, one.output))
    return sorted(kept, key=lambda pair: -pair[0])


@pytest.fixture(scope="module")
def queries() -> HeldOutQueries:
    """The target among three past hospitals."""
    return queries_of(MADE, dense_of(MADE))


@labels
def test_semantic_is_dense_brute_force(queries: HeldOutQueries, k: int) -> None:
    """``semantic`` shows the past and own demonstrations with the largest dense cosine, the largest first."""
    trial, dense = trial_of(queries, k), dense_of(queries.knowledge.table.pool.demonstrations)
    shown = SELECTORS["semantic"](trial)
    for query, rows in zip(queries.episode.query, shown, strict=True):
        cosines = [dot(dense[query], dense[row]) for row in rows]
        assert set(rows) <= set(candidates(trial))
        assert len(set(rows)) == 5
        best = sorted((dot(dense[query], dense[row]) for row in candidates(trial)), reverse=True)[:5]
        assert cosines == pytest.approx(best, abs=1e-5)


@labels
def test_bm25_is_brute_force(queries: HeldOutQueries, k: int) -> None:
    """``bm25`` shows the demonstrations with the highest BM25 score."""
    trial = trial_of(queries, k)
    scores = (queries.knowledge.words @ queries.knowledge.bm25.T).toarray()
    for query, rows in zip(queries.episode.query, SELECTORS["bm25"](trial), strict=True):
        best = sorted((scores[query, row] for row in candidates(trial)), reverse=True)[:5]
        assert [scores[query, row] for row in rows] == pytest.approx(best)
        assert len(set(rows)) == 5


@labels
def test_mmr_is_langchains(k: int) -> None:
    """``mmr`` shows what LangChain's function picks from the 20 dense nearest of past and own demonstrations."""
    dense = unit_vectors(0, len(MADE), 9)
    trial = trial_of(queries_of(MADE, dense), k)
    pool = trial.queries.knowledge.table.pool
    vector = dict(zip(MADE, dense, strict=True))
    for query, rows in zip(trial.episode.query, SELECTORS["mmr"](trial), strict=True):
        asked = vector[pool.demonstrations[query]]
        near = sorted(candidates(trial), key=lambda row: -dot(asked, vector[pool.demonstrations[row]]))[:20]
        picked = maximal_marginal_relevance(asked, [vector[pool.demonstrations[row]] for row in near], k=5)
        assert rows.tolist() == [near[place] for place in picked]


def slow_meta_sel(trial: Trial, rows: Sequence[int]) -> dict[tuple[int, int], tuple[float, float]]:
    """TF-IDF cosine, and words of the shorter input over those of the longer, of each pair of rows, word by word."""
    pool, past = trial.knowledge.table.pool, trial.knowledge.rows.tolist()
    words = [re.findall(r"\w+", one.input.lower()) for one in pool.demonstrations]
    known = {word: sum(word in words[row] for row in past) for word in {word for one in words for word in one}}
    idf = {word: log((1 + len(past)) / (1 + count)) + 1 for word, count in known.items()}

    def inner(one: int, other: int) -> float:
        return sum(words[one].count(word) * words[other].count(word) * idf[word] ** 2 for word in set(words[one]))

    def features(one: int, other: int) -> tuple[float, float]:
        lengths = sorted((len(words[one]), len(words[other])))
        return inner(one, other) / sqrt(inner(one, one) * inner(other, other)), lengths[0] / lengths[1]

    return {(one, other): features(one, other) for one in rows for other in range(len(words))}


@labels
@pytest.mark.parametrize("made", [MADE, NOTES], ids=["labels", "texts"])
def test_meta_sel_is_a_regression_on_two_features(made: Sequence[Demonstration], k: int) -> None:
    """``meta_sel`` shows the candidates with the highest log-odds of the features; they are learned from the past."""
    trial = trial_of(queries_of(made, dense_of(made)), k)
    features, learned = slow_meta_sel(trial, trial.episode.query.tolist()), trial.knowledge.meta_sel
    assert made is NOTES or learned.weights[0] > 0
    for query, rows in zip(trial.episode.query.tolist(), ON_REQUEST["meta_sel"](trial), strict=True):
        odds = {row: float(np.dot(learned.weights, features[query, row])) for row in candidates(trial)}
        assert [odds[row] for row in rows] == pytest.approx(sorted(odds.values(), reverse=True)[:5])


@labels
def test_hybrid_is_brute_force(queries: HeldOutQueries, k: int) -> None:
    """``hybrid`` shows the most similar of past and own demonstrations; of several institutions that agree, all."""
    trial = trial_of(queries, k)
    pool = queries.knowledge.table.pool
    for query, rows in zip(queries.episode.query, SELECTORS["hybrid"](trial), strict=True):
        best = [h for h, _ in slow_nearby(trial, query, candidates(trial))[:5]]
        assert [dot(pool.vectors[query], pool.vectors[row]) for row in rows] == pytest.approx(best, abs=2e-4)
        shown = [pool.demonstrations[row] for row in rows]
        assert len({(one.institution, one.input, one.output) for one in shown}) == 5


@labels
def test_support_shows_own_labels_only(queries: HeldOutQueries, k: int) -> None:
    """``support`` shows the institution's own labels, nearest first, and nothing else."""
    trial = trial_of(queries, k)
    for query, rows in zip(queries.episode.query, SELECTORS["support"](trial), strict=True):
        expected = [row for _, row in slow_nearby(trial, query, trial.episode.support.tolist())[:5]]
        assert rows.tolist() == expected


@labels
def test_oracle_shows_right_answers_first(queries: HeldOutQueries, k: int) -> None:
    """``oracle`` shows the nearest candidates with the right answer, and others only after them."""
    trial = trial_of(queries, k)
    answer = queries.knowledge.table.pool.answer
    for query, rows, near in zip(queries.episode.query, SELECTORS["oracle"](trial), trial.candidates.rows, strict=True):
        right = [bool(answer[row] == answer[query]) for row in rows]
        assert right == sorted(right, reverse=True)
        assert sum(right) == min(5, sum(answer[row] == answer[query] for row in near if row >= 0))


def test_zero_shows_nothing_and_random_anything(queries: HeldOutQueries) -> None:
    """``zero`` shows nothing; ``random`` shows distinct candidates, any of them, and the same from the same state."""
    assert SELECTORS["zero"](trial_of(queries, 6)).shape == (14, 0)
    first, again = (SELECTORS["random"](trial_of(queries, 6, 30)) for _ in range(2))
    assert np.array_equal(first, again)
    assert {len(set(rows)) for rows in first} == {30}
    assert set(first.ravel()) == set(candidates(trial_of(queries, 6)))


@labels
@pytest.mark.parametrize("settings", [SETTINGS, None])
def test_verdict_shows_the_likeliest_answer_alone(settings: Settings | None, k: int) -> None:
    """``verdict`` shows one answer, the first of ``metachain``; plain neighbours where the guard refuses learning.

    Another answer is shown only if it is as probable as the first within a twentieth.
    """
    trial = trial_of(queries_of(MADE, dense_of(MADE), settings), k, 3)
    answer = trial.knowledge.table.pool.answer
    shown, ours = ON_REQUEST["verdict"](trial), SELECTORS["metachain"](trial)
    if settings is None:
        assert np.array_equal(shown, ours)
    else:
        _, probability = _plausible(trial, k, VERDICT)
        likely = np.where(probability >= 0.95 * probability[:, :1], shown, -1)
        assert np.array_equal(likely, shown)
        assert [answer[rows[0]] for rows in shown] == [answer[rows[0]] for rows in ours]
        alone = [len(set(answer[rows[rows >= 0]].tolist())) == 1 for rows in shown]
        assert sum(alone) >= len(alone) - 1


@labels
@pytest.mark.parametrize("selector", ["metachain", "prior", "scratch"])
def test_learned_selectors_are_those_of_the_formulas(queries: HeldOutQueries, selector: str, k: int) -> None:
    """They show what steps A to G choose: with all labels, with none, and with the past as one pool."""
    trial = trial_of(queries, k)
    taught = 0 if selector == "prior" else k
    shown = SELECTORS[selector](trial).tolist()
    assert shown == slow_choice(trial, slow_plausible(trial, taught, pooled=selector == "scratch"), taught)


@labels
@pytest.mark.parametrize("selector", ["metachain", "prior", "scratch"])
def test_learned_selectors_of_texts_are_those_of_the_formulas(selector: str, k: int) -> None:
    """The same where answers are texts, which fit by how near they come to what is expected."""
    queries = queries_of(NOTES, dense_of(NOTES))
    assert queries.knowledge.table.pool.meaning is not None
    trial = trial_of(queries, k)
    taught = 0 if selector == "prior" else k
    shown = SELECTORS[selector](trial).tolist()
    assert shown == slow_choice(trial, slow_plausible(trial, taught, pooled=selector == "scratch"), taught)


@labels
def test_a_listed_institution_is_known_to_give_some_answers_only(queries: HeldOutQueries, k: int) -> None:
    """``listed`` is told which answers the institution gives at all; an answer outside of them is a last resort.

    Institutions that give the same answers count most.
    """
    trial, pool = trial_of(queries, k), queries.knowledge.table.pool
    own = {one.output for one in pool.demonstrations if one.institution == TARGET}
    known = [answer in own for answer in pool.answers]
    parts = (
        queries.knowledge.redundancy,
        queries.knowledge.screening,
        oracles.sharing(pool, queries.knowledge.past.tolist(), own),
    )
    standing = [sum(weights) for weights in zip(*parts, strict=True)]
    shown = ON_REQUEST["listed"](trial)
    assert shown.tolist() == slow_choice(trial, slow_plausible(trial, k, standing=standing, listed=known), k)
    assert shown.tolist() != SELECTORS["metachain"](trial).tolist()
    assert not ON_REQUEST.keys() & SELECTORS.keys()


@labels
@pytest.mark.parametrize("settings", [SETTINGS, None])
def test_explained_gives_each_answer_its_calibrated_probability(settings: Settings | None, k: int) -> None:
    """``σ(a + g logit p)`` of the answer's probability among the candidates; a and g are others without labels.

    Where the guard refuses learning, probabilities are those of the plain settings.
    """
    trial = trial_of(queries_of(MADE, dense_of(MADE), settings), k)
    shown, probability = shown_with_probability(trial)
    assert np.array_equal(shown, SELECTORS["metachain"](trial))
    raw = slow_plausible(trial, k, settings=settings or PLAIN)
    calibration = LABELLED if k else UNLABELLED
    for rows, found, near, probable in zip(shown, probability, trial.candidates.rows, raw, strict=True):
        by_row = dict(zip(near.tolist(), probable, strict=True))
        for row, one in zip(rows.tolist(), found.tolist(), strict=True):
            expected = 0.0
            if row >= 0:
                odds = by_row[row] / (1 - by_row[row])
                expected = 1 / (1 + np.exp(-calibration.intercept) * odds**-calibration.slope)
            assert one == pytest.approx(expected, abs=1e-4)


@labels
def test_the_guard_switches_to_plain_neighbours(k: int) -> None:
    """Where the guard refuses learning, ``metachain`` and ``prior`` show what ``hybrid`` shows."""
    trial = trial_of(queries_of(MADE, dense_of(MADE), None), k)
    for selector in ("metachain", "prior"):
        assert np.array_equal(SELECTORS[selector](trial), SELECTORS["hybrid"](trial))


@pytest.mark.parametrize("selector", EVERY)
@pytest.mark.parametrize("shots", [1, 8, 500])
def test_only_candidates_are_shown_and_none_twice(queries: HeldOutQueries, selector: str, shots: int) -> None:
    """Whatever the selector and however many shots, past and own demonstrations alone are shown, each once."""
    trial = trial_of(queries, 6, shots)
    for query, rows in zip(queries.episode.query, EVERY[selector](trial), strict=True):
        there = [row for row in rows if row >= 0]
        assert len(rows) <= shots
        assert set(there) <= set(candidates(trial)) - {query}
        assert len(set(there)) == len(there)


@pytest.mark.parametrize("selector", EVERY)
def test_permuting_demonstrations_changes_nothing(queries: HeldOutQueries, selector: str) -> None:
    """However the demonstrations were ordered, each selector shows the same rows in the same order."""
    order = np.random.default_rng(0).permutation(len(MADE))
    made = [MADE[place] for place in order]
    other = queries_of(made, dense_of(MADE)[order])
    shown = [EVERY[selector](trial_of(one, 6)) for one in (queries, other)]
    assert np.array_equal(*shown)


class TestProduction:
    """The evaluation's own selectors against ``Selector`` on a library, with the real encoder."""

    @staticmethod
    def shown_by_library(
        library: Library, made: Sequence[Demonstration], settings: Settings | None, k: int, *, listed: bool = False
    ) -> list[Selection]:
        """What ``Selector`` shows for the target's queries; with ``listed`` it is told the answers it gives at all."""
        own = sorted((one for one in made if one.institution == TARGET), key=lambda one: one.id)
        library.add([one for one in made if one.institution != TARGET], share=EVERYONE)
        prior = learn(library)
        lesson = GuardResult(settings, settings is not None, prior.lesson.scores, UNLABELLED, LABELLED)
        library.add(own[SUPPORT][:k], share=EVERYONE)
        if listed:
            library.list_answers(TARGET, [one.output for one in own], force=True)
        selector = Selector(library, adapt(replace(prior, lesson=lesson), library, TARGET), 5)
        return selector.select_many([one.input for one in own[QUERY]])

    @labels
    @pytest.mark.parametrize(
        ("selector", "settings"),
        [("metachain", SETTINGS), ("metachain", None), ("hybrid", None), ("listed", SETTINGS)],
    )
    @pytest.mark.parametrize("made", [MADE, NOTES], ids=["labels", "texts"])
    def test_the_evaluation_shows_what_production_shows(
        self,
        tmp_path: Path,
        encoder: Encoder,
        made: Sequence[Demonstration],
        selector: str,
        settings: Settings | None,
        k: int,
    ) -> None:
        """For the same labels and the same lesson both choose the same demonstrations in the same order."""
        with Library.open(tmp_path / "library.db", encoder) as library:
            chosen = self.shown_by_library(library, made, settings, k, listed=selector == "listed")
            queries = queries_of(made, library.vectors(made), settings)
        shown = EVERY[selector](trial_of(queries, k))
        pool = queries.knowledge.table.pool
        found = [[pool.demonstrations[row] for row in rows if row >= 0] for rows in shown]
        assert found == [list(one.demonstrations[::-1]) for one in chosen]

    @labels
    @pytest.mark.parametrize("settings", [SETTINGS, None])
    def test_the_evaluation_is_as_sure_as_production(
        self, tmp_path: Path, encoder: Encoder, settings: Settings | None, k: int
    ) -> None:
        """Both give each answer that they show the same probability."""
        with Library.open(tmp_path / "library.db", encoder) as library:
            chosen = self.shown_by_library(library, MADE, settings, k)
            queries = queries_of(MADE, library.vectors(MADE), settings)
        for selection, found in zip(chosen, shown_with_probability(trial_of(queries, k))[1], strict=True):
            expected = [one.plausibility for one in selection.chosen[::-1]]
            assert found[found > 0].tolist() == pytest.approx(expected, abs=1e-3)

    def test_the_evaluation_learns_what_production_learns(self, tmp_path: Path, encoder: Encoder) -> None:
        """Transfer and lesson without the target are those of a library that never held it."""
        past = [one for one in MADE if one.institution != TARGET]
        with Library.open(tmp_path / "library.db", encoder) as library:
            library.add(past, share=EVERYONE)
            prior, dense = learn(library), library.vectors(MADE)
        study = queries_of(MADE, dense).knowledge.table
        transfer = transfer_matrix(study)
        lesson = run_guard(study, transfer, np.arange(3))
        assert np.allclose(transfer[:3, :3], prior.transfer, atol=1e-4)
        assert np.allclose(lesson.scores, prior.lesson.scores, atol=0.02)
        assert (lesson.settings, lesson.trusts_consensus) == (prior.lesson.settings, prior.lesson.trusts_consensus)
        assert dense.shape[1] + LEXICAL_DIMENSIONS == study.pool.vectors.shape[1]

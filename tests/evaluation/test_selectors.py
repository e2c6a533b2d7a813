"""What every selector of an evaluation shows, against looking at every demonstration, and against production."""

from collections.abc import Sequence
from dataclasses import replace
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
    episode_of,
    ground_of,
    labels,
    slow_choice,
    slow_plausible,
)

from metachain.data.demonstration import Demonstration
from metachain.embedding.encoder import Encoder
from metachain.embedding.similarity import LEXICAL_DIMENSIONS
from metachain.evaluation.selectors import INFORMED, SELECTORS, Episode, Ground, explained
from metachain.learning.gaussian_process import PLAIN, Settings
from metachain.learning.posterior import adapt
from metachain.learning.prior import GuardResult, learn, run_guard, transfer_matrix
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE
from metachain.selection.selection import Selection
from metachain.selection.selector import Selector


def dot(one: np.ndarray, other: np.ndarray) -> float:
    """Inner product, number by number."""
    return sum(float(a) * float(b) for a, b in zip(one, other, strict=True))


def slow_nearby(episode: Episode, query: int, rows: Sequence[int]) -> list[tuple[float, int]]:
    """Similarity, to four decimals, and row of each candidate, nearest first; of twins the first alone."""
    pool, seen, kept = episode.ground.study.pool, set(), []
    for row in rows:
        one = pool.demonstrations[row]
        if (one.input, one.output) not in seen:
            kept.append((round(dot(pool.vectors[query], pool.vectors[row]), 4), row))
        seen.add((one.input, one.output))
    return sorted(kept, key=lambda pair: -pair[0])


@pytest.fixture(scope="module")
def ground() -> Ground:
    """The target among three past hospitals."""
    return ground_of(MADE, dense_of(MADE))


@labels
def test_semantic_is_dense_brute_force(ground: Ground, k: int) -> None:
    """``semantic`` shows the past and own demonstrations with the largest dense cosine, the largest first."""
    episode, dense = episode_of(ground, k), dense_of(ground.study.pool.demonstrations)
    shown = SELECTORS["semantic"](episode)
    for query, rows in zip(ground.query, shown, strict=True):
        cosines = [dot(dense[query], dense[row]) for row in rows]
        assert set(rows) <= set(candidates(episode))
        assert len(set(rows)) == 5
        best = sorted((dot(dense[query], dense[row]) for row in candidates(episode)), reverse=True)[:5]
        assert cosines == pytest.approx(best, abs=1e-5)


@labels
def test_bm25_is_brute_force(ground: Ground, k: int) -> None:
    """``bm25`` shows the demonstrations with the highest BM25 score."""
    episode = episode_of(ground, k)
    scores = (ground.words @ ground.bm25.T).toarray()
    for query, rows in zip(ground.query, SELECTORS["bm25"](episode), strict=True):
        best = sorted((scores[query, row] for row in candidates(episode)), reverse=True)[:5]
        assert [scores[query, row] for row in rows] == pytest.approx(best)
        assert len(set(rows)) == 5


@labels
def test_mmr_is_langchains(k: int) -> None:
    """``mmr`` shows what LangChain's function picks from the 20 dense nearest of past and own demonstrations."""
    dense = unit_vectors(0, len(MADE), 9)
    episode = episode_of(ground_of(MADE, dense), k)
    pool = episode.ground.study.pool
    vector = dict(zip(MADE, dense, strict=True))
    for query, rows in zip(episode.ground.query, SELECTORS["mmr"](episode), strict=True):
        asked = vector[pool.demonstrations[query]]
        near = sorted(candidates(episode), key=lambda row: -dot(asked, vector[pool.demonstrations[row]]))[:20]
        picked = maximal_marginal_relevance(asked, [vector[pool.demonstrations[row]] for row in near], k=5)
        assert rows.tolist() == [near[place] for place in picked]


@labels
def test_hybrid_is_brute_force(ground: Ground, k: int) -> None:
    """``hybrid`` shows the most similar of past and own demonstrations, each text and answer once."""
    episode = episode_of(ground, k)
    pool = ground.study.pool
    for query, rows in zip(ground.query, SELECTORS["hybrid"](episode), strict=True):
        best = [h for h, _ in slow_nearby(episode, query, candidates(episode))[:5]]
        assert [dot(pool.vectors[query], pool.vectors[row]) for row in rows] == pytest.approx(best, abs=2e-4)
        assert len({(pool.demonstrations[row].input, pool.answer[row]) for row in rows}) == 5


@labels
def test_support_shows_own_labels_only(ground: Ground, k: int) -> None:
    """``support`` shows the institution's own labels, nearest first, and nothing else."""
    episode = episode_of(ground, k)
    for query, rows in zip(ground.query, SELECTORS["support"](episode), strict=True):
        expected = [row for _, row in slow_nearby(episode, query, episode.support.tolist())[:5]]
        assert rows.tolist() == expected


@labels
def test_oracle_shows_right_answers_first(ground: Ground, k: int) -> None:
    """``oracle`` shows the nearest candidates with the right answer, and others only after them."""
    episode = episode_of(ground, k)
    answer = ground.study.pool.answer
    for query, rows, near in zip(ground.query, SELECTORS["oracle"](episode), episode.nearby[0], strict=True):
        right = [bool(answer[row] == answer[query]) for row in rows]
        assert right == sorted(right, reverse=True)
        assert sum(right) == min(5, sum(answer[row] == answer[query] for row in near if row >= 0))


def test_zero_shows_nothing_and_random_anything(ground: Ground) -> None:
    """``zero`` shows nothing; ``random`` shows distinct candidates, any of them, and the same from the same state."""
    assert SELECTORS["zero"](episode_of(ground, 6)).shape == (14, 0)
    first, again = (SELECTORS["random"](episode_of(ground, 6, 30)) for _ in range(2))
    assert np.array_equal(first, again)
    assert {len(set(rows)) for rows in first} == {30}
    assert set(first.ravel()) == set(candidates(episode_of(ground, 6)))


@labels
@pytest.mark.parametrize("selector", ["metachain", "prior", "scratch"])
def test_learned_selectors_are_those_of_the_formulas(ground: Ground, selector: str, k: int) -> None:
    """They show what steps A to G choose: with all labels, with none, and with the past as one pool."""
    episode = episode_of(ground, k)
    taught = 0 if selector == "prior" else k
    shown = SELECTORS[selector](episode).tolist()
    assert shown == slow_choice(episode, slow_plausible(episode, taught, pooled=selector == "scratch"))


@labels
@pytest.mark.parametrize("selector", ["metachain", "prior", "scratch"])
def test_learned_selectors_of_texts_are_those_of_the_formulas(selector: str, k: int) -> None:
    """The same where answers are texts, which fit by how near they come to what is expected."""
    ground = ground_of(NOTES, dense_of(NOTES))
    assert ground.study.pool.meaning is not None
    episode = episode_of(ground, k)
    taught = 0 if selector == "prior" else k
    shown = SELECTORS[selector](episode).tolist()
    assert shown == slow_choice(episode, slow_plausible(episode, taught, pooled=selector == "scratch"))


@labels
def test_a_listed_institution_is_known_to_give_some_answers_only(ground: Ground, k: int) -> None:
    """``listed`` is told which answers the institution gives at all; an answer outside of them is a last resort.

    Institutions that give the same answers count most.
    """
    episode, pool = episode_of(ground, k), ground.study.pool
    own = {one.output for one in pool.demonstrations if one.institution == TARGET}
    known = [answer in own for answer in pool.answers]
    parts = ground.redundancy, ground.screening, oracles.sharing(pool, ground.past.tolist(), own)
    standing = [sum(weights) for weights in zip(*parts, strict=True)]
    shown = INFORMED["listed"](episode)
    assert shown.tolist() == slow_choice(episode, slow_plausible(episode, k, standing=standing, listed=known))
    assert shown.tolist() != SELECTORS["metachain"](episode).tolist()
    assert "listed" not in SELECTORS


@labels
@pytest.mark.parametrize("settings", [SETTINGS, None])
def test_explained_gives_each_answer_its_calibrated_probability(settings: Settings | None, k: int) -> None:
    """``σ(a + g logit p)`` of the answer's probability among the candidates; a and g are others without labels.

    Where the guard refuses learning, probabilities are those of the plain settings.
    """
    episode = episode_of(ground_of(MADE, dense_of(MADE), settings), k)
    shown, probability = explained(episode)
    assert np.array_equal(shown, SELECTORS["metachain"](episode))
    raw = slow_plausible(episode, k, settings=settings or PLAIN)
    calibration = LABELLED if k else UNLABELLED
    for rows, found, near, probable in zip(shown, probability, episode.nearby[0], raw, strict=True):
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
    episode = episode_of(ground_of(MADE, dense_of(MADE), None), k)
    for selector in ("metachain", "prior"):
        assert np.array_equal(SELECTORS[selector](episode), SELECTORS["hybrid"](episode))


@pytest.mark.parametrize("selector", SELECTORS)
@pytest.mark.parametrize("shots", [1, 8, 500])
def test_only_candidates_are_shown_and_none_twice(ground: Ground, selector: str, shots: int) -> None:
    """Whatever the selector and however many shots, past and own demonstrations alone are shown, each once."""
    episode = episode_of(ground, 6, shots)
    for query, rows in zip(ground.query, SELECTORS[selector](episode), strict=True):
        there = [row for row in rows if row >= 0]
        assert len(rows) <= shots
        assert set(there) <= set(candidates(episode)) - {query}
        assert len(set(there)) == len(there)


@pytest.mark.parametrize("selector", SELECTORS)
def test_permuting_demonstrations_changes_nothing(ground: Ground, selector: str) -> None:
    """However the demonstrations were ordered, each selector shows the same rows in the same order."""
    order = np.random.default_rng(0).permutation(len(MADE))
    made = [MADE[place] for place in order]
    other = ground_of(made, dense_of(MADE)[order])
    shown = [SELECTORS[selector](episode_of(one, 6)) for one in (ground, other)]
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
            library.list_answers(TARGET, [one.output for one in own])
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
            ground = ground_of(made, library.vectors(made), settings)
        shown = {**SELECTORS, **INFORMED}[selector](episode_of(ground, k))
        pool = ground.study.pool
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
            ground = ground_of(MADE, library.vectors(MADE), settings)
        for selection, found in zip(chosen, explained(episode_of(ground, k))[1], strict=True):
            expected = [one.plausibility for one in selection.chosen[::-1]]
            assert found[found > 0].tolist() == pytest.approx(expected, abs=1e-3)

    def test_the_evaluation_learns_what_production_learns(self, tmp_path: Path, encoder: Encoder) -> None:
        """Transfer and lesson without the target are those of a library that never held it."""
        past = [one for one in MADE if one.institution != TARGET]
        with Library.open(tmp_path / "library.db", encoder) as library:
            library.add(past, share=EVERYONE)
            prior, dense = learn(library), library.vectors(MADE)
        study = ground_of(MADE, dense).study
        transfer = transfer_matrix(study)
        lesson = run_guard(study, transfer, np.arange(3))
        assert np.allclose(transfer[:3, :3], prior.transfer, atol=1e-4)
        assert np.allclose(lesson.scores, prior.lesson.scores, atol=0.02)
        assert (lesson.settings, lesson.trusts_consensus) == (prior.lesson.settings, prior.lesson.trusts_consensus)
        assert dense.shape[1] + LEXICAL_DIMENSIONS == study.pool.vectors.shape[1]

"""The selection kernel: candidates against a slow oracle, and every caller's way through it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import SEEDS, briefly, hospitals, random_pool, unit_vectors
from slow_selectors import MADE, TARGET, dense_of, queries_of, trial_of
from stage import studied

from metachain import EVERYONE, Library, Selector, adapt, learn
from metachain.data.demonstration import Demonstration
from metachain.embedding.encoder import Encoder
from metachain.evaluation.selectors import SELECTORS
from metachain.learning.candidates import Candidates, episode_candidates
from metachain.learning.episodes import episodes_of
from metachain.learning.index import InstitutionIndex
from metachain.learning.neighbours import NEIGHBOURS, NeighbourTable
from metachain.learning.policy import DEFAULT, Policy
from metachain.learning.pool import make_pool
from metachain.learning.prior import run_guard, transfer_matrix
from metachain.selection.rehearsal import RehearsalSet


@given(SEEDS, st.booleans())
@briefly
def test_candidates_are_the_labels_and_each_institutions_nearest(seed: int, alone: bool) -> None:
    """Own labels first; of rows with the same twin the first only, unless repetitions are wanted."""
    pool = random_pool(seed, [6, 5, 7])
    twin = np.random.default_rng(seed).integers(0, 6, len(pool.owner))
    vectors, own = unit_vectors(seed + 1, 3), np.array([[0, 1], [-1, 2], [3, -1]])
    near = InstitutionIndex(pool).nearest(vectors, NEIGHBOURS)
    similarity = vectors @ pool.vectors.T
    found = Candidates.gather(
        own,
        np.take_along_axis(similarity, own, axis=1),
        near,
        pool.answer.__getitem__,
        twin.__getitem__ if alone else None,
    )
    for query in range(3):
        rows = [*own[query].tolist(), *near.rows[query].ravel().tolist()]
        seen: set[int] = set()
        expected = []
        for row in rows:
            kept = row >= 0 and (not alone or int(twin[row]) not in seen)
            expected.append(row if kept else -1)
            seen |= {int(twin[row])} if row >= 0 else set()
        assert found.rows[query].tolist() == (expected if alone else rows)
        for row, answer, near_by in zip(expected, found.answer[query], found.similarity[query], strict=True):
            assert answer == (pool.answer[row] if row >= 0 else -1)
            assert near_by == pytest.approx(similarity[query, row] if row >= 0 else -np.inf, abs=1e-5)
        assert found.take(query).rows.tolist() == [found.rows[query].tolist()]


def test_twins_are_of_one_institution() -> None:
    """Case and spaces don't tell twins apart; another answer or institution does."""
    made = [
        ("a", "MRI  brain", "1"),
        ("a", "mri brain", "1"),
        ("a", "mri brain", "2"),
        ("b", "Mri Brain ", "1"),
        ("b", "mri brain", "1"),
    ]
    pool = make_pool([Demonstration(*one) for one in made], np.zeros((5, 2), np.float32))
    keys = [(one.institution, one.input.lower().split(), one.output) for one in pool.demonstrations]
    assert pool.twin.tolist() == [keys.index(key) for key in keys]
    assert len(set(pool.twin.tolist())) == 3
    assert make_pool([], np.zeros((0, 2), np.float32)).twin.tolist() == []


def test_an_episode_shows_nothing_of_its_institution_but_its_labels() -> None:
    """Candidates of a held-out episode are rows of its past, and of its support."""
    queries = queries_of(MADE, dense_of(MADE))
    table, target = queries.knowledge.table, queries.episode.institution
    for episode in episodes_of(table.pool, target, queries.episode.past):
        rows = episode_candidates(table, episode).rows
        owned = rows[(rows >= 0) & (table.pool.owner[rows] == target)]
        assert set(owned.tolist()) <= set(episode.support.tolist())


def by_production(tmp_path: Path, encoder: Encoder) -> None:
    """Select from a library."""
    with Library.open(tmp_path / "library.db", encoder) as library:
        library.add([one for one in MADE if one.institution != TARGET], share=EVERYONE)
        posterior = adapt(learn(library), library, TARGET)
        calls.clear()
        Selector(library, posterior).select("ultrasound of the knee")


def by_evaluation(*_: Any) -> None:
    """Select for an evaluation."""
    SELECTORS["metachain"](trial_of(queries_of(MADE, dense_of(MADE)), 4))


def by_the_guard(*_: Any) -> None:
    """Rehearse every arm."""
    made = hospitals(3, 16, seed=4)
    table = queries_of(made + MADE[-20:], dense_of(made + MADE[-20:])).knowledge.table
    run_guard(table, transfer_matrix(table), np.arange(3))


def by_policy_search(*_: Any) -> None:
    """Ask which demonstrations a policy shows for a past institution's query."""
    rehearsals = RehearsalSet(*studied())
    rehearsals.shown(next(rehearsals.questions()), [DEFAULT])


calls: Counter[str] = Counter()


@pytest.mark.parametrize("choose", [by_production, by_evaluation, by_the_guard, by_policy_search])
def test_every_caller_chooses_by_a_policy(
    choose: Callable[[Path, Encoder], None], tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``Policy.sharpness_under`` decides in production, evaluation, the guard and policy search."""
    decide = Policy.sharpness_under

    def counted(policy: Policy, *arguments: Any, **options: Any) -> Any:
        calls["choose"] += 1
        return decide(policy, *arguments, **options)

    monkeypatch.setattr(Policy, "sharpness_under", counted)
    calls.clear()
    choose(tmp_path, encoder)
    assert calls["choose"] > 0


def test_production_chooses_what_evaluation_chooses(tmp_path: Path, encoder: Encoder) -> None:
    """Seen from production: each of its selections is a row of the evaluation's selector, with the same probability."""
    own = sorted((one for one in MADE if one.institution == TARGET), key=lambda one: one.id)
    with Library.open(tmp_path / "library.db", encoder) as library:
        library.add([one for one in MADE if one.institution != TARGET], share=EVERYONE)
        prior = learn(library)
        library.add(own[:6], share=EVERYONE)
        selector = Selector(library, adapt(prior, library, TARGET), 5)
        chosen = selector.select_many([one.input for one in own[6:20]])
        queries = queries_of(MADE, library.vectors(MADE))
        queries = replace(queries, knowledge=replace(queries.knowledge, lesson=prior.lesson))
    shown = SELECTORS["metachain"](trial_of(queries, 6))
    pool = queries.knowledge.table.pool
    for selection, rows in zip(chosen, shown, strict=True):
        assert [one.id for one in selection.demonstrations[::-1]] == [
            pool.demonstrations[row].id for row in rows if row >= 0
        ]


def test_the_table_of_neighbours_is_an_institutions_index() -> None:
    """Neighbours looked up for an episode are those that an index finds."""
    queries = queries_of(MADE, dense_of(MADE))
    table: NeighbourTable = queries.knowledge.table
    found = table.near(queries.episode.query, queries.episode.past)
    index = InstitutionIndex(table.pool).nearest(table.pool.vectors[queries.episode.query], NEIGHBOURS)
    assert np.array_equal(found.rows, index.rows[:, queries.episode.past])

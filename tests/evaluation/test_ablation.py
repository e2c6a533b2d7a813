"""Leaving a part of the method out: each ablation against the formulas without that part."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from oracles import hospitals, scrambled
from slow_selectors import dense_of, labels, queries_of, slow_choice, slow_plausible, trial_of

from metachain.embedding.similarity import LEXICAL_DIMENSIONS
from metachain.errors import DataError
from metachain.evaluation.ablation import ABLATIONS, UNGUARDED, ablated, ablated_name
from metachain.evaluation.plan import selectors_named
from metachain.evaluation.selectors import SELECTORS, HeldOutQueries, Trial
from metachain.learning.gaussian_process import Settings
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.pool import make_pool

MADE = scrambled(hospitals(6, 20, seed=3), "hospital 1")
SETTINGS = Settings(0.3, 0.6, 0.05, intercept=0.5, usage=0.9, vote=0.6, lift=0.7)


@pytest.fixture(scope="module")
def queries() -> HeldOutQueries:
    """The target among five past hospitals, of which some say the same and one has its answers mixed up."""
    return queries_of(MADE, dense_of(MADE), SETTINGS)


def without_letters(queries: HeldOutQueries) -> HeldOutQueries:
    """The same queries, with neighbours looked up anew by dense vectors alone."""
    pool = queries.knowledge.table.pool
    vectors = np.zeros_like(pool.vectors)
    dense = dense_of(pool.demonstrations)
    vectors[:, :-LEXICAL_DIMENSIONS] = dense
    study = NeighbourTable.of(make_pool(pool.demonstrations, vectors), np.arange(len(vectors)))
    return replace(queries, knowledge=replace(queries.knowledge, table=study))


def slow_ablated(part: str, trial: Trial) -> list[list[int]]:
    """What the formulas show without one part."""
    queries, k = trial.queries, len(trial.episode.support)
    if part == "text":
        trial = replace(trial, queries=without_letters(queries))
        return slow_choice(trial, slow_plausible(trial, k, settings=SETTINGS), k)
    settings = {
        "kernel": replace(SETTINGS, scale=0.0),
        "evidence": replace(SETTINGS, belief=0.0),
        "usage": replace(SETTINGS, usage=0.0),
        "vote": replace(SETTINGS, vote=0.0),
        "lift": replace(SETTINGS, lift=0.0),
        "guard": UNGUARDED,
    }.get(part, SETTINGS)
    standing = {"dedup": queries.knowledge.screening, "screening": queries.knowledge.redundancy}.get(
        part, queries.knowledge.redundancy + queries.knowledge.screening
    )
    return slow_choice(trial, slow_plausible(trial, k, settings=settings, standing=standing.tolist()), k)


def test_the_ground_has_something_to_ablate(queries: HeldOutQueries) -> None:
    """Some past hospitals say the same, and the one whose answers are mixed up is held back."""
    assert (queries.knowledge.redundancy < -0.1).any()
    assert queries.knowledge.screening[1] < -0.5
    assert (queries.knowledge.screening[[0, 2, 3, 4]] > -0.2).all()


@labels
@pytest.mark.parametrize("part", ABLATIONS)
def test_an_ablation_is_the_formulas_without_its_part(queries: HeldOutQueries, part: str, k: int) -> None:
    """Each shows what steps A to G choose where the part counts for nothing and all else stays."""
    trial = trial_of(queries, k)
    assert ablated(part)(trial).tolist() == slow_ablated(part, trial)


@pytest.mark.parametrize("part", ABLATIONS)
def test_every_part_has_a_say(queries: HeldOutQueries, part: str) -> None:
    """Without any of the parts something else is shown, with labels or without."""
    episodes = [trial_of(queries, k) for k in (0, 1, 2, 4, 6)]
    with_it, without = ([shown(one).tolist() for one in episodes] for shown in (SELECTORS["metachain"], ablated(part)))
    assert with_it != without


@pytest.mark.parametrize("part", ABLATIONS)
def test_an_ablation_leaves_the_episode_as_it_was(queries: HeldOutQueries, part: str) -> None:
    """The whole method shows the same before and after one of its parts was left out."""
    trial = trial_of(queries, 6)
    before = SELECTORS["metachain"](trial)
    ablated(part)(trial)
    assert np.array_equal(SELECTORS["metachain"](trial), before)
    assert trial.queries is queries


@labels
@pytest.mark.parametrize("part", ["kernel", "evidence", "dedup", "screening", "usage", "vote"])
def test_where_nothing_was_learned_there_is_nothing_to_ablate(part: str, k: int) -> None:
    """Where the guard refuses learning the nearest are shown, with the part or without."""
    trial = trial_of(queries_of(MADE, dense_of(MADE), None), k)
    assert np.array_equal(ablated(part)(trial), SELECTORS["hybrid"](trial))


@labels
def test_without_the_guard_learning_always_chooses(k: int) -> None:
    """Where the guard refuses learning, leaving it out shows what fixed settings choose."""
    trial = trial_of(queries_of(MADE, dense_of(MADE), None), k)
    shown = ablated("guard")(trial)
    assert shown.tolist() == slow_choice(trial, slow_plausible(trial, k, settings=UNGUARDED), k)
    assert not np.array_equal(shown, SELECTORS["metachain"](trial))


@pytest.mark.parametrize("look_up", [ablated, ABLATIONS.__getitem__])
def test_an_unknown_part_is_refused(look_up: Callable[[str], object]) -> None:
    """A part that the method doesn't have is a KeyError that names it; as a selector's name a DataError."""
    with pytest.raises(KeyError, match="luck"):
        look_up("luck")
    with pytest.raises(DataError, match="unknown selector 'metachain-luck'"):
        selectors_named([ablated_name("luck")])


def test_each_part_has_a_selector_of_its_own(queries: HeldOutQueries) -> None:
    """``metachain-PART`` is the whole method without that part."""
    trial = trial_of(queries, 4)
    named = selectors_named([ablated_name(part) for part in ABLATIONS])
    for part, shown in zip(ABLATIONS, named.values(), strict=True):
        assert np.array_equal(shown(trial), ablated(part)(trial))

"""Leaving a part of the method out: each ablation against the formulas without that part."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from oracles import hospitals, scrambled
from slow_selectors import dense_of, episode_of, ground_of, labels, slow_choice, slow_plausible

from metachain.embedding.similarity import LEXICAL_DIMENSIONS
from metachain.errors import DataError
from metachain.evaluation.ablation import ABLATIONS, UNGUARDED, ablated, ablated_name
from metachain.evaluation.plan import selectors_named
from metachain.evaluation.selectors import SELECTORS, Episode, Ground
from metachain.learning.gaussian_process import Settings
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.pool import make_pool

MADE = scrambled(hospitals(6, 20, seed=3), "hospital 1")
SETTINGS = Settings(0.3, 0.6, 0.05, intercept=0.5, usage=0.9, vote=0.6)


@pytest.fixture(scope="module")
def ground() -> Ground:
    """The target among five past hospitals, of which some say the same and one has its answers mixed up."""
    return ground_of(MADE, dense_of(MADE), SETTINGS)


def without_letters(ground: Ground) -> Ground:
    """The same ground, with neighbours looked up anew by dense vectors alone."""
    pool = ground.study.pool
    vectors = np.zeros_like(pool.vectors)
    dense = dense_of(pool.demonstrations)
    vectors[:, :-LEXICAL_DIMENSIONS] = dense
    study = NeighbourTable.of(make_pool(pool.demonstrations, vectors), np.arange(len(vectors)))
    return replace(ground, study=study)


def slow_ablated(part: str, episode: Episode) -> list[list[int]]:
    """What the formulas show without one part."""
    ground, k = episode.ground, len(episode.support)
    if part == "text":
        episode = replace(episode, ground=without_letters(ground))
        return slow_choice(episode, slow_plausible(episode, k, settings=SETTINGS))
    settings = {
        "kernel": replace(SETTINGS, scale=0.0),
        "evidence": replace(SETTINGS, belief=0.0),
        "usage": replace(SETTINGS, usage=0.0),
        "vote": replace(SETTINGS, vote=0.0),
        "guard": UNGUARDED,
    }.get(part, SETTINGS)
    standing = {"dedup": ground.screening, "screening": ground.redundancy}.get(
        part, ground.redundancy + ground.screening
    )
    return slow_choice(episode, slow_plausible(episode, k, settings=settings, standing=standing.tolist()))


def test_the_ground_has_something_to_ablate(ground: Ground) -> None:
    """Some past hospitals say the same, and the one whose answers are mixed up is held back."""
    assert (ground.redundancy < -0.1).any()
    assert ground.screening[1] < -0.5
    assert (ground.screening[[0, 2, 3, 4]] > -0.2).all()


@labels
@pytest.mark.parametrize("part", ABLATIONS)
def test_an_ablation_is_the_formulas_without_its_part(ground: Ground, part: str, k: int) -> None:
    """Each shows what steps A to G choose where the part counts for nothing and all else stays."""
    episode = episode_of(ground, k)
    assert ablated(part)(episode).tolist() == slow_ablated(part, episode)


@pytest.mark.parametrize("part", ABLATIONS)
def test_every_part_has_a_say(ground: Ground, part: str) -> None:
    """Without any of the parts something else is shown, with labels or without."""
    episodes = [episode_of(ground, k) for k in (0, 1, 2, 4, 6)]
    with_it, without = ([shown(one).tolist() for one in episodes] for shown in (SELECTORS["metachain"], ablated(part)))
    assert with_it != without


@pytest.mark.parametrize("part", ABLATIONS)
def test_an_ablation_leaves_the_episode_as_it_was(ground: Ground, part: str) -> None:
    """The whole method shows the same before and after one of its parts was left out."""
    episode = episode_of(ground, 6)
    before = SELECTORS["metachain"](episode)
    ablated(part)(episode)
    assert np.array_equal(SELECTORS["metachain"](episode), before)
    assert episode.ground is ground


@labels
@pytest.mark.parametrize("part", ["kernel", "evidence", "dedup", "screening", "usage", "vote"])
def test_where_nothing_was_learned_there_is_nothing_to_ablate(part: str, k: int) -> None:
    """Where the guard refuses learning the nearest are shown, with the part or without."""
    episode = episode_of(ground_of(MADE, dense_of(MADE), None), k)
    assert np.array_equal(ablated(part)(episode), SELECTORS["hybrid"](episode))


@labels
def test_without_the_guard_learning_always_chooses(k: int) -> None:
    """Where the guard refuses learning, leaving it out shows what fixed settings choose."""
    episode = episode_of(ground_of(MADE, dense_of(MADE), None), k)
    shown = ablated("guard")(episode)
    assert shown.tolist() == slow_choice(episode, slow_plausible(episode, k, settings=UNGUARDED))
    assert not np.array_equal(shown, SELECTORS["metachain"](episode))


@pytest.mark.parametrize("look_up", [ablated, ABLATIONS.__getitem__])
def test_an_unknown_part_is_refused(look_up: Callable[[str], object]) -> None:
    """A part that the method doesn't have is a KeyError that names it; as a selector's name a DataError."""
    with pytest.raises(KeyError, match="luck"):
        look_up("luck")
    with pytest.raises(DataError, match="unknown selector 'metachain-luck'"):
        selectors_named([ablated_name("luck")])


def test_each_part_has_a_selector_of_its_own(ground: Ground) -> None:
    """``metachain-PART`` is the whole method without that part."""
    episode = episode_of(ground, 4)
    named = selectors_named([ablated_name(part) for part in ABLATIONS])
    for part, shown in zip(ABLATIONS, named.values(), strict=True):
        assert np.array_equal(shown(episode), ablated(part)(episode))

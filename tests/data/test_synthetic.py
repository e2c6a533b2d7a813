"""The synthetic world: reproducible, valid, and with conflicts between institutions as the settings say."""

from collections import Counter, defaultdict
from dataclasses import FrozenInstanceError, replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metachain.data.demonstration import Demonstration
from metachain.data.synthetic import CATALOGUE, LARGEST_INSTITUTION, WorldSettings, _unrelated_codes, generate_world
from metachain.data.synthetic_vocabulary import ABBREVIATIONS, DEPARTMENTS, INSTITUTION_NAMES, ORDINARY
from metachain.embedding.similarity import lexical_vectors
from metachain.errors import DataError

World = tuple[Demonstration, ...]
FAITHFUL = WorldSettings(exceptions=0, noise=0, misleading=0)


@pytest.fixture(scope="module")
def world() -> World:
    """The world of the default settings."""
    return generate_world()


def by_institution(world: World) -> dict[str, World]:
    """Each institution's demonstrations, in order of appearance."""
    institutions: dict[str, list[Demonstration]] = defaultdict(list)
    for demonstration in world:
        institutions[demonstration.institution].append(demonstration)
    return {name: tuple(members) for name, members in institutions.items()}


def agreement(world: World, *, same_group: bool) -> float:
    """Share of equal answers among pairs of equal texts at two institutions of one group, or of two groups."""
    texts: dict[str, list[Demonstration]] = defaultdict(list)
    for demonstration in world:
        texts[demonstration.input].append(demonstration)
    equal = [
        one.output == other.output
        for members in texts.values()
        for one, other in combinations(members, 2)
        if (one.metadata["group"] == other.metadata["group"]) == same_group
    ]
    assert len(equal) > 100
    return float(np.mean(equal))


def nearest_answers(world: World, k: int) -> tuple[list[str], list[list[str]]]:
    """Each honest demonstration's answer, and those of its k nearest in other groups, nearest first."""
    vectors = lexical_vectors([demonstration.input for demonstration in world])
    groups = np.array([demonstration.metadata["group"] for demonstration in world])
    similarity = np.where(groups[:, None] == groups, -np.inf, vectors @ vectors.T)
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    honest = [place for place, demonstration in enumerate(world) if not demonstration.metadata["misleading"]]
    return [world[place].output for place in honest], [[world[i].output for i in order[place]] for place in honest]


@settings(max_examples=20, deadline=None)
@given(
    institutions=st.integers(3, 6),
    systems=st.integers(1, 7),
    demonstrations=st.integers(1, 60),
    share=st.floats(0, 1),
    constant=st.booleans(),
    seed=st.integers(0, 2**40),
)
def test_any_settings_give_a_valid_and_reproducible_world(
    institutions: int, systems: int, demonstrations: int, share: float, constant: bool, seed: int
) -> None:
    """Sizes are as set, texts unique in an institution, answers four digits, and one seed gives the same bytes."""
    shares = WorldSettings(divergence=share, exceptions=share, noise=share, shared_wording=share)
    asked = replace(shares, institutions=institutions, systems=systems, demonstrations=demonstrations)
    asked = replace(asked, constant=constant, seed=seed)
    world = generate_world(asked)
    assert repr(generate_world(asked)) == repr(world)
    members = by_institution(world)
    assert [len(demonstrations) for demonstrations in members.values()] == [demonstrations] * institutions
    assert all(len({one.input for one in several}) == demonstrations for several in members.values())
    assert all(one.output.isdigit() and len(one.output) == 4 for one in world)
    assert len({one.metadata["group"] for one in world}) == min(systems, institutions)
    assert all(one.metadata["synthetic"] is True for one in world)


def test_the_seed_matters() -> None:
    """Another seed gives another world."""
    few = WorldSettings(demonstrations=20)
    assert generate_world(few) != generate_world(replace(few, seed=1))


def test_more_institutions_leave_the_earlier_ones_as_they_are(world: World) -> None:
    """A world of 20 begins with the world of 16."""
    assert generate_world(WorldSettings(institutions=20))[: len(world)] == world


def test_more_demonstrations_only_append(world: World) -> None:
    """Each institution's 50 demonstrations are the first 50 of its 200."""
    fewer = by_institution(generate_world(WorldSettings(demonstrations=50)))
    assert fewer == {name: members[:50] for name, members in by_institution(world).items()}


def test_noise_changes_only_the_answers_it_hits(world: World) -> None:
    """Texts don't depend on noise, and about as many answers change as the share says."""
    clean = generate_world(WorldSettings(noise=0))
    assert [one.input for one in clean] == [one.input for one in world]
    changed = np.mean([one.output != other.output for one, other in zip(clean, world, strict=True)])
    assert changed == pytest.approx(0.03, abs=0.01)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_whole_catalogue_has_unique_texts(seed: int) -> None:
    """No two charges are written alike at one hospital, even when it has all of them."""
    world = generate_world(WorldSettings(institutions=8, demonstrations=LARGEST_INSTITUTION, seed=seed))
    for members in by_institution(world).values():
        assert len({one.input.lower() for one in members}) == LARGEST_INSTITUTION


def test_about_half_of_the_texts_are_shared(world: World) -> None:
    """Identical wordings at several hospitals are common, and far from all."""
    users = Counter(demonstration.input for demonstration in world)
    assert 0.4 < np.mean([users[demonstration.input] > 1 for demonstration in world]) < 0.65


def test_systems_agree_inside_and_differ_outside(world: World) -> None:
    """The same text is answered alike within a system, and about every other time differently across systems."""
    honest = tuple(one for one in world if not one.metadata["misleading"])
    assert agreement(honest, same_group=True) > 0.85
    assert 0.4 < agreement(honest, same_group=False) < 0.7


def test_copying_the_nearest_is_half_right_and_choosing_well_nearly_always(world: World) -> None:
    """With its whole system held out, the right answer is among the nearest 8, yet the majority is often wrong."""
    answers, near = nearest_answers(world, 8)
    majority = [Counter(several).most_common(1)[0][0] for several in near]
    assert 0.45 < np.mean([one == other for one, other in zip(answers, majority, strict=True)]) < 0.6
    assert np.mean([one in several for one, several in zip(answers, near, strict=True)]) > 0.9


def test_every_convention_has_somebody_else_who_follows_it() -> None:
    """Without errors, another system gives the same answers to all shared texts of a department."""
    alike: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    texts: dict[str, list[Demonstration]] = defaultdict(list)
    for demonstration in generate_world(replace(FAITHFUL, demonstrations=500)):
        texts[demonstration.input].append(demonstration)
    for members in texts.values():
        for one, other in combinations(members, 2):
            pair = (one.metadata["group"], other.metadata["group"])
            for own, past in (pair, pair[::-1]):
                alike[own, one.metadata["department"]][past] += 0 if one.output == other.output else 1
    for (own, _), differing in alike.items():
        assert any(count == 0 for past, count in differing.items() if past != own)


def test_misleading_institutions_agree_with_nobody() -> None:
    """Without other errors, a misleading hospital's code for a text never equals that of its system."""
    world = by_institution(generate_world(replace(FAITHFUL, misleading=1)))
    (liar,) = (members for members in world.values() if members[0].metadata["misleading"])
    codes = {one.input: one.output for one in liar}
    siblings = [
        one
        for members in world.values()
        for one in members
        if one.metadata["group"] == liar[0].metadata["group"] and not one.metadata["misleading"]
    ]
    shared = [one for one in siblings if one.input in codes]
    assert len(shared) > 20
    assert all(one.output != codes[one.input] for one in shared)


def test_misleading_institutions_follow_the_first() -> None:
    """The number of misleading hospitals is exact, and the first hospital is never one."""
    world = by_institution(generate_world(WorldSettings(demonstrations=1, misleading=5)))
    assert [members[0].metadata["misleading"] for members in world.values()] == [False] + [True] * 5 + [False] * 10


def test_without_divergence_all_systems_agree() -> None:
    """At divergence 0 a text has the same answer everywhere, except for exceptions, noise and misleading hospitals."""
    assert agreement(generate_world(replace(FAITHFUL, divergence=0)), same_group=False) == 1
    assert agreement(generate_world(FAITHFUL), same_group=True) == 1


def test_exceptions_are_a_hospitals_own() -> None:
    """With exceptions, hospitals of one system no longer agree on everything."""
    assert agreement(generate_world(replace(FAITHFUL, exceptions=0.3)), same_group=True) < 0.9


def test_in_a_constant_world_each_institution_answers_one_code() -> None:
    """Every hospital has one answer, and hospitals differ in it."""
    world = by_institution(generate_world(WorldSettings(constant=True, noise=1)))
    answers = [{one.output for one in members} for members in world.values()]
    assert all(len(codes) == 1 for codes in answers)
    assert len(set.union(*answers)) > 4


def test_in_an_unrelated_world_nobody_knows_anothers_codes() -> None:
    """A hospital is consistent by name, agrees with others only by chance, and writes as in any other world."""
    plain, world = generate_world(), generate_world(WorldSettings(unrelated=True))
    assert [one.input for one in world] == [one.input for one in plain]
    for same_group in (True, False):
        assert agreement(world, same_group=same_group) < 0.05
    codes = defaultdict(set)
    for item, code in zip(CATALOGUE, _unrelated_codes(WorldSettings(), 3), strict=True):
        codes[item.name_number].add(int(code))
    assert {len(several) for several in codes.values()} == {1}
    constant = WorldSettings(constant=True)
    assert generate_world(replace(constant, unrelated=True)) == generate_world(constant)


def test_names_stay_unique_beyond_the_list() -> None:
    """More institutions than names get numbered names."""
    count = len(INSTITUTION_NAMES) + 2
    assert len(by_institution(generate_world(WorldSettings(institutions=count, demonstrations=1)))) == count


@pytest.mark.parametrize(
    "wrong",
    [
        {"institutions": 0},
        {"institutions": True},
        {"institutions": 2.5},
        {"institutions": 2},
        {"systems": 0},
        {"demonstrations": 0},
        {"demonstrations": LARGEST_INSTITUTION + 1},
        {"divergence": 1.1},
        {"exceptions": -0.1},
        {"noise": float("nan")},
        {"shared_wording": "half"},
        {"popularity": float("inf")},
        {"misleading": 16},
        {"misleading": -1},
        {"seed": -1},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    """The error names the allowed range and the value."""
    with pytest.raises(DataError, match=r"^'\w+' must be .* got "):
        WorldSettings(**wrong)  # type: ignore[arg-type]


def test_settings_are_frozen() -> None:
    """Settings can't be changed."""
    with pytest.raises(FrozenInstanceError):
        WorldSettings().seed = 1  # type: ignore[misc]


def test_departments_have_one_shape() -> None:
    """Every department has as many kinds and details as the others, ordinary and special ones among both."""
    assert len({(len(one.kinds), len(one.details), len(one.sizes)) for one in DEPARTMENTS}) == 1
    assert len(DEPARTMENTS[0].kinds) > ORDINARY < len(DEPARTMENTS[0].details)


def test_abbreviations_are_unambiguous() -> None:
    """The first form is the word itself, and no form stands for two words."""
    assert all(word == forms[0] for word, forms in ABBREVIATIONS.items())
    forms = [form for several in ABBREVIATIONS.values() for form in several]
    assert len(set(forms)) == len(forms)

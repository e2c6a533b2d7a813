"""The ten conditions on generated worlds: all for use hold on the default one, and each world breaks what it should."""

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from handmade import Letters, Tiny, demonstrations
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from oracles import rarely

from metachain.data.demonstration import Demonstration
from metachain.data.synthetic import WorldSettings, generate_world
from metachain.errors import DataError
from metachain.evaluation.conditions import RULES
from metachain.evaluation.diagnosis import Diagnosis, break_even, diagnose
from metachain.evaluation.library_measures import LADDER, Rehearsals
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE

HONEST = WorldSettings(misleading=0)
NONE_AGAINST = dict.fromkeys([one.name for one in RULES], False) | {
    one.name: True for one in RULES if one.kind == "use"
}
"""What a library for which meta-learning was made looks like."""


def diagnosed(folder: Path, made: Sequence[Demonstration], seconds: float = 600) -> Diagnosis:
    """Diagnose a library that holds some demonstrations."""
    with Library.open(folder / "x.db", Letters()) as library:
        library.add(made, share=EVERYONE)
        return diagnose(library, seconds=seconds)


def changed(found: Diagnosis) -> dict[str, bool | None]:
    """Conditions that are not as in a library for which meta-learning was made."""
    return {one.name: one.holds for one in found.conditions if one.holds is not NONE_AGAINST[one.name]}


def test_the_default_world_is_made_for_meta_learning(tmp_path: Path) -> None:
    """Every condition for use holds there, none against does, and the verdict says so."""
    found = diagnosed(tmp_path, generate_world())
    assert changed(found) == {}
    assert (found.institutions, found.demonstrations) == (16, 3200)
    assert (found.verdict, found.break_even) == ("meta-learning pays", None)
    assert found["many related tasks"].measure == 14  # all but the two that mislead
    assert found["a single task"].measure == 6  # four systems, and each that misleads


@pytest.mark.parametrize(
    ("settings", "flipped", "verdict"),
    [
        pytest.param(
            replace(HONEST, divergence=0, noise=0, exceptions=0),
            {
                "fast adaptation needed": False,
                "personalisation at scale": False,
                "a single task": True,
                "simple transfer suffices": None,
            },
            "meta-learning does not pay",
            id="all alike",
        ),
        pytest.param(
            replace(HONEST, constant=True),
            {
                "many related tasks": False,
                "few examples per task": False,
                "tasks from one distribution": False,
                "unrelated tasks": True,
                "abundant data per task": True,
            },
            "meta-learning does not pay",
            id="one answer each",
        ),
        pytest.param(
            replace(HONEST, unrelated=True, demonstrations=100),
            {
                "many related tasks": False,
                "tasks from one distribution": False,
                "unrelated tasks": True,
                "abundant data per task": True,
                "simple transfer suffices": None,
            },
            "meta-learning does not pay",
            id="unrelated",
        ),
        pytest.param(
            WorldSettings(institutions=20, misleading=13, demonstrations=100),
            {"tasks from one distribution": False, "abundant data per task": True},
            "meta-learning pays",
            id="mostly outliers",
        ),
        pytest.param(
            replace(HONEST, institutions=8, systems=8, demonstrations=800),
            {"abundant data per task": True},
            "meta-learning pays",
            id="plenty each",
        ),
    ],
)
def test_a_broken_world_flips_what_it_breaks(
    tmp_path: Path, settings: WorldSettings, flipped: dict[str, bool | None], verdict: str
) -> None:
    """Exactly the broken conditions flip, with what follows from them, and none is left open but one.

    *All alike* is a single task under many names: nothing to adapt to or to personalise. Learning from all together
    still gains a point or two over nearest neighbours, here and where all are *unrelated*, so that it is open whether
    these suffice.
    *One answer each*: a single label tells all, so examples are never few and always abundant; and a constant answer
    says nothing about another's inputs, so nobody is related. *Unrelated*: nobody to learn from, so none is from
    the same distribution as another, and half of one's own demonstrations always beat the others. *Mostly outliers*:
    13 of 20 permute their codes, and those are better off with their own. *Plenty each*: only the data is abundant.
    """
    found = diagnosed(tmp_path, generate_world(settings))
    assert changed(found) == flipped
    assert found.verdict == verdict
    if None in flipped.values():
        assert found["simple transfer suffices"].interval[0] > 0


def test_two_institutions_are_a_single_task(tmp_path: Path) -> None:
    """With two nothing is many, the single task is the verdict, and what needs an interval can't be told."""
    found = diagnosed(tmp_path, generate_world(replace(HONEST, institutions=2)))
    told = {name: holds for name, holds in changed(found).items() if holds is not None}
    assert told == {"many related tasks": False, "a single task": True}
    assert found["simple transfer suffices"].holds is None
    assert found["simple transfer suffices"].measure is not None
    assert found.verdict == "meta-learning does not pay"


def test_ten_demonstrations_each_cant_tell_what_they_lack(tmp_path: Path) -> None:
    """With too few demonstrations to compare four with half of them, that condition is left open."""
    found = diagnosed(tmp_path, generate_world(WorldSettings(demonstrations=12)))
    assert found["few examples per task"].holds is None
    assert "could not be measured" in found["few examples per task"].explanation


def test_a_tight_budget_is_a_compute_limit(tmp_path: Path) -> None:
    """Where learning takes longer than allowed, that alone flips, and the advice is to learn from less or wait."""
    made = generate_world()
    found = diagnosed(tmp_path, made, seconds=1e-6)
    assert changed(found) == {"compute limits": True}
    assert found["compute limits"].threshold == 1e-6
    assert (found.verdict, "learn from fewer" in found.advice) == ("meta-learning does not pay", True)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_a_senseless_budget_is_refused(tmp_path: Path, seconds: float) -> None:
    """The message says what was got."""
    with pytest.raises(DataError, match="seconds must be a positive number, got"):
        diagnosed(tmp_path, [], seconds)


@pytest.mark.parametrize(("institutions", "each"), [*product((0, 1, 2, 3), (1, 2, 9))])
def test_small_libraries_are_diagnosed_too(tmp_path: Path, institutions: int, each: int) -> None:
    """From none to three institutions with one demonstration or a few: ten conditions, and never "pays"."""
    with Library.open(tmp_path / "x.db", Tiny()) as library:
        library.add(demonstrations(institutions, each), share=EVERYONE)
        found = diagnose(library)
    assert (found.institutions, found.demonstrations) == (institutions, institutions * each)
    assert [one.name for one in found.conditions] == [one.name for one in RULES]
    assert found.verdict != "meta-learning pays"
    assert found["simple transfer suffices"].holds is None


@given(st.lists(st.integers(1, 24), min_size=2, max_size=6), st.integers(1, 3))
@rarely
def test_any_sizes_are_diagnosed(tmp_path_factory: pytest.TempPathFactory, sizes: list[int], texts: int) -> None:
    """Institutions of unequal sizes, and texts that repeat, end in ten conditions."""
    made = [
        Demonstration(f"h{place}", f"text {number % (8 * texts)}", f"code {number % 3}", str(number))
        for place, size in enumerate(sizes)
        for number in range(size)
    ]
    assert len(diagnosed(tmp_path_factory.mktemp("x"), made).conditions) == 10


def test_the_same_library_is_diagnosed_the_same(tmp_path: Path) -> None:
    """All but the time that learning takes is the same every time."""
    made = demonstrations(5, 24)
    found, again = (diagnosed(tmp_path, made) for _ in range(2))
    assert [one for one in found.conditions if one.unit != "seconds"] == [
        one for one in again.conditions if one.unit != "seconds"
    ]


def test_the_cost_is_time_on_this_machine_and_memory(tmp_path: Path) -> None:
    """Embedding is timed on a sample and reckoned for all distinct texts; vectors count twice, for the index too."""

    class Slow(Letters):
        """Takes a millisecond a text."""

        def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
            time.sleep(0.001 * len(texts))
            return super().encode(texts)

    made = generate_world(replace(HONEST, institutions=4, demonstrations=150))
    with Library.open(tmp_path / "x.db", Slow()) as library:
        library.add(made, share=EVERYONE)
        found = diagnose(library)["compute limits"]
    assert found.measure is not None
    assert 0.4 < found.measure < 20
    vectors, neighbours = 2 * 600 * (512 + 512) * 4, 600 * 4 * 8 * (8 + 4)
    assert f"with {(vectors + neighbours) / 1e6:.0f} MB of arrays" in found.explanation


def test_the_break_even_is_where_own_labels_are_enough() -> None:
    """The fewest labels that on average match 16 with the others, among institutions that have so many; or none."""
    own = np.full((2, len(LADDER)), np.nan)
    own[:, :4] = [[0.1, 0.5, 0.7, 0.8], [0.1, 0.4, 0.6, np.nan]]
    learned = np.array([[0.2, 0.4, 0.7], [0.2, 0.4, 0.7]])
    played = Rehearsals(learned, learned, own, np.array([0.8, 0.6]), np.zeros((2, 2), int))
    assert break_even(played) == 32
    assert break_even(replace(played, own=own - 0.2)) is None
    assert break_even(replace(played, own=own + 0.6)) == 4
    assert break_even(Rehearsals.none(3)) is None

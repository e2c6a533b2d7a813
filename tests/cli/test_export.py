"""``metachain export``, and ``metachain evaluate`` of a library: only shared demonstrations are written or shown."""

import json
from pathlib import Path

import numpy as np
import pytest
from handmade import Tiny, demonstrations, metachain

from metachain.data.jsonl import read_demonstrations
from metachain.evaluation.leave_one_out import evaluate
from metachain.evaluation.plan import Plan
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE, Audience, Grant

MADE = demonstrations(institutions=4, each=8)
OPTIONS = ("--labels", "0,2", "--seeds", "1", "--selectors", "semantic,metachain")


@pytest.fixture
def filled(place: str) -> str:
    """h0 shares with all, h1 with h3 for triage, h2 and h3 with nobody."""
    with Library.open(place, Tiny()) as library:
        library.add(MADE)
        library.sharing.state("h0", EVERYONE)
        library.sharing.state("h1", Grant(Audience("institution", ("h3",)), purposes=("triage",)))
    return place


@pytest.mark.parametrize(
    ("options", "institutions"),
    [((), {"h0"}), (("--purpose", "triage"), {"h0", "h1"}), (("--own",), {"h0", "h3"})],
    ids=["for any purpose", "for triage", "with its own"],
)
def test_what_is_shared_is_exported(
    filled: str, tmp_path: Path, options: tuple[str, ...], institutions: set[str]
) -> None:
    """As records that are read back as they were, and of nobody else."""
    done = metachain("export", filled, "h3", tmp_path / "out.jsonl", *options)
    assert done.returncode == 0, done.stderr
    found = read_demonstrations(tmp_path / "out.jsonl")
    assert set(found) == {one for one in MADE if one.institution in institutions}
    assert {one.id: one.metadata for one in found}.items() <= {one.id: one.metadata for one in MADE}.items()


def test_an_export_is_whole_or_not_there(filled: str, tmp_path: Path) -> None:
    """Where nothing is shared, or it can't be written, the file that was there stays, and the error says what to do."""
    target = tmp_path / "out.jsonl"
    target.write_text("before")
    with Library.open(filled, Tiny()) as library:
        library.sharing.state("h0")
    done = metachain("export", filled, "h3", target)
    assert (done.returncode, target.read_text()) == (2, "before")
    assert "nobody shares demonstrations with 'h3'; let some: metachain share" in done.stderr
    done = metachain("export", filled, "h3", tmp_path / "missing" / "out.jsonl")
    assert done.returncode == 2
    assert "does not exist or may not be written" in done.stderr


def test_a_library_is_evaluated_under_its_rules(filled: str, tmp_path: Path) -> None:
    """Those that may use somebody are scored, the others are not; the password is in no output."""
    done = metachain("evaluate", filled, *OPTIONS, "--json", tmp_path / "scores.json")
    assert done.returncode == 0, done.stderr
    told = (tmp_path / "scores.json").read_text()
    assert {row["institution"] for row in json.loads(told)["scores"]} == {"h1", "h2", "h3"}
    if "://" in filled:
        assert filled.split("@", maxsplit=1)[0].rpartition(":")[2] not in told + done.stdout + done.stderr
    with Library.open(filled, Tiny()) as library:
        library.sharing.state("h0")
    done = metachain("evaluate", filled, *OPTIONS)
    assert done.returncode == 2
    assert "no institution shares its demonstrations with another" in done.stderr


def test_only_what_is_allowed_is_shown_in_an_evaluation() -> None:
    """What an institution may not use makes no difference to it: as if they were not there."""
    allowed = {"h3": frozenset({"h0", "h1"}), "h2": frozenset({"h0"})}
    plan = Plan(labels=(0, 2), seeds=(0,), selectors=("semantic", "metachain", "random", "bm25", "oracle"))

    def scores(made: list[int], institution: str) -> list[tuple[object, ...]]:
        some = [one for one in MADE if int(one.institution[1]) in made]
        result = evaluate(some, Tiny().encode([one.input for one in some]).astype(np.float32), plan, allowed=allowed)
        rows = [row for row in result["scores"] if row["institution"] == institution]
        return [(row["selector"], row["labels"], row["metric"], row["score"]) for row in rows]

    assert scores([0, 1, 2, 3], "h3") == scores([0, 1, 3], "h3")
    assert scores([0, 1, 2, 3], "h2") == scores([0, 2], "h2")
    assert scores([0, 1, 2, 3], "h0") == []

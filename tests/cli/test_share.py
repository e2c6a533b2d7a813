"""``metachain share`` and ``metachain group``: rules as people state and read them."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from handmade import Tiny, demonstrations, jsonl, metachain

from metachain.data.jsonl import read_demonstrations
from metachain.errors import DataError
from metachain.evaluation.leave_one_out import evaluate
from metachain.evaluation.plan import Plan
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE, NOBODY, Audience, Grant


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A library of three institutions, of which none has stated a rule."""
    with Library.open(tmp_path / "hospitals.db", Tiny()) as library:
        library.add(demonstrations())
    return tmp_path / "hospitals.db"


def rules(place: Path) -> dict[str, tuple[Grant, ...]]:
    """What the library's institutions allow."""
    with Library.open(place, Tiny()) as library:
        return library.sharing.grants()


def test_rules_are_stated_and_listed(place: Path) -> None:
    """Audience, use, purposes and end are stored as given; what was never stated is listed as nothing."""
    until = datetime(2099, 1, 31, tzinfo=UTC)
    assert metachain("group", place, "north", "h1", "h2").returncode == 0
    done = metachain(
        *("share", place, "h0", "--with", "group:north", "--statistics", "everyone"),
        *("--purpose", "coding", "--purpose", "audit", "--until", "2099-01-31"),
    )
    assert done.returncode == 0, done.stderr
    assert rules(place) == {
        "h0": (
            Grant(Audience("group", ("north",)), "demonstrations", ("audit", "coding"), until),
            Grant(Audience("everyone"), "statistics", ("audit", "coding"), until),
        )
    }
    listed = metachain("share", place).stdout
    assert "h0 shares demonstrations with group:north for audit, coding until 2099-01-31 00:00 UTC" in listed
    assert "h1 shares nothing: it has no rule" in listed
    assert "group north: h1, h2" in listed


def test_a_rule_replaces_the_one_before_unless_also(place: Path) -> None:
    """``--also`` keeps what was allowed; without it the new rule is all there is."""
    metachain("share", place, "h0", "--with", "h1")
    metachain("share", place, "h0", "--with", "h2", "--also")
    assert [one.to.names for one in rules(place)["h0"]] == [("h1",), ("h2",)]
    metachain("share", place, "h0", "--with", "nobody")
    assert rules(place)["h0"] == (NOBODY,)


def test_all_institutions_at_once(place: Path) -> None:
    """``--all`` states the rule of every institution, such as after an upgrade."""
    assert metachain("share", place, "--all", "--with", "everyone").returncode == 0
    assert rules(place) == dict.fromkeys(("h0", "h1", "h2"), (EVERYONE,))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("h0",), "say who may use its demonstrations"),
        (("h0", "--with", "group:"), "an audience is everyone, nobody, group:NAME"),
        (("h0", "--with", "everyone", "--until", "soon"), "--until must be a day or a moment such as 2027-12-31"),
        (("h0", "--all", "--with", "everyone"), "name one institution, or take --all"),
        ((" ", "--with", "everyone"), "'institution' is blank"),
    ],
)
def test_mistakes_are_one_message(place: Path, arguments: tuple[str, ...], said: str) -> None:
    """What can't be a rule is refused with what to do, and nothing changes."""
    done = metachain("share", place, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert rules(place) == {}


def test_sharing_on_the_way_in_states_no_second_rule(place: Path, tmp_path: Path) -> None:
    """``add --share`` is for institutions that never said what they allow."""
    metachain("share", place, "h0", "--with", "nobody")
    data = jsonl(tmp_path / "d.jsonl", demonstrations(4, 2))
    assert metachain("add", place, data, "--share", "everyone").returncode == 0
    assert rules(place) == {"h0": (NOBODY,), **dict.fromkeys(("h1", "h2", "h3"), (EVERYONE,))}


def test_a_grant_says_what_it_is() -> None:
    """Audiences are read as they are written; what can't be one is refused."""
    for words in ("everyone", "nobody", "group:north,south", "st-marys,general"):
        assert str(Audience.read(words)) == words
    for bad in (("everyone", ("a",)), ("group", ()), ("institution", (" ",)), ("all", ())):
        with pytest.raises(DataError):
            Audience(*bad)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="must have a time zone"):
        Grant(Audience("everyone"), until=datetime(2030, 1, 1))
    with pytest.raises(DataError, match="'demonstrations' or of 'statistics'"):
        Grant(Audience("everyone"), "text")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="'purpose' is blank"):
        Grant(Audience("everyone"), purposes=("",))


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

"""``metachain share`` and ``metachain group``: rules as people state and read them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from handmade import Tiny, demonstrations, jsonl, metachain

from metachain.errors import DataError
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
    with pytest.raises(DataError, match="'demonstrations' or 'statistics'"):
        Grant(Audience("everyone"), "text")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="'purpose' is blank"):
        Grant(Audience("everyone"), purposes=("",))

"""Row-level security and errors of PostgreSQL, tested in plain SQL as the ordinary role."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import pytest
from behind import alter, rows
from handmade import Tiny, demonstrations, jsonl, metachain
from sqlalchemy import true
from sqlalchemy.exc import DBAPIError

pytest.importorskip("psycopg", reason="needs PostgreSQL: pip install 'metachain[dev]'")

from benchmarks.common.postgres import PostgresServer, postgres_server
from metachain.data.demonstration import Demonstration
from metachain.errors import DataError, LibraryError, NotFoundError, StorageError
from metachain.library.database.schema import SCHEMA_VERSION
from metachain.library.library import Library
from metachain.library.outcomes import Outcome
from metachain.library.sharing import EVERYONE, Audience, Grant, Sharing

WHO = "SELECT DISTINCT institution FROM demonstrations ORDER BY institution"
OVER = datetime.now(UTC) - timedelta(hours=1)


@pytest.fixture
def library(postgres_url: str) -> Iterator[Library]:
    """h0 shares with all, h1 for triage, h2 with a group until an hour ago, h3 with a group, h4 with h0, h5 numbers."""
    with Library.open(postgres_url, Tiny()) as opened:
        opened.add(demonstrations(institutions=6, each=2))
        region = Audience("group", ("region",))
        opened.sharing.state("h0", EVERYONE)
        opened.sharing.state("h1", Grant(Audience("everyone"), purposes=("triage",)))
        opened.sharing.state("h2", Grant(region, until=OVER))
        opened.sharing.state("h3", Grant(region))
        opened.sharing.state("h4", Grant(Audience("institution", ("h0",))))
        opened.sharing.state("h5", Grant(Audience("everyone"), "statistics"))
        opened.sharing.group("region", ["new", "h1"])
        opened.outcomes.record([Outcome(f"run {name}", "chain", name, "a", "m", (), "b") for name in ("h0", "h1")])
        yield opened


def who(url: str, **settings: str) -> list[str]:
    """Institutions of the demonstrations that plain SQL finds."""
    return [name for (name,) in rows(url, WHO, **settings)]


def test_without_a_word_nothing_is_there(library: Library, postgres_url: str) -> None:
    """Without a keeper or an institution set, no demonstration and no outcome is visible."""
    assert who(postgres_url) == []
    assert rows(postgres_url, "SELECT count(*) FROM outcomes") == [(0,)]
    assert who(postgres_url, asks="") == who(postgres_url, keeper="no") == who(postgres_url, purpose="triage") == []


def test_who_asks_finds_its_own_and_what_is_shared(library: Library, postgres_url: str) -> None:
    """An institution sees its own rows and rows shared by audience, group, purpose and time, not by statistics."""
    assert who(postgres_url, asks="stranger") == ["h0"]
    assert who(postgres_url, asks="stranger", purpose="triage") == ["h0", "h1"]
    assert who(postgres_url, asks="stranger", purpose="coding") == ["h0"]
    assert who(postgres_url, asks="new") == ["h0", "h3"]
    assert who(postgres_url, asks="h1") == ["h0", "h1", "h3"]
    assert who(postgres_url, asks="h0") == ["h0", "h4"]
    assert who(postgres_url, asks="h2") == ["h0", "h2"]
    assert who(postgres_url, keeper="yes") == [f"h{number}" for number in range(6)]


def test_outcomes_are_their_institutions_own(library: Library, postgres_url: str) -> None:
    """Outcomes of other institutions are never visible."""
    assert rows(postgres_url, "SELECT id FROM outcomes", asks="h1") == [("run h1",)]
    assert rows(postgres_url, "SELECT id FROM outcomes", asks="stranger") == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE demonstrations SET output = 'mine' WHERE institution = 'h0' RETURNING id",
        "DELETE FROM demonstrations WHERE institution = 'h0' RETURNING id",
        "UPDATE outcomes SET score = 1 WHERE institution = 'h0' RETURNING id",
        "DELETE FROM outcomes WHERE institution <> 'h1' RETURNING id",
    ],
)
def test_what_is_shared_can_be_read_and_not_changed(library: Library, postgres_url: str, statement: str) -> None:
    """Shared rows can't be changed or deleted by others."""
    assert rows(postgres_url, statement, asks="h1") == []
    assert len(library.demonstrations("h0")) == 2
    assert library.outcomes.get("run h0").score is None


@pytest.mark.parametrize("settings", [{}, {"asks": "h1"}])
def test_nobody_writes_in_anothers_name(library: Library, postgres_url: str, settings: dict[str, str]) -> None:
    """An institution can neither insert a row for another nor hand over its own."""
    new = "INSERT INTO demonstrations (institution, id, input, output, metadata) VALUES ('h0', 'x', 'a', 'b', '{}')"
    with pytest.raises(DBAPIError, match="row-level security"):
        rows(postgres_url, f"{new} RETURNING id", **settings)
    if settings:
        with pytest.raises(DBAPIError, match="row-level security"):
            rows(
                postgres_url,
                "UPDATE demonstrations SET institution = 'h0', id = 'x' WHERE institution = 'h1'",
                **settings,
            )


def test_the_owner_is_bound_too(library: Library, postgres_url: str) -> None:
    """Row-level security applies to the owner of the tables too."""
    query = (
        "SELECT relname, relrowsecurity, relforcerowsecurity, pg_get_userbyid(relowner) = current_user FROM pg_class "
        "WHERE relname IN ('demonstrations', 'outcomes') ORDER BY relname"
    )
    assert rows(postgres_url, query) == [("demonstrations", True, True, True), ("outcomes", True, True, True)]


def test_a_forgotten_predicate_shows_nothing(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """If our query asked for all rows, the database would still return only shared ones."""
    monkeypatch.setattr(Sharing, "allowing", lambda _self, _name: true())
    assert {one.institution for one in library.shared_demonstrations("stranger")} == {"h0"}


def test_what_nobody_released_is_hidden(library: Library, postgres_url: str) -> None:
    """Plain SQL finds live rows of others only under a grant that includes them, and refused rows never."""
    for name, origin in product(("h0", "h4"), ("adapted", "corrected", "reviewed", "refused")):
        library.add([Demonstration(name, "live", "code", origin)])
    rows(postgres_url, "UPDATE demonstrations SET origin = id WHERE input = 'live' RETURNING 1", keeper="yes")
    found = "SELECT id FROM demonstrations WHERE input = 'live' AND institution = 'h0' ORDER BY id"
    assert rows(postgres_url, found, asks="stranger") == [("reviewed",)]
    assert len(rows(postgres_url, found, asks="h0")) == 4
    library.sharing.state("h0", replace(EVERYONE, live=True))
    assert rows(postgres_url, found, asks="stranger") == [("adapted",), ("corrected",), ("reviewed",)]
    library.sharing.state("h0", Grant(Audience("institution", ("h3",)), live=True), EVERYONE)
    assert rows(postgres_url, found, asks="stranger") == [("reviewed",)]
    assert rows(postgres_url, found, asks="h3") == [("adapted",), ("corrected",), ("reviewed",)]


def test_a_role_above_the_rules_is_refused(postgres: PostgresServer, postgres_superuser_url: str) -> None:
    """A superuser and a role with BYPASSRLS can't open a library."""
    said = (
        r"bypasses row-level security, .*connect as an ordinary role that owns the database \(NOSUPERUSER NOBYPASSRLS\)"
    )
    with pytest.raises(LibraryError, match=said):
        Library.open(postgres_superuser_url, Tiny())
    postgres.administer(f"CREATE ROLE passing LOGIN BYPASSRLS PASSWORD '{postgres.password}'")
    try:
        with pytest.raises(LibraryError, match=said):
            Library.open(postgres_superuser_url.replace("//postgres:", "//passing:"), Tiny())
    finally:
        postgres.administer("DROP ROLE passing")


def test_a_wrong_password_is_said_and_not_told(postgres_url: str, postgres: PostgresServer) -> None:
    """The error gives advice and contains neither the wrong nor the right password."""
    wrong = postgres_url.replace(postgres.password, "open-sesame")
    with pytest.raises(StorageError, match=r"password authentication failed.*check the user") as caught:
        Library.open(wrong, Tiny())
    chain, error = [], caught.value
    while error is not None:
        chain.append(str(error))
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    assert "open-sesame" not in "".join(chain)
    assert "***" in chain[0]


def test_no_command_prints_the_password(postgres_url: str, postgres: PostgresServer, tmp_path: Path) -> None:
    """Commands print the address of a library without its password."""
    data = jsonl(tmp_path / "d.jsonl", demonstrations())
    said = []
    for command in (
        ("add", postgres_url, data, "--share", "everyone"),
        ("learn", postgres_url),
        ("share", postgres_url),
        ("adapt", postgres_url, "new"),
        ("select", postgres_url, "new", "x-ray of the knee 1"),
        ("audit", postgres_url),
        ("audit", postgres_url, "--prune", "1d"),
        ("forget", postgres_url, "--institution", "h1"),
    ):
        done = metachain(*command)
        assert done.returncode == 0, done.stderr
        said += [done.stdout, done.stderr]
    assert postgres.password not in "".join(said)
    assert "metachain:***@127.0.0.1" in said[0]


def test_what_is_not_there_is_said(postgres: PostgresServer, postgres_url: str) -> None:
    """A missing server, database or library and an unknown kind of address are reported."""
    nowhere = postgres_url.replace(f":{postgres.port}/", ":9/")
    with pytest.raises(StorageError, match="can't be reached, or ended the connection; check that it runs"):
        Library.open(nowhere, Tiny())
    with pytest.raises(StorageError, match="check the database's name in the address, or make it"):
        Library.open(postgres.url("nowhere"), Tiny())
    with pytest.raises(NotFoundError, match=r"there is no library at .*make one with: metachain add"):
        Library.open(postgres_url, Tiny(), create=False)
    with pytest.raises(DataError, match="an address is postgresql"):
        Library.open("postgresql+psycopg://metachain@127.0.0.1", Tiny())


def test_a_database_of_others_is_left_alone(postgres_url: str) -> None:
    """Foreign tables with our names and a newer schema are left unchanged."""
    alter(postgres_url, "CREATE TABLE audit (line text)")
    with pytest.raises(LibraryError, match="tables of another program; give the address of an empty database"):
        Library.open(postgres_url, Tiny())
    alter(postgres_url, "DROP TABLE audit")
    Library.open(postgres_url, Tiny()).close()
    alter(postgres_url, "UPDATE metachain_schema SET version = :newer", newer=SCHEMA_VERSION + 1)
    with pytest.raises(LibraryError, match=rf"newer metachain \(schema {SCHEMA_VERSION + 1}, .*upgrade"):
        Library.open(postgres_url, Tiny())


def test_a_role_that_may_not_make_tables_is_told(postgres: PostgresServer, postgres_url: str) -> None:
    """A role without rights gets an error with the requirements, and no half-made library stays."""
    name = postgres_url.rpartition("/")[2]
    postgres.administer(f"CREATE ROLE poor LOGIN PASSWORD '{postgres.password}'")
    poor = postgres.url(name, "poor")
    try:
        with pytest.raises(
            StorageError, match=r"no library could be made at .*permission denied.* A library needs pgvector"
        ):
            Library.open(poor, Tiny())
        postgres.administer("DROP EXTENSION vector", database=name)
        with pytest.raises(
            StorageError, match=r"no library could be made at .*permission denied.* A library needs pgvector"
        ):
            Library.open(poor, Tiny())
        assert rows(postgres_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
    finally:
        postgres.administer("DROP ROLE poor")


def test_a_lost_table_is_named(library: Library, postgres_url: str) -> None:
    """The error names a lost table or damaged data, and contains no texts."""
    alter(postgres_url, "DROP TABLE embeddings")
    with pytest.raises(LibraryError, match='relation "embeddings" does not exist'):
        library.vectors(library.demonstrations())


def test_a_server_that_started_again_is_found_again() -> None:
    """An open library survives a restart of the server with all committed data; while it is down, errors say so."""
    with postgres_server(durable=True) as server, Library.open(server.url(server.create_database())) as library:
        library.add(demonstrations(), share=EVERYONE)
        server.kill()
        with pytest.raises(StorageError, match="can't be reached, or ended the connection"):
            library.counts()
        server.start()
        assert library.counts() == {"h0": 8, "h1": 8, "h2": 8}


def test_errors_show_no_texts(library: Library, postgres_url: str) -> None:
    """Neither the message nor its cause contains a demonstration's text."""
    alter(postgres_url, "ALTER TABLE demonstrations ADD CONSTRAINT short CHECK (length(id) < 9) NOT VALID")
    with pytest.raises(LibraryError) as caught:
        library.add([*demonstrations(8, 2)])
    assert "x-ray" not in f"{caught.value} {caught.value.__cause__}"

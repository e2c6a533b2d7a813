"""Opening SQLite files, and errors of damaged, foreign or read-only ones."""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from handmade import Tiny, demonstrations
from sqlalchemy import Engine, event, text

from metachain.errors import DataError, LibraryError, NotFoundError, StorageError
from metachain.library.database.connect import open_engine
from metachain.library.database.engine import reading, writing
from metachain.library.database.schema import SCHEMA_VERSION
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A library of three institutions, embedded."""
    path = tmp_path / "hospitals.db"
    with Library.open(path, Tiny()) as library:
        library.add(demonstrations(each=40), share=EVERYONE)
        library.vectors(library.demonstrations())
    return path


def altered(path: Path, *statements: str) -> Path:
    """Change an SQLite file behind metachain's back."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    return path


def test_random_bytes_are_no_library(tmp_path: Path) -> None:
    """A file of random bytes is refused by name and left unchanged."""
    path = tmp_path / "noise.db"
    noise = np.random.default_rng(0).bytes(9000)
    path.write_bytes(noise)
    with pytest.raises(LibraryError, match=r"noise\.db is not a readable library .*give another path"):
        Library.open(path)
    assert path.read_bytes() == noise


def test_another_programs_file_is_refused(tmp_path: Path) -> None:
    """Another program's SQLite file is refused as such and left unchanged."""
    path = altered(tmp_path / "mail.db", "CREATE TABLE letters (body TEXT)", "INSERT INTO letters VALUES ('dear')")
    before = path.read_bytes()
    with pytest.raises(LibraryError, match=r"mail\.db is an SQLite file of another program; give the path"):
        Library.open(path)
    assert path.read_bytes() == before


def test_a_newer_schema_is_refused(filled: Path) -> None:
    """A library of a newer schema is refused with both versions and the advice to upgrade."""
    altered(filled, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(LibraryError, match=rf"newer metachain \(schema {SCHEMA_VERSION + 1}, .*upgrade"):
        Library.open(filled)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_library_is_refused(filled: Path, share: float) -> None:
    """Reading a truncated library raises a LibraryError that names it, and never returns wrong rows."""
    content = filled.read_bytes()
    filled.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(LibraryError, match=r"hospitals\.db is not a readable library .*restore it from a copy"):  # noqa: SIM117
        with Library.open(filled, Tiny()) as library:
            library.vectors(library.demonstrations())


def test_a_lost_table_is_named(filled: Path) -> None:
    """A library that lost a table is refused, and the table is named."""
    altered(filled, "DROP TABLE demonstrations")
    with Library.open(filled) as library, pytest.raises(LibraryError, match=r"no such table: demonstrations"):
        library.counts()


def test_damaged_metadata_is_a_library_error(filled: Path) -> None:
    """Metadata that are not JSON any more raise a LibraryError."""
    altered(filled, "UPDATE demonstrations SET metadata = '{oops'")
    with Library.open(filled) as library, pytest.raises(LibraryError, match=r"not a readable library"):
        library.demonstrations()


def test_a_file_of_no_bytes_is_an_empty_library(tmp_path: Path) -> None:
    """An empty file is opened as an empty library."""
    path = tmp_path / "empty.db"
    path.touch()
    with Library.open(path, Tiny()) as library:
        assert library.institutions() == ()
        assert library.add(demonstrations(), share=EVERYONE).stored == 24


def test_where_nothing_is_nothing_is_made(tmp_path: Path) -> None:
    """Opening with ``create=False`` names the missing library, says how to make one, and makes none."""
    with pytest.raises(NotFoundError, match=r"there is no library at .*x\.db; make one with: metachain add"):
        Library.open(tmp_path / "x.db", create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_can_not_be_is_refused(tmp_path: Path) -> None:
    """A folder, a missing folder and an unknown kind of address are each refused with advice."""
    with pytest.raises(DataError, match=r"is a folder; give the path of a library file, such as .*hospitals\.db"):
        open_engine(tmp_path)
    with pytest.raises(StorageError, match=r"there is no folder .*missing; make it first"):
        open_engine(tmp_path / "missing" / "x.db")
    with pytest.raises(DataError, match=r"mysql://…: a library is a path, or a database postgresql\+psycopg"):
        open_engine("mysql://localhost/hospitals")
    with pytest.raises(DataError, match=r"an address is postgresql\+psycopg"):
        open_engine("postgresql+asyncpg://me:secret@localhost/hospitals")


@pytest.mark.parametrize("name", ["what?mode=ro", "100%41.db", "#1.db", "مستشفى.db", "🏥.db", "a b.db"])
def test_a_path_is_taken_literally(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Special characters of database addresses have no meaning in a path."""
    monkeypatch.chdir(tmp_path)
    with Library.open(name) as library:
        library.add(demonstrations(), share=EVERYONE)
    assert [one.name for one in tmp_path.iterdir()] == [name]
    with Library.open(name) as library:
        assert len(library.demonstrations()) == 24


def test_a_full_disk_loses_nothing(filled: Path) -> None:
    """On a full disk an add stores nothing and says so; earlier data are intact."""

    def fill_up(connection: sqlite3.Connection, _record: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 1}")

    event.listen(Engine, "connect", fill_up)
    try:
        with Library.open(filled) as library:
            before = library.demonstrations()
            with pytest.raises(StorageError, match=r"hospitals\.db: .*full; the disk is full; free some space"):
                library.add(demonstrations(institutions=400), share=EVERYONE)
            assert library.demonstrations() == before
    finally:
        event.remove(Engine, "connect", fill_up)
    with Library.open(filled) as library:
        assert library.add(demonstrations(institutions=400), share=EVERYONE).stored == 3200 - 24


def test_a_new_library_is_for_its_owner_alone(tmp_path: Path) -> None:
    """So are its log and its index; a library that others may read stays so."""
    place = tmp_path / "hospitals.db"
    before = os.umask(0)
    try:
        with Library.open(place, Tiny()) as library:
            library.add(demonstrations())
            modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()}
        place.chmod(0o640)
        with Library.open(place, Tiny()) as library:
            library.add(demonstrations(institutions=5))
    finally:
        os.umask(before)
    assert set(modes) >= {"hospitals.db", "hospitals.db-wal"}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(place.stat().st_mode) == 0o640


def test_a_read_only_library_is_read_and_not_written(filled: Path) -> None:
    """A read-only library can be read; writing raises an error that says so."""

    def forbid(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA query_only = ON")

    event.listen(Engine, "connect", forbid)
    try:
        with Library.open(filled, Tiny()) as library:
            assert len(library.vectors(library.demonstrations())) == 120
            with pytest.raises(StorageError, match=r"read-only; change its permissions or copy the library elsewhere"):
                library.add(demonstrations(institutions=5), share=EVERYONE)
    finally:
        event.remove(Engine, "connect", forbid)


def test_a_writer_waits_for_its_turn_and_says_whom_it_waits_for(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process writes, a write fails with that reason, and reading works."""
    monkeypatch.setattr("metachain.library.database.sqlite.BUSY_SECONDS", 0)
    with closing(sqlite3.connect(filled, isolation_level=None)) as other, Library.open(filled) as library:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match=r"locked; another process is writing; run again when it has finished"):
            library.check_writable()
        assert len(library.institutions()) == 3


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    """Any error inside a transaction undoes all of it."""
    engine = open_engine(tmp_path / "x.db")
    with pytest.raises(RuntimeError, match=r"midway"), writing(engine) as connection:  # noqa: PT012
        connection.execute(text("CREATE TABLE half (a)"))
        raise RuntimeError("midway")
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM sqlite_master WHERE name = 'half'")).scalar_one() == 0
    engine.dispose()

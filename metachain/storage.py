"""Opening and writing an SQLite file, with errors that say what to do."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from json import JSONDecodeError
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DatabaseError

from metachain.errors import DataError, LibraryError, NotFoundError, StorageError
from metachain.schema import APPLICATION_ID, SCHEMA_VERSION, tables

__all__ = ["open_engine", "reading", "writing"]

BUSY_SECONDS = 30
"""How long one process waits for another that writes."""


def open_engine(target: str | Path, *, create: bool = True) -> Engine:
    """Open a library file, making it where there is none and ``create`` is set.

    Raises NotFoundError (no such file), LibraryError (foreign, corrupt or newer file), StorageError (can't be made or
    written), DataError (a kind of address that is not known).
    """
    if "://" in str(target):
        raise DataError(f"{target}: only a path to an SQLite file can be opened by this version")
    path = Path(target)
    if path.is_dir():
        raise DataError(f"{path} is a folder; give the path of a library file, such as {path / 'hospitals.db'}")
    if not path.exists() and not create:
        raise NotFoundError(f"there is no library at {path}; make one with: metachain add {path} DATA.jsonl")
    if not path.parent.is_dir():
        raise StorageError(f"there is no folder {path.parent}; make it first")
    # Absolute, so that a file may be called ":memory:"; a URL object, so that it may hold "?" and "%".
    url = URL.create("sqlite", database=str(path.absolute()))
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _leave_transactions_to_us)
    event.listen(engine, "begin", _begin)
    _prepare(engine, path)
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection to read with; database errors come out as ours."""
    try:
        with engine.connect() as connection:
            yield connection
    except DatabaseError as error:
        raise _translated(error, engine) from error
    except JSONDecodeError as error:
        raise _damaged(engine, error) from error


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction: all of it is stored when the block ends, or none of it."""
    try:
        with engine.connect().execution_options(writing=True) as connection, connection.begin():
            yield connection
    except DatabaseError as error:
        raise _translated(error, engine) from error
    except JSONDecodeError as error:
        raise _damaged(engine, error) from error


def _leave_transactions_to_us(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None


def _begin(connection: Connection) -> None:
    writing_now = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing_now else "BEGIN")


def _prepare(engine: Engine, path: Path) -> None:
    with reading(engine) as connection:
        application = connection.execute(text("PRAGMA application_id")).scalar_one()
        version = connection.execute(text("PRAGMA user_version")).scalar_one()
        occupied = connection.execute(text("SELECT count(*) FROM sqlite_master")).scalar_one()
    if occupied and application != APPLICATION_ID:
        raise LibraryError(f"{path} is an SQLite file of another program; give the path of a metachain library")
    if version > SCHEMA_VERSION:
        raise LibraryError(
            f"{path} was written by a newer metachain (schema {version}, this one reads {SCHEMA_VERSION}); upgrade"
        )
    if version == SCHEMA_VERSION and occupied:
        return
    with writing(engine) as connection:
        tables.create_all(connection)  # those that are not there
        connection.execute(text(f"PRAGMA application_id = {APPLICATION_ID}"))
        connection.execute(text(f"PRAGMA user_version = {SCHEMA_VERSION}"))


def _translated(error: DatabaseError, engine: Engine) -> LibraryError | StorageError:
    path, reason = engine.url.database, str(error.orig)
    advice = {
        "readonly": "the file or its folder is read-only; change its permissions or copy the library elsewhere",
        "full": "the disk is full; free some space and run again, what was acknowledged is kept",
        "locked": "another process is writing; run again when it has finished",
        "unable to open": "the place can't be opened; check that the folder exists and may be written",
        "disk I/O": "the disk could not be read or written; check it and its free space",
    }
    for sign, what in advice.items():
        if sign in reason:
            return StorageError(f"{path}: {reason}; {what}")
    return _damaged(engine, reason)


def _damaged(engine: Engine, reason: object) -> LibraryError:
    path = engine.url.database
    return LibraryError(f"{path} is not a readable library ({reason}); restore it from a copy or give another path")

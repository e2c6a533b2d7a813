"""Transactions on a library's database, with errors that say what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from json import JSONDecodeError

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from metachain.errors import LibraryError, StorageError

__all__ = ["KEEPER", "Viewer", "is_postgresql", "place_of", "reading", "writing"]

WRITERS = 0x6D636C62
"""Advisory lock of transactions that write alone: the bytes of "mclb"."""
ADVICE = {
    "write-ahead log": "open it once where it may be written (metachain key LIBRARY), then copy it again",
    "readonly": "the file or its folder is read-only; change its permissions or copy the library elsewhere",
    "read-only": "the database is read-only; connect to its primary",
    "full": "the disk is full; free some space and run again, what was acknowledged is kept",
    "No space left": "the disk is full; free some space and run again, what was acknowledged is kept",
    "locked": "another process is writing; run again when it has finished",
    "unable to open": "the place can't be opened; check that the folder exists and may be written",
    "disk I/O": "the disk could not be read or written; check it and its free space",
    "password authentication failed": "check the user and the password of the address",
    "no password supplied": "give the password in the address, in PGPASSWORD or in ~/.pgpass",
    "FATAL:  database": "check the database's name in the address, or make it: CREATE DATABASE",
    "FATAL:  role": "check the user in the address",
    "too many clients": "the server has no connection left; run again, or raise max_connections",
    "slots are reserved": "the server has no connection left; run again, or raise max_connections",
    "deadlock": "another process wrote the same; run again",
    "canceling statement": "the server gave up waiting; run again, or raise its timeouts",
    "connection": "the database can't be reached, or ended the connection; check that it runs, and run again",
    "permission denied": "the role may not do this; make it the owner of the library's tables",
}
"""Advice by a part of the database's error message."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Reader of the database: PostgreSQL's row-level security shows the rows that this institution may see."""

    institution: str | None
    """None for the library's keeper, who sees all rows."""
    purpose: str = ""
    """Purpose of the reading; grants limited to other purposes do not count."""


KEEPER = Viewer(None)


@contextmanager
def reading(engine: Engine, viewer: Viewer | None = None) -> Iterator[Connection]:
    """A connection for reading from one snapshot; database errors are raised as ours.

    Without a ``viewer`` PostgreSQL shows no row of the protected tables.
    """
    snapshot = {"isolation_level": "REPEATABLE READ"} if is_postgresql(engine) else {}
    with _our_errors(engine), engine.connect().execution_options(**snapshot) as connection:
        _set_viewer(connection, viewer)
        yield connection


@contextmanager
def writing(
    engine: Engine, viewer: Viewer | None = None, *, alone: bool = False, waiting: bool = True
) -> Iterator[Connection]:
    """One transaction: all of it is stored when the block ends, or none of it.

    An SQLite file has one writer at a time; ``alone`` asks the same of PostgreSQL. With ``waiting=False`` the commit
    does not wait for the disk: a crash of the process loses nothing, a power failure may lose the last transactions.
    """
    with (
        _our_errors(engine),
        engine.connect().execution_options(writing=True, waiting=waiting) as connection,
        connection.begin(),
    ):
        _set_viewer(connection, viewer)
        if not waiting and is_postgresql(engine):
            connection.execute(text("SET LOCAL synchronous_commit = off"))
        if alone and is_postgresql(engine):
            connection.execute(text("SELECT pg_advisory_xact_lock(:writers)"), {"writers": WRITERS})
        yield connection


def is_postgresql(bound: Engine | Connection) -> bool:
    """True for a library in PostgreSQL, False for an SQLite file."""
    return bound.dialect.name == "postgresql"


def place_of(engine: Engine) -> str:
    """Path or address of a library for messages, without the password."""
    return engine.url.render_as_string(hide_password=True) if is_postgresql(engine) else str(engine.url.database)


def _set_viewer(connection: Connection, viewer: Viewer | None) -> None:
    if viewer is None or not is_postgresql(connection):
        return
    keeper = "yes" if viewer.institution is None else ""
    settings = {"keeper": keeper, "asks": viewer.institution or "", "purpose": viewer.purpose}
    set_each = ", ".join(f"set_config('metachain.{name}', :{name}, true)" for name in settings)
    connection.execute(text(f"SELECT {set_each}"), settings)


@contextmanager
def _our_errors(engine: Engine) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise _as_our_error(error.orig, engine) from error
    except engine.dialect.loaded_dbapi.Error as error:
        # COPY and binary vectors go through PostgreSQL's own driver, past SQLAlchemy.
        raise _as_our_error(error, engine) from error
    except JSONDecodeError as error:
        raise _damaged(engine, error) from error


def _as_our_error(error: BaseException | None, engine: Engine) -> LibraryError | StorageError:
    reason = str(error).strip().split("\n")[0]
    for sign, what in ADVICE.items():
        if sign in reason:
            return StorageError(f"{place_of(engine)}: {reason}; {what}")
    return _damaged(engine, reason)


def _damaged(engine: Engine, reason: object) -> LibraryError:
    place = place_of(engine)
    return LibraryError(f"{place} is not a readable library ({reason}); restore it from a copy or give another path")

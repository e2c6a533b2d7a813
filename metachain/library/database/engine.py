"""Transactions on a library's database, with errors that say what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from json import JSONDecodeError
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoFreeConnection

from metachain.errors import BusyError, DataError, LibraryError, MetachainError, StorageError

__all__ = ["KEEPER", "Connections", "Viewer", "is_postgresql", "outside_transactions", "place_of", "reading", "writing"]

WRITERS = 0x6D636C62
"""Advisory lock of transactions that write alone: the bytes of "mclb"."""
SQLITE_ADVICE = {
    "write-ahead log": "open it once where it may be written (metachain key LIBRARY), then copy it again",
    "readonly": "the file or its folder is read-only; change its permissions or copy the library elsewhere",
    "full": "the disk is full; free some space and run again, what was acknowledged is kept",
    "locked": "another process is writing; run again when it has finished",
    "unable to open": "the place can't be opened; check that the folder exists and may be written",
    "disk I/O": "the disk could not be read or written; check it and its free space",
}
POSTGRESQL_ADVICE = {
    "read-only transaction": "the database is read-only; connect to its primary",
    "No space left": "the disk is full; free some space and run again, what was acknowledged is kept",
    "password authentication failed": "check the user and the password of the address",
    "no password supplied": "give the password in the address, in PGPASSWORD or in ~/.pgpass",
    "FATAL:  database": "check the database's name in the address, or make it: CREATE DATABASE",
    "FATAL:  role": "check the user in the address",
    "too many clients": "the server has no connection left; run again, or raise max_connections",
    "slots are reserved": "the server has no connection left; run again, or raise max_connections",
    "deadlock detected": "another process wrote the same; run again",
    "could not serialize": "another process wrote the same; run again",
    "canceling statement": "the server gave up waiting; run again, or raise its timeouts",
    "permission denied": "the role may not do this; make it the owner of the library's tables",
}
"""Advice by a part of the database's error message."""
BROKEN = "the database can't be reached, or ended the connection; check that it runs, and run again"
UNSTORABLE = frozenset({"DataError", "ProgramLimitExceeded"})
"""Classes of psycopg's errors about a value that PostgreSQL can't hold: too long for an index, or NUL in a text."""


@dataclass(frozen=True, slots=True)
class Connections:
    """Connections of one process to a library's database, and their waits in seconds."""

    most: int = 15
    """Maximum number of connections at once."""
    timeout: float = 30.0
    """Maximum wait for a free connection; then BusyError is raised."""
    statement_timeout: float | None = None
    """Maximum time of one statement in PostgreSQL, and maximum wait for another writer in SQLite; None for PostgreSQL's
    own setting, and for half a minute in SQLite."""

    def __post_init__(self) -> None:
        """Raise DataError for a number that is not above 0."""
        for name in ("most", "timeout", "statement_timeout"):
            given = getattr(self, name)
            if given is not None and not given > 0:
                raise DataError(f"{name!r} of the connections must be above 0, got {given!r}")


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


@contextmanager
def outside_transactions(engine: Engine) -> Iterator[Connection]:
    """A connection whose statements are each stored at once, as VACUUM and CREATE INDEX CONCURRENTLY need it."""
    with _our_errors(engine), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection


def is_postgresql(bound: Engine | Connection) -> bool:
    """True for a library in PostgreSQL, False for an SQLite file."""
    return bound.dialect.name == "postgresql"


def place_of(engine: Engine) -> str:
    """Path or address of a library for messages, without the password."""
    return engine.url.render_as_string(hide_password=True) if is_postgresql(engine) else str(engine.url.database)


def _set_viewer(connection: Connection, viewer: Viewer | None) -> None:
    """Say for whom this transaction reads, and how long a statement may take; poolers such as PgBouncer allow it."""
    if not is_postgresql(connection):
        return
    settings = dict(connection.get_execution_options().get("settings", {}))
    if viewer is not None:
        settings["metachain.keeper"] = "yes" if viewer.institution is None else ""
        settings |= {"metachain.asks": viewer.institution or "", "metachain.purpose": viewer.purpose}
    if settings:
        given = {f"value{place}": value for place, value in enumerate(settings.values())}
        calls = ", ".join(f"set_config('{name}', :{value}, true)" for name, value in zip(settings, given, strict=True))
        connection.execute(text(f"SELECT {calls}"), given)


@contextmanager
def _our_errors(engine: Engine) -> Iterator[None]:
    try:
        yield
    except NoFreeConnection as error:
        raise BusyError(
            "the database has no free connection; ask again in a moment, or allow more (--pool-size)"
        ) from error
    except DBAPIError as error:
        raise _as_our_error(error.orig, engine, broken=error.connection_invalidated) from error
    except engine.dialect.loaded_dbapi.Error as error:
        # COPY and binary vectors go through PostgreSQL's own driver, past SQLAlchemy.
        raise _as_our_error(error, engine) from error
    except JSONDecodeError as error:
        raise _damaged(engine, error) from error


def _as_our_error(error: BaseException | None, engine: Engine, *, broken: bool = False) -> MetachainError:
    reason = str(error).strip().split("\n")[0]
    if is_postgresql(engine) and any(kind.__name__ in UNSTORABLE for kind in type(error).__mro__):
        return DataError(f"the database can't hold a value ({type(error).__name__}); shorten or correct it")
    for sign, what in (POSTGRESQL_ADVICE if is_postgresql(engine) else SQLITE_ADVICE).items():
        if sign in reason:
            return StorageError(f"{place_of(engine)}: {reason}; {what}")
    if broken or _is_operational(error, engine):
        return StorageError(f"{place_of(engine)}: {reason}; {BROKEN}")
    return _damaged(engine, reason)


def _is_operational(error: BaseException | None, engine: Engine) -> bool:
    """True for PostgreSQL's errors of connections and resources; SQLite's class has errors of damaged files too."""
    driver: Any = engine.dialect.loaded_dbapi
    return is_postgresql(engine) and isinstance(error, driver.OperationalError | driver.InterfaceError)


def _damaged(engine: Engine, reason: object) -> LibraryError:
    place = place_of(engine)
    return LibraryError(f"{place} is not a readable library ({reason}); restore it from a copy or give another path")

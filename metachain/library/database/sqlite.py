"""A library in an SQLite file."""

import json
import os
import sqlite3
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DisconnectionError

from metachain.errors import DataError, LibraryError, NotFoundError, StorageError
from metachain.files import PRIVATE
from metachain.library.database.engine import Connections, reading, writing
from metachain.library.database.migrations import migrate, refuse_newer
from metachain.library.database.schema import SCHEMA_VERSION

__all__ = ["open_sqlite"]

APPLICATION_ID = 0x6D636C62
"""Marks an SQLite file as ours (``PRAGMA application_id``): the bytes of "mclb"."""
BUSY_SECONDS = 30
"""Time that a process waits for another one that writes, in seconds."""


def open_sqlite(path: Path, *, create: bool, connections: Connections, read_only: bool = False) -> Engine:
    """Open a library file; make it if there is none and ``create`` is set. Raises the errors of ``open_engine``.

    ``read_only`` refuses every write.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder; give the path of a library file, such as {path / 'hospitals.db'}")
    if not path.exists() and not create:
        raise NotFoundError(f"there is no library at {path}; make one with: metachain add {path} DATA.jsonl")
    if not path.parent.is_dir():
        raise StorageError(f"there is no folder {path.parent}; make it first")
    # An absolute path allows a file named ":memory:"; a URL object allows "?" and "%" in the name.
    database = str(path.absolute())
    if create:
        with suppress(OSError):  # SQLite says why it can't be made; its other files get the permissions of this one
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE))
    engine = create_engine(
        URL.create("sqlite", database=database),
        creator=lambda: _connect(database, connections.statement_timeout or BUSY_SECONDS, read_only=read_only),
        pool_size=connections.most,
        max_overflow=0,
        pool_timeout=connections.timeout,
        pool_reset_on_return="rollback",
        hide_parameters=True,
        json_deserializer=_read_json,
    )
    event.listen(engine, "begin", _begin)
    event.listen(engine, "checkout", partial(_renew_read_only, Path(database)))
    _prepare(engine, path)
    return engine


class _ReadOnlyFile(NamedTuple):
    """State of a file that may not be written; connections opened in another state are closed."""

    changed: int
    """Time of the last change, in nanoseconds."""
    size: int
    log: int
    """Size of the write-ahead log, in bytes; 0 without one."""

    @classmethod
    def of(cls, path: Path) -> Self | None:
        """State of a library file; None for one that may be written, or isn't there."""
        # Readers of a write-ahead log write in its folder.
        if not path.exists() or (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
            return None
        log = _beside(path, "-wal")
        found = path.stat()
        return cls(found.st_mtime_ns, found.st_size, log.stat().st_size if log.exists() else 0)


class _Connection(sqlite3.Connection):
    """A connection that knows in which state it was opened."""

    opened: _ReadOnlyFile | None = None


def _connect(database: str, busy_seconds: float, *, read_only: bool) -> sqlite3.Connection:
    path = Path(database)
    state = _ReadOnlyFile.of(path)
    if state is not None and state.log and not _beside(path, "-shm").exists():
        raise sqlite3.OperationalError(f"the write-ahead log of {path.name} can't be read in a read-only folder")
    # "immutable" ignores the write-ahead log, and with it keys and sharing rules that were revoked.
    options = (
        ("?mode=ro" if read_only else "") if state is None else "?mode=ro" if state.log else "?mode=ro&immutable=1"
    )
    connection = sqlite3.connect(
        f"{path.as_uri()}{options}",
        uri=True,
        timeout=busy_seconds,
        check_same_thread=False,
        isolation_level=None,
        factory=_Connection,
    )
    connection.opened = state
    # A commit survives a power failure; deleted data are overwritten, in free pages too.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    return connection


def _renew_read_only(path: Path, connection: _Connection, *_: object) -> None:
    """Have the pool open another connection if a read-only file has changed, or may now be written."""
    if connection.opened is not None and connection.opened != _ReadOnlyFile.of(path):
        raise DisconnectionError


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _read_json(written: str) -> Any:
    """Parse JSON; the shortcut saves time, as most metadata are empty."""
    return {} if written == "{}" else json.loads(written)


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if not options.get("writing", False):
        connection.exec_driver_sql("BEGIN")
        return
    # NORMAL leaves the write-ahead log to the operating system at commit; FULL waits for the disk.
    connection.exec_driver_sql(f"PRAGMA synchronous = {'FULL' if options['waiting'] else 'NORMAL'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _prepare(engine: Engine, path: Path) -> None:
    with reading(engine) as connection:
        application = connection.execute(text("PRAGMA application_id")).scalar_one()
        version = connection.execute(text("PRAGMA user_version")).scalar_one()
        occupied = connection.execute(text("SELECT count(*) FROM sqlite_master")).scalar_one()
    if occupied and application != APPLICATION_ID:
        raise LibraryError(f"{path} is an SQLite file of another program; give the path of a metachain library")
    refuse_newer(version, str(path))
    if version == SCHEMA_VERSION and occupied:
        return
    _enable_write_ahead_log(engine)
    with writing(engine) as connection:
        migrate(connection, version)
        connection.execute(text(f"PRAGMA application_id = {APPLICATION_ID}"))
        connection.execute(text(f"PRAGMA user_version = {SCHEMA_VERSION}"))


def _enable_write_ahead_log(engine: Engine) -> None:
    """Let readers read while one process writes; the file keeps the setting. The first write reports a failure."""
    with closing(engine.raw_connection()) as raw, suppress(sqlite3.OperationalError):
        raw.cursor().execute("PRAGMA journal_mode = WAL")

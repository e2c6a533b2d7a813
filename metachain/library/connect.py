"""Opening a library wherever it lies."""

from pathlib import Path

from sqlalchemy import Engine, make_url
from sqlalchemy.exc import ArgumentError

from metachain.errors import DataError
from metachain.library.postgresql import open_postgresql
from metachain.library.sqlite import open_sqlite

__all__ = ["is_library", "open_engine", "without_password"]


SQLITE = b"SQLite format 3\0"
"""How an SQLite file begins."""


def is_library(target: str | Path) -> bool:
    """Whether something is a library by its address or the file's first bytes, and no file of records."""
    if "://" in str(target):
        return True
    try:
        with Path(target).open("rb") as file:
            return file.read(len(SQLITE)) == SQLITE
    except OSError:
        return False


def without_password(target: str) -> str:
    """A path as it is, an address with stars for its password."""
    try:
        return make_url(target).render_as_string(hide_password=True) if "://" in target else target
    except ArgumentError:
        return "://***"


def open_engine(target: str | Path, *, create: bool = True) -> Engine:
    """Open the SQLite file or the PostgreSQL database ``target``, making a library where there is none.

    An older schema is brought up to date. Raises NotFoundError (nothing there, and ``create`` is false), LibraryError
    (foreign, corrupt or newer), StorageError (can't be made, reached or written), DataError (a kind of address that is
    not known).
    """
    kind, separator, _ = str(target).partition("://")
    if not separator:
        return open_sqlite(Path(target), create=create)
    if kind.partition("+")[0] != "postgresql":
        raise DataError(f"{kind}://…: a library is a path, or a database postgresql+psycopg://USER@HOST:PORT/DATABASE")
    return open_postgresql(str(target), create=create)

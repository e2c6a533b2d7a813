"""Opening a library wherever it lies."""

from pathlib import Path

from sqlalchemy import Engine

from metachain.errors import DataError
from metachain.postgresql import open_postgresql
from metachain.sqlite import open_sqlite

__all__ = ["open_engine"]


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

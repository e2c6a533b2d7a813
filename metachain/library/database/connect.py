"""Opening a library in SQLite or PostgreSQL."""

from pathlib import Path

from sqlalchemy import Engine, make_url
from sqlalchemy.exc import ArgumentError

from metachain.errors import DataError
from metachain.library.database.engine import Connections
from metachain.library.database.places import file_place, is_address
from metachain.library.database.postgresql import open_postgresql
from metachain.library.database.sqlite import open_sqlite

__all__ = ["is_library", "open_engine", "without_password"]

SQLITE = b"SQLite format 3\0"
"""First bytes of an SQLite file."""


def is_library(target: str | Path) -> bool:
    """True for an address, and for a file that begins like an SQLite file; False for a file of records."""
    if is_address(str(target)):
        return True
    try:
        with file_place(target).path.open("rb") as file:
            return file.read(len(SQLITE)) == SQLITE
    except (OSError, DataError):
        return False


def without_password(target: str) -> str:
    """A path unchanged; an address with its password masked."""
    try:
        return make_url(target).render_as_string(hide_password=True) if "://" in target else target
    except ArgumentError:
        return "://***"


def open_engine(target: str | Path, *, create: bool = True, connections: Connections | None = None) -> Engine:
    """Open the SQLite file or the PostgreSQL database ``target``; make a library if none is there.

    An older schema is migrated. Raises NotFoundError (nothing there, and ``create`` is false), LibraryError (foreign,
    corrupt or newer), StorageError (can't be made, reached or written), DataError (unknown kind of address;
    ``places.file_place`` says which there are).
    """
    connections = connections or Connections()
    kind = str(target).partition("://")[0]
    if is_address(str(target)) and kind.partition("+")[0] == "postgresql":
        return open_postgresql(str(target), create=create, connections=connections)
    place = file_place(target)
    making = create and place.makes
    return open_sqlite(place.path, create=making, connections=connections, read_only=place.read_only)

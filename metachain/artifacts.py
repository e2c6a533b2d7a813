"""What was learned, and lists that were given: a JSON header and npz arrays under a name."""

import io
import zlib
from collections.abc import Iterable, Mapping
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, delete, select

from metachain.bulk import upsert
from metachain.demonstration import check_text
from metachain.errors import LibraryError, NotFoundError
from metachain.revisions import counted, moved_on
from metachain.schema import artifacts as table
from metachain.storage import reading, writing

__all__ = ["Artifacts"]


class Artifacts:
    """The ``artifacts`` table of one library."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def save(
        self,
        name: str,
        header: Mapping[str, Any],
        arrays: Mapping[str, NDArray[Any]],
        changes: Iterable[str] = (),
        *,
        counts: str = "",
    ) -> None:
        """Store one, replacing what was there.

        The ``revision`` of the institutions in ``changes`` moves on with it, and the counter ``counts``.
        """
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **dict(arrays))
        with writing(self._engine) as connection:
            upsert(connection, table, [{"name": name, "header": dict(header), "arrays": buffer.getvalue()}])
            moved_on(connection, changes)
            if counts:
                counted(connection, counts)

    def load(self, name: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Read one back. Raises NotFoundError where there is none, LibraryError where it is damaged."""
        check_text("name", name)
        with reading(self._engine) as connection:
            row = connection.execute(select(table).where(table.c.name == name)).one_or_none()
        if row is None:
            raise NotFoundError(f"the library holds no {name}")
        try:
            with np.load(io.BytesIO(row.arrays), allow_pickle=False) as arrays:
                return dict(row.header), dict(arrays)
        except (ValueError, TypeError, OSError, EOFError, RuntimeError, BadZipFile, zlib.error) as error:
            raise LibraryError(f"the library's {name} is damaged ({error}); learn or adapt again") from error

    def names(self) -> tuple[str, ...]:
        """Those there are, in alphabetical order."""
        with reading(self._engine) as connection:
            return tuple(connection.execute(select(table.c.name).order_by(table.c.name)).scalars())

    def check_writable(self) -> None:
        """Raise StorageError where none could be stored."""
        with writing(self._engine) as connection:
            connection.execute(delete(table).where(table.c.name == ""))  # which is none: a write all the same

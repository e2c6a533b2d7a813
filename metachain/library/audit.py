"""Audit log of selections: ids, names and numbers, never a text."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, RowMapping, Select, delete, select, tuple_, update

from metachain.data.demonstration import check_text
from metachain.errors import StorageError
from metachain.library.bulk import upsert
from metachain.library.engine import reading, writing
from metachain.library.schema import audit as table
from metachain.timestamps import checked_moment

__all__ = ["Audit", "AuditEntry", "new_id"]

ROWS_A_QUERY = 1000


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One selection: the asking institution, the demonstrations shown, and the rules and prior behind the choice."""

    id: str
    """Id of the selection (``Selection.id``); later ids sort after earlier ones, to the millisecond."""
    at: str
    """Time of the selection, UTC, ISO 8601."""
    institution: str
    purpose: str
    """Purpose for which the library was opened; empty if none was given."""
    method: str
    """``metachain`` or ``nearest``."""
    shown: tuple[tuple[str, str], ...]
    """Institution and id of each demonstration, in prompt order."""
    rules: int
    """Version of the sharing rules at that time (``Sharing.usable_by``)."""
    prior: str
    """Version of the prior (``learning.artifacts.version_of``)."""
    outcome: str | None = None
    """Id of the answer's outcome, for feedback; None unless ``FeedbackRecorder`` stored one."""
    model: str | None = None
    """Provider and name of the model that received them; None if no chain of metachain reported it."""
    demonstration_tokens: int | None = None
    """Tokens of the demonstrations, as the prompt's budget counts them."""
    input_tokens: int | None = None
    """As the model reported them; None if it did not, as for ``output_tokens``."""
    output_tokens: int | None = None

    def __post_init__(self) -> None:
        """Raise DataError for a blank id, institution or method."""
        for name in ("id", "institution", "method"):
            check_text(name, getattr(self, name))


COLUMNS = tuple(one.name for one in fields(AuditEntry))


class Audit:
    """Audit log of one library."""

    def __init__(self, engine: Engine, *, recording: bool = True) -> None:
        self._engine = engine
        self.recording = recording
        """True if selections are recorded."""

    def record(self, entries: Iterable[AuditEntry], provided: Callable[[Connection], bool] | None = None) -> bool:
        """Store entries in one transaction; an entry with a known id replaces the one before.

        On return the entries survive a crash of the process. The disk is not waited for: a power failure may lose the
        last entries.

        ``provided`` is asked within the transaction; if it returns False, nothing is stored. Returns the answer of
        ``provided``, True without it. A library opened with ``audit=False`` asks ``provided`` and stores nothing.
        Raises StorageError if the library can't be written.
        """
        rows = [{name: getattr(one, name) for name in COLUMNS} for one in entries]
        if not self.recording:
            if provided is None:
                return True
            with reading(self._engine) as connection:
                return provided(connection)
        try:
            with writing(self._engine, waiting=False) as connection:
                if provided is not None and not provided(connection):
                    return False
                upsert(connection, table, rows)
        except StorageError as error:
            raise StorageError(
                f"{error}. Each selection is recorded before it is shown; to select without a record, "
                "open the library with audit=False (--no-audit)"
            ) from error
        return True

    def complete(
        self,
        id: str,
        *,
        outcome: str | None = None,
        model: str | None = None,
        demonstration_tokens: int | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
    ) -> bool:
        """Complete an entry with facts known after the selection, replacing earlier ones; None leaves a fact unchanged.

        Returns False if there is no such entry: it was pruned, or never recorded.
        """
        tokens = {"demonstration_tokens": demonstration_tokens, "input_tokens": input_tokens}
        facts = {"outcome": outcome, "model": model, **tokens, "output_tokens": output_tokens}
        known = {name: value for name, value in facts.items() if value is not None}
        if not self.recording or not known:
            return False
        with writing(self._engine) as connection:
            return connection.execute(update(table).where(table.c.id == id).values(known)).rowcount > 0

    def entries(
        self,
        institution: str | None = None,
        source: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        model: str | None = None,
    ) -> Iterator[AuditEntry]:
        """Entries ordered by time and then id, read page by page.

        ``institution`` limits them to selections of that institution, ``source`` to selections that showed a
        demonstration of that institution, ``model`` to a model. ``since`` is inclusive, ``until`` exclusive. Raises
        DataError for a time without a time zone.
        """
        named = {"institution": institution, "model": model}
        query = select(table).filter_by(**{name: value for name, value in named.items() if value is not None})
        query = query.order_by(table.c.at, table.c.id)
        if since is not None:
            query = query.where(table.c.at >= checked_moment("since", since))
        if until is not None:
            query = query.where(table.c.at < checked_moment("until", until))
        every = self._read(query)
        return every if source is None else (one for one in every if any(name == source for name, _ in one.shown))

    def prune(self, before: datetime) -> int:
        """Delete entries before a time; returns their number. Raises DataError for a time without a time zone."""
        with writing(self._engine) as connection:
            return connection.execute(delete(table).where(table.c.at < checked_moment("before", before))).rowcount

    def _read(self, query: Select[Any]) -> Iterator[AuditEntry]:
        """Read page by page, so that no transaction stays open between pages."""
        last: tuple[str, str] | None = None
        while True:
            page = query if last is None else query.where(tuple_(table.c.at, table.c.id) > tuple_(*last))
            with reading(self._engine) as connection:
                found = [_entry(row._mapping) for row in connection.execute(page.limit(ROWS_A_QUERY))]
            yield from found
            if len(found) < ROWS_A_QUERY:
                return
            last = found[-1].at, found[-1].id


def new_id() -> str:
    """A selection id: a UUID of version 7 (RFC 9562); its first 48 bits are the time in milliseconds."""
    number = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10), "big")
    number = number & ~(0xF << 76) | 0x7 << 76  # the version
    return str(UUID(int=number & ~(0x3 << 62) | 0x2 << 62))  # the variant


def _entry(row: RowMapping) -> AuditEntry:
    return AuditEntry(**{**row, "shown": tuple(map(tuple, row["shown"]))})

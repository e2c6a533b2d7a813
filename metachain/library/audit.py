"""Audit log of selections and other events: ids, names and numbers, never a text."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, Select, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from metachain.data.demonstration import check_text
from metachain.errors import DataError, StorageError
from metachain.library.audit_chain import SELECTION, Head, Verified, extend, locked_head, new_id, note, prune, verify
from metachain.library.database.commit_group import CommitGroup
from metachain.library.database.engine import reading, writing
from metachain.library.database.schema import audit as table
from metachain.normal_form import normal_form
from metachain.timestamps import checked_moment

__all__ = ["Audit", "AuditEntry", "Event", "complete_entry", "new_id"]

ROWS_A_QUERY = 1000
JOINED = ("migrated", "rename")
"""Kinds of the events that tell which names of institutions became which others."""
UNIQUE_VIOLATION = "23505"
"""PostgreSQL's code of a key that is there already."""


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
    contents_sha256: str = ""
    """Hash of the demonstrations shown (``erasure.records_sha256``); empty in entries of older libraries."""
    key: str = ""
    """Id of the server's key; empty if no server was asked, as for ``request``."""
    request: str = ""
    """Id of the server's request."""
    actor: str = ""
    """The person who asked, or the user who ran the command; empty if nobody was named."""

    def __post_init__(self) -> None:
        """Raise DataError for a blank id, institution or method."""
        for name in ("id", "institution", "method"):
            check_text(name, getattr(self, name))
        object.__setattr__(self, "institution", normal_form(self.institution))


@dataclass(frozen=True, slots=True)
class Event:
    """An event other than a selection, such as an export or a new key."""

    id: str
    at: str
    """Time of the event, UTC, ISO 8601."""
    kind: str
    institution: str
    """The institution that the event concerns; empty for none, or several."""
    key: str
    request: str
    actor: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    """Ids, names and numbers of the event."""


COLUMNS = tuple(one.name for one in fields(AuditEntry))
EVENT_COLUMNS = tuple(one.name for one in fields(Event))


class Audit:
    """Audit log of one library."""

    def __init__(self, engine: Engine, *, recording: bool = True, together: CommitGroup | None = None) -> None:
        self._engine = engine
        self._together = together or CommitGroup(engine)
        self.recording = recording
        """True if selections are recorded."""

    def record(self, entries: Iterable[AuditEntry], provided: Callable[[Connection], bool] | None = None) -> bool:
        """Store entries in one transaction, at the end of the hash chain; none is ever replaced.

        On return the entries survive a crash of the process. The disk is not waited for: a power failure may lose the
        last entries.

        ``provided`` is asked within the transaction; if it returns False, nothing is stored. Returns the answer of
        ``provided``, True without it. A library opened with ``audit=False`` asks ``provided`` and stores nothing.
        Raises StorageError if the library can't be written, DataError for an id that is there already.
        """
        rows = [{"kind": SELECTION, **{name: getattr(one, name) for name in COLUMNS}} for one in entries]
        if not self.recording:
            if provided is None:
                return True
            with reading(self._engine) as connection:
                return provided(connection)

        def write(connection: Connection) -> bool:
            head = locked_head(connection)
            allowed = provided is None or provided(connection)
            if allowed:
                _extend(connection, head, rows)
            return allowed

        try:
            return self._together.run(write)
        except StorageError as error:
            raise _unrecorded(error) from error

    def note(self, kind: str, institution: str = "", detail: Mapping[str, Any] | None = None) -> None:
        """Record an event under the present caller, before its result is handed out; see ``record``.

        ``detail`` has ids, names and numbers, and never a text. A library opened with ``audit=False`` stores nothing.
        Raises StorageError if the library can't be written.
        """
        if not self.recording:
            return
        try:
            with writing(self._engine, waiting=False) as connection:
                note(connection, kind, institution, detail)
        except StorageError as error:
            raise _unrecorded(error) from error

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
        if not self.recording or all(value is None for value in facts.values()):
            return False
        return self._together.run(lambda connection: complete_entry(connection, id, facts))

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
        query = select(*(table.c[name] for name in COLUMNS)).where(table.c.kind == SELECTION)
        names = None if institution is None else self._names_of(institution)
        if model is not None:
            query = query.where(table.c.model == model)
        rows = self._read(_limited(query, names, since, until))
        every = (AuditEntry(**{**row, "shown": tuple(map(tuple, row["shown"]))}) for row in rows)
        return _showing(every, None if source is None else self._names_of(source))

    def events(
        self, institution: str | None = None, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[Event]:
        """Events other than selections, in the order and within the limits of ``entries``."""
        query = select(*(table.c[name] for name in EVENT_COLUMNS)).where(table.c.kind != SELECTION)
        names = None if institution is None else self._names_of(institution)
        return (Event(**row) for row in self._read(_limited(query, names, since, until)))

    def prune(self, before: datetime) -> int:
        """Delete entries and events before a time; returns the number of entries.

        The rest of the chain can be verified. Raises DataError for a time without a time zone.
        """
        moment = checked_moment("before", before)
        with writing(self._engine) as connection:
            return prune(connection, moment)

    def verify(self, noted: Head | None = None) -> Verified:
        """Compute the hash chain anew; ``noted`` is an earlier head that it must still hold."""
        with reading(self._engine) as connection:
            return verify(connection, noted)

    def _names_of(self, institution: str) -> frozenset[str]:
        """Name of an institution, and those that it had before it was joined with another one."""
        joined = select(table.c.detail).where(table.c.kind.in_(JOINED)).order_by(table.c.number.desc())
        names = {normal_form(institution)}
        with reading(self._engine) as connection:
            for detail in connection.execute(joined).scalars():
                names |= {old for old, new in detail.get("institutions", {}).items() if new in names}
        return frozenset(names)

    def _read(self, query: Select[Any]) -> Iterator[RowMapping]:
        """Read page by page, so that no transaction stays open between pages."""
        query = query.order_by(table.c.at, table.c.id)
        last: tuple[str, str] | None = None
        while True:
            page = query if last is None else query.where(tuple_(table.c.at, table.c.id) > tuple_(*last))
            with reading(self._engine) as connection:
                found = connection.execute(page.limit(ROWS_A_QUERY)).mappings().all()
            yield from found
            if len(found) < ROWS_A_QUERY:
                return
            last = found[-1]["at"], found[-1]["id"]


def complete_entry(connection: Connection, id: str, facts: Mapping[str, str | int | None]) -> bool:
    """Complete an entry within a transaction, as ``Audit.complete`` does; None leaves a fact unchanged."""
    known = {name: value for name, value in facts.items() if value is not None}
    return connection.execute(update(table).where(table.c.id == id).values(known)).rowcount > 0


def _showing(entries: Iterable[AuditEntry], sources: frozenset[str] | None) -> Iterator[AuditEntry]:
    """Entries that showed a demonstration of one of these institutions; all of them for None."""
    return (one for one in entries if sources is None or any(name in sources for name, _ in one.shown))


def _limited(
    query: Select[Any], institutions: Collection[str] | None, since: datetime | None, until: datetime | None
) -> Select[Any]:
    if institutions is not None:
        query = query.where(table.c.institution.in_(sorted(institutions)))
    if since is not None:
        query = query.where(table.c.at >= checked_moment("since", since))
    return query if until is None else query.where(table.c.at < checked_moment("until", until))


def _extend(connection: Connection, head: Head, rows: list[dict[str, Any]]) -> None:
    try:
        extend(connection, head, rows)
    except IntegrityError as error:
        if not _is_duplicate(error):
            raise
        raise DataError("the audit has an entry with one of these ids already, and replaces none") from error


def _is_duplicate(error: IntegrityError) -> bool:
    kinds = {getattr(error.orig, "sqlite_errorname", None), getattr(error.orig, "sqlstate", None)}
    return bool(kinds & {"SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE", UNIQUE_VIOLATION})


def _unrecorded(error: StorageError) -> StorageError:
    return StorageError(
        f"{error}. Each selection is recorded before it is shown, as all that is handed out is; to go without one, "
        "open the library with audit=False (--no-audit)"
    )

"""The hash chain of the audit: each row holds a hash over its own facts and the hash of the row before.

A row that was changed, removed or inserted afterwards breaks the chain. Whoever may write the database can compute a
whole new chain, which only a head that was noted elsewhere shows.
"""

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from heapq import merge
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Connection, Text, bindparam, cast, delete, func, select, update

from metachain.data.demonstration import storable
from metachain.errors import DataError, LibraryError
from metachain.library.caller import caller
from metachain.library.database.bulk import batched, insert_into
from metachain.library.database.schema import audit as table
from metachain.library.database.schema import heads
from metachain.timestamps import now

__all__ = ["SELECTION", "Head", "Verified", "chain_unchained", "extend", "locked_head", "new_id", "note", "prune"]
__all__ += ["verify"]

SELECTION = "selection"
PRUNED = "prune"
AUDIT = "audit"
ROWS_AT_ONCE = 1000
FACTS = (
    *("number", "id", "at", "kind", "institution", "purpose", "method", "shown", "rules", "prior"),
    *("contents_sha256", "key", "request", "actor", "detail"),
)
"""Columns under the hash, in its order. Columns that ``Audit.complete`` fills in later are not among them."""
BLANK = {"purpose": "", "method": "", "shown": (), "rules": 0, "prior": "", "contents_sha256": "", "detail": {}}


@dataclass(frozen=True, slots=True)
class Head:
    """A place in the chain: the number of a row, counted from 1, and its hash; 0 and empty before the first row."""

    number: int = 0
    sha256: str = ""

    def __str__(self) -> str:
        """The text that ``read`` parses."""
        return f"{self.number}:{self.sha256}"

    @classmethod
    def read(cls, text: str) -> "Head":
        """Parse ``NUMBER:SHA256``. Raises DataError for anything else."""
        number, _, digest = text.partition(":")
        if not (number.isdecimal() and number.isascii() and len(number) < 19 and (len(digest) == 64 or text == "0:")):
            raise DataError(
                f"a head of the chain is NUMBER:SHA256 as `metachain audit --verify` prints it, got {text!r}"
            )
        return cls(int(number), digest)


@dataclass(frozen=True, slots=True)
class Verified:
    """Result of a verification."""

    entries: int
    """Number of rows that are in order, up to the first that is not; selections and other events."""
    head: Head
    """The last of them."""
    broken: str | None
    """The first place that is not in order; None if all are."""


def new_id() -> str:
    """A selection id: a UUID of version 7 (RFC 9562); its first 48 bits are the time in milliseconds."""
    number = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10), "big")
    number = number & ~(0xF << 76) | 0x7 << 76  # the version
    return str(UUID(int=number & ~(0x3 << 62) | 0x2 << 62))  # the variant


def locked_head(connection: Connection) -> Head:
    """The end of the chain; until the transaction ends, no other transaction can extend the chain.

    Raises LibraryError if the library has lost it.
    """
    query = select(heads.c.number, heads.c.sha256).where(heads.c.name == AUDIT).with_for_update()
    found = connection.execute(query).one_or_none()
    if found is None:
        raise LibraryError("the audit has lost the head of its chain; see metachain audit LIBRARY --verify")
    return Head(*found)


def extend(connection: Connection, head: Head, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add rows to the chain, within the transaction that locked ``head``; facts that a row lacks are empty."""
    linked = []
    for row in rows:
        facts = {**BLANK, **row, "number": head.number + 1}
        head = Head(head.number + 1, _link(head, facts))
        linked.append({**facts, "sha256": head.sha256})
    if linked:
        connection.execute(table.insert(), linked)
        _move(connection, head)


def note(connection: Connection, kind: str, institution: str = "", detail: Mapping[str, Any] | None = None) -> None:
    """Record an event of this moment and caller, within the transaction of what it tells.

    Call it last: until the transaction ends, nothing else can be recorded. ``detail`` has ids, names and numbers alone.
    """
    about = {"kind": kind, "institution": storable(institution), "detail": dict(detail or {})}
    extend(connection, locked_head(connection), [{"id": new_id(), "at": now(), **about, **asdict(caller())}])


def prune(connection: Connection, before: str) -> int:
    """Delete the rows from before a time; returns the number of selections among them.

    An event records the gaps that this and earlier prunings left, each with the hash from which the chain goes on.
    """
    locked_head(connection)
    gaps, old = _gaps(connection), table.c.at < before
    if gaps is None:
        raise LibraryError("the audit's record of the last pruning can't be read; see metachain audit LIBRARY --verify")
    going = connection.execute(
        select(table.c.number, table.c.number, table.c.sha256).where(old).order_by(table.c.number)
    )
    merged: list[tuple[int, int, str]] = []
    for first, last, digest in merge(gaps, map(tuple, going)):
        begin = merged.pop()[0] if merged and merged[-1][1] + 1 == first else first
        merged.append((begin, last, digest))
    if merged == gaps:
        return 0
    counted = select(func.count()).where(old, table.c.kind == SELECTION)
    selections = connection.execute(counted).scalar_one()
    connection.execute(delete(table).where(old))
    note(connection, PRUNED, detail={"selections": selections, "gaps": merged})
    return selections


def verify(connection: Connection, noted: Head | None = None) -> Verified:
    """Compute the chain anew, within one reading transaction; ``noted`` is an earlier head that it must still hold."""
    gaps = _gaps(connection)
    if gaps is None:
        return Verified(0, Head(), "the record of the last pruning can't be read")
    ends = {first: Head(last, digest) for first, last, digest in gaps}
    columns = (cast(table.c[name], Text) if isinstance(table.c[name].type, JSON) else table.c[name] for name in FACTS)
    query = select(*columns, table.c.sha256).order_by(table.c.number).execution_options(yield_per=ROWS_AT_ONCE)
    entries, head, is_noted = 0, Head(), noted in (None, Head())
    with connection.execute(query) as rows:
        for row in rows:
            before = ends.get(head.number + 1, head)
            if (fault := _fault(before, row)) is not None:
                return Verified(entries, head, fault)
            entries, head = entries + 1, Head(row[0], row[-1])
            is_noted = is_noted or noted in (before, head)
    fault = None if is_noted else f"the head {noted} is not in the chain: rows were changed, or pruned"
    return Verified(entries, head, _wrong_end(connection, head) or fault)


def chain_unchained(connection: Connection) -> None:
    """Begin the chain of a new or migrated library with the rows that it has, the oldest first.

    Does nothing if another process has begun it.
    """
    head = Head()
    begun = insert_into(connection, heads).values(name=AUDIT, **asdict(head)).on_conflict_do_nothing()
    if not connection.execute(begun).rowcount:
        return
    ids = connection.execute(select(table.c.id).order_by(table.c.at, table.c.id)).scalars().all()
    change = (
        update(table).where(table.c.id == bindparam("row")).values(number=bindparam("to"), sha256=bindparam("hash"))
    )
    for batch in batched(ids, ROWS_AT_ONCE):
        found = {row["id"]: row for row in connection.execute(select(table).where(table.c.id.in_(batch))).mappings()}
        changes = []
        for id in batch:
            head = Head(head.number + 1, _link(head, {**found[id], "number": head.number + 1}))
            changes.append({"row": id, "to": head.number, "hash": head.sha256})
        connection.execute(change, changes)
    _move(connection, head)


def _link(before: Head, facts: Mapping[str, Any]) -> str:
    """Hash of a row: SHA-256 of a JSON list of the hash before it and its facts."""
    return sha256(json.dumps([before.sha256, *(facts[name] for name in FACTS)], sort_keys=True).encode()).hexdigest()


def _fault(before: Head, row: Sequence[Any]) -> str | None:
    """Description of the fault of a row, with JSON as text, that should follow ``before``; None if it does."""
    number, id = row[:2]
    if number > before.number + 1:
        return f"row {before.number + 1} is missing"
    if number <= before.number:
        return f"row {number} ({id}) stands where there is another, or was pruned"
    facts = dict(zip(FACTS, row, strict=False))
    try:
        digest = _link(before, {**facts, "shown": json.loads(facts["shown"]), "detail": json.loads(facts["detail"])})
    except (TypeError, ValueError):
        digest = ""
    return None if digest == row[-1] else f"row {number} ({id}) is not as it was recorded"


def _move(connection: Connection, head: Head) -> None:
    connection.execute(update(heads).where(heads.c.name == AUDIT).values(number=head.number, sha256=head.sha256))


def _gaps(connection: Connection) -> list[tuple[int, int, str]] | None:
    """Numbers of the first and last row of each pruned gap, in order, with the last one's hash; None if damaged."""
    newest = select(cast(table.c.detail, Text)).where(table.c.kind == PRUNED).order_by(table.c.number.desc()).limit(1)
    written = connection.execute(newest).scalar()
    try:
        gaps = [] if written is None else json.loads(written)["gaps"]
        return [(int(first), int(last), str(digest)) for first, last, digest in gaps]
    except (KeyError, TypeError, ValueError):
        return None


def _wrong_end(connection: Connection, head: Head) -> str | None:
    """Description of the difference between the last row and the recorded head; None if they agree."""
    found = connection.execute(select(heads.c.number, heads.c.sha256).where(heads.c.name == AUDIT)).one_or_none()
    if found is not None and Head(*found) == head:
        return None
    return f"the rows end with number {head.number}, but the recorded head is {Head(*found) if found else 'gone'}"

"""Demonstrations in the database: checking and storing new ones, reading stored ones."""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, Row, func, select, true, update

from metachain.data.demonstration import ID_DIGITS, Demonstration, has_derived_id
from metachain.embedding.similarity import same_text, text_sha256
from metachain.errors import DataError, NotFoundError
from metachain.label_sets import LabelSets, label_sets
from metachain.library.audit_chain import note
from metachain.library.caller import caller
from metachain.library.database.bulk import batched, insert_new, upsert, with_keys
from metachain.library.database.schema import counters
from metachain.library.database.schema import demonstrations as table
from metachain.library.label_separator import in_set_form, separator_in
from metachain.library.origins import Origin
from metachain.library.outcomes import Outcome
from metachain.library.revisions import bump_counter, bump_revision
from metachain.library.sharing import Grant, set_default_grant
from metachain.library.vector_index import index_vectors, reindex
from metachain.normal_form import label_form

__all__ = [
    "ROWS_A_QUERY",
    "Added",
    "AdmissionGate",
    "Refused",
    "apply_gate",
    "count_by_institution",
    "from_row",
    "insert_correction",
    "insert_demonstrations",
    "institutions_with",
    "load_demonstrations",
    "load_numbers",
    "load_page",
    "load_where",
    "next_number",
    "same_content",
]

ROWS_A_QUERY = 400
DERIVED = re.compile(f"[0-9a-f]{{{ID_DIGITS}}}")
"""Form of ids that were derived from texts, also from an institution's name before it had its normal form."""
IN_ORDER = select(table).order_by(table.c.institution, table.c.id)

Refused = Callable[[int, str], None]
"""Called with the position of a demonstration that was not stored, counted from 0, and the reason."""


class AdmissionGate(Protocol):
    """A check of every new demonstration, such as ``metachain.deidentification.gate.Gate``."""

    def passed(self, demonstration: Demonstration) -> Demonstration:
        """The demonstration as it may be stored. Raises DataError if it may not be stored."""


@dataclass(frozen=True, slots=True)
class Added:
    """Result of ``Library.add``."""

    stored: int
    """Number of new demonstrations."""
    duplicates: int
    """Number of demonstrations that were already there, or came twice; they stay unchanged."""


def insert_demonstrations(
    connection: Connection,
    gate: AdmissionGate | None,
    demonstrations: Iterable[Demonstration],
    share: Grant | None,
    refused: Refused | None,
    origin: Origin,
    *,
    anew: bool,
) -> Added:
    """Store demonstrations within a transaction of the keeper that writes alone; see ``Library.add``."""
    stored = duplicates = 0
    number, sets = next_number(connection), label_sets(separator_in(connection))
    institutions: set[str] = set()
    changed: set[str] = set()
    for chunk in batched(_admissible(gate, sets, demonstrations, refused), ROWS_A_QUERY):
        fresh, known = _split_new_and_known(connection, _as_stored(connection, chunk), refused)
        insert_new(connection, table, [_row_of(one, origin, number) for one in fresh])
        index_vectors(connection, [text_sha256(one.input) for one in fresh])
        again = _say_again(connection, known, number) if anew else ()
        changed.update(one.institution for one in (*fresh, *again, *_keep_both(connection, known)))
        institutions.update(one.institution for _, one in chunk)
        stored, duplicates = stored + len(fresh), duplicates + len(known)
    bump_revision(connection, changed)
    if changed:
        bump_counter(connection, "demonstrations")
    if share is not None:
        set_default_grant(connection, institutions, share)
    if stored:
        names = sorted(changed)
        note(connection, "add", names[0] if len(names) == 1 else "", {"institutions": names, "stored": stored})
    return Added(stored, duplicates)


def insert_correction(connection: Connection, gate: AdmissionGate | None, outcome: Outcome, correction: str) -> None:
    """Store a correction as a demonstration of the institution, replacing an earlier correction of the same outcome.

    It waits for a review, also where the earlier one was released; the rules count that as a change. The transaction is
    as for ``insert_demonstrations``.
    """
    metadata = {"feedback": outcome.id}
    one = Demonstration(outcome.institution, outcome.input, correction, f"feedback {outcome.id}", metadata)
    row = _row_of(apply_gate(gate, one), "corrected", next_number(connection))
    earlier = connection.execute(with_keys(connection, table, [one.key])).first()
    upsert(connection, table, [row])
    reindex(connection, row)
    bump_counter(connection, "demonstrations")
    if earlier is not None:
        bump_counter(connection, "rules")


def apply_gate(gate: AdmissionGate | None, demonstration: Demonstration) -> Demonstration:
    """The demonstration as the gate lets it in; unchanged without a gate."""
    return gate.passed(demonstration) if gate else demonstration


def count_by_institution(connection: Connection, condition: ColumnElement[bool] | None = None) -> dict[str, int]:
    """Number of demonstrations that meet a condition by institution, in alphabetical order."""
    query = select(table.c.institution, func.count()).where(true() if condition is None else condition)
    query = query.group_by(table.c.institution).order_by(table.c.institution)
    return dict(tuple(row) for row in connection.execute(query))


def institutions_with(connection: Connection, id: str) -> tuple[str, ...]:
    """Institutions that have a demonstration with this id, in alphabetical order."""
    query = select(table.c.institution).where(table.c.id == id).order_by(table.c.institution)
    return tuple(connection.execute(query).scalars())


def load_numbers(connection: Connection, institution: str) -> dict[str, int]:
    """Number of the change with which each demonstration of an institution came in, by id."""
    query = select(table.c.id, table.c.number).where(table.c.institution == institution)
    return dict(tuple(row) for row in connection.execute(query))


def load_demonstrations(connection: Connection, institutions: Collection[str]) -> tuple[Demonstration, ...]:
    """Demonstrations of the institutions (of all, if none is named). Raises NotFoundError for one that has none."""
    query = IN_ORDER.where(table.c.institution.in_(institutions)) if institutions else IN_ORDER
    rows = connection.execute(query).all()
    absent = set(institutions) - {row.institution for row in rows}
    if absent:
        known = ", ".join(list(count_by_institution(connection))[:8]) or "none yet"
        raise NotFoundError(f"no demonstrations of {sorted(absent)[0]!r} in the library; it has: {known}")
    return tuple(map(from_row, rows))


def load_where(
    connection: Connection, condition: ColumnElement[bool], among: Collection[str], until: int | None
) -> tuple[Demonstration, ...]:
    """Demonstrations that meet a condition (``Sharing.allowing``, ``Reach.rows``), by institution and id.

    They are limited to institutions in ``among`` if that is given, and to those that came in up to the number
    ``until``.
    """
    query = IN_ORDER.where(condition)
    if among:
        query = query.where(table.c.institution.in_(among))
    if until is not None:
        query = query.where(table.c.number <= until)
    return tuple(map(from_row, connection.execute(query)))


def load_page(connection: Connection, institution: str, id: str) -> tuple[Demonstration, ...]:
    """The next demonstrations of an institution after an id, in the order of ids; empty after the last one."""
    query = select(table).where(table.c.institution == institution, table.c.id > id).order_by(table.c.id)
    return tuple(map(from_row, connection.execute(query.limit(ROWS_A_QUERY))))


def from_row(row: Row[Any]) -> Demonstration:
    """Demonstration of a row with all columns."""
    return Demonstration(row.institution, row.input, row.output, row.id, row.metadata)


def _split_new_and_known(
    connection: Connection, chunk: Sequence[tuple[int, Demonstration]], refused: Refused | None
) -> tuple[list[Demonstration], list[Demonstration]]:
    """New demonstrations, and those that the library already has.

    If an id already stands for another text, ``refused`` is called; without ``refused`` it is a DataError.
    """
    rows = connection.execute(with_keys(connection, table, [one.key for _, one in chunk]))
    known = {one.key: one for one in map(from_row, rows)}
    fresh: list[Demonstration] = []
    again: list[Demonstration] = []
    for position, one in chunk:
        held = known.setdefault(one.key, one)
        if held is one:
            fresh.append(one)
        elif same_content(held, one):
            again.append(one)
        else:
            reason = f"id {one.id!r} of {one.institution!r} already stands for another text; give it its own id"
            if refused is None:
                raise DataError(reason)
            refused(position, reason)
    return fresh, again


def same_content(one: Demonstration, other: Demonstration) -> bool:
    """True if both say the same: their inputs and outputs differ in form alone (``metachain.normal_form``)."""
    return label_form(one.input) == label_form(other.input) and one.label == other.label


def _as_stored(connection: Connection, chunk: Sequence[tuple[int, Demonstration]]) -> list[tuple[int, Demonstration]]:
    """The demonstrations, and those that came without an id under the id of one that says the same, if there is one.

    It may be in the library already, or earlier in the chunk.
    """
    unnamed = {text_sha256(one.input) for _, one in chunk if has_derived_id(one)}
    held: dict[tuple[str, str, str], str] = {}
    if unnamed:
        names = {one.institution for _, one in chunk}
        query = select(table).where(table.c.text_sha256.in_(unnamed), table.c.institution.in_(names))
        for one in map(from_row, connection.execute(query.order_by(table.c.number, table.c.id))):
            if DERIVED.fullmatch(one.id):
                held.setdefault(_content(one), one.id)
    found = []
    for position, one in chunk:
        id = held.setdefault(_content(one), one.id) if has_derived_id(one) else one.id
        found.append((position, one if id == one.id else replace(one, id=id)))
    return found


def _content(one: Demonstration) -> tuple[str, str, str]:
    return one.institution, label_form(one.input), one.label


def _say_again(connection: Connection, again: Sequence[Demonstration], number: int) -> list[Demonstration]:
    """Give those of ``again`` the present number that a later answer to the same text had superseded; returns them."""
    said: list[Demonstration] = []
    for institution in sorted({one.institution for one in again}):
        rows = connection.execute(select(table).where(table.c.institution == institution)).all()
        own = {row.id: row for row in rows}
        by_text: defaultdict[str, list[Row[Any]]] = defaultdict(list)
        for row in rows:
            by_text[same_text(row.input)].append(row)
        for one in (one for one in again if one.institution == institution):
            alike = by_text[same_text(one.input)]
            if any(label_form(row.output) != one.label and row.number > own[one.id].number for row in alike):
                said.append(one)
    for one in said:
        where = table.c.institution == one.institution, table.c.id == one.id
        connection.execute(update(table).where(*where).values(number=number))
    return said


def _keep_both(connection: Connection, again: Sequence[Demonstration]) -> list[Demonstration]:
    """Mark those that come again to be kept beside other answers, where they were stored without; returns them."""
    keys = {one.key: one for one in again if one.keeps_both}
    if not keys:
        return []
    rows = connection.execute(with_keys(connection, table, list(keys))).all()
    stored = [row for row in rows if not from_row(row).keeps_both]
    for row in stored:
        where = table.c.institution == row.institution, table.c.id == row.id
        metadata = {**(row.metadata or {}), "keep_both": True}
        connection.execute(update(table).where(*where).values(metadata=metadata))
    return [keys[row.institution, row.id] for row in stored]


def _admissible(
    gate: AdmissionGate | None,
    sets: LabelSets | None,
    demonstrations: Iterable[Demonstration],
    refused: Refused | None,
) -> Iterator[tuple[int, Demonstration]]:
    for position, one in enumerate(demonstrations):
        try:
            yield position, in_set_form(sets, apply_gate(gate, one))
        except DataError as error:
            if refused is None:
                raise
            refused(position, str(error))


def next_number(connection: Connection) -> int:
    """Number of the present change of demonstrations, within a transaction that writes alone."""
    return (connection.execute(select(counters.c.number).where(counters.c.name == "demonstrations")).scalar() or 0) + 1


def _row_of(one: Demonstration, origin: Origin, number: int) -> dict[str, Any]:
    own = {name: getattr(one, name) for name in ("institution", "id", "input", "output", "patient")}
    came = {"origin": origin, "key": caller().key or None, "number": number}
    return {**own, **came, "metadata": dict(one.metadata), "text_sha256": text_sha256(one.input)}

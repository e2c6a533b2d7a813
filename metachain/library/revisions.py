"""Counters of changes, so that a selector sees at once if it is up to date."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, Table, bindparam, func, select

from metachain.library.bulk import insert_into
from metachain.library.schema import counters, revisions

__all__ = ["State", "bump_counter", "bump_revision", "state_of", "total_revision"]

STATE = select(
    select(revisions.c.number).where(revisions.c.institution == bindparam("asking")).scalar_subquery(),
    *(
        select(counters.c.number).where(counters.c.name == name).scalar_subquery()
        for name in ("rules", "forgotten", "learned")
    ),
)
"""Query of the fields of ``State`` in their order, None without a count. Built once, as every selection runs it."""


@dataclass(frozen=True, slots=True)
class State:
    """Counters on which a selector depends; they only grow."""

    revision: int
    """Changes of the institution's own demonstrations, list of answers and outcomes."""
    rules: int
    """Changes of the library's sharing rules and groups."""
    forgotten: int
    """Erasures in the library."""
    learned: int
    """Priors stored in the library."""


def bump_revision(connection: Connection, institutions: Iterable[str]) -> None:
    """Count one more change of each institution, within the transaction that makes the change."""
    for name in sorted(set(institutions)):
        _increment(connection, revisions, "institution", name)


def bump_counter(connection: Connection, name: str) -> None:
    """Increase the library's counter ``rules``, ``forgotten``, ``learned``, ``keys`` or ``writable`` by one."""
    _increment(connection, counters, "name", name)


def total_revision(connection: Connection, institutions: Iterable[str]) -> int:
    """Number of changes counted so far of all these institutions together, 0 or more."""
    query = select(func.sum(revisions.c.number)).where(revisions.c.institution.in_(list(institutions)))
    return int(connection.execute(query).scalar() or 0)


def state_of(connection: Connection, institution: str) -> State:
    """Counters of an institution."""
    row = connection.execute(STATE, {"asking": institution}).one()
    return State(*(number or 0 for number in row))


def _increment(connection: Connection, table: Table, key: str, name: str) -> None:
    statement = insert_into(connection, table).values({key: name, "number": 1})
    connection.execute(statement.on_conflict_do_update(index_elements=[key], set_={"number": table.c.number + 1}))

"""Counters of changes, so that a selector sees at once if it is up to date."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, Table, bindparam, select

from metachain.library.database.bulk import insert_into
from metachain.library.database.schema import counters, revisions

__all__ = ["ContentVersion", "State", "bump_counter", "bump_revision", "content_version", "state_of"]

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
    """Changes of the library's sharing rules and groups, releases and refusals."""
    forgotten: int
    """Erasures in the library."""
    learned: int
    """Priors stored in the library, and erasures of priors."""


class ContentVersion(NamedTuple):
    """Counters on which all demonstrations together depend; they only grow."""

    demonstrations: int
    """Changes of demonstrations."""
    rules: int
    """Changes of sharing rules and groups, releases and refusals."""
    forgotten: int
    """Erasures."""


def bump_revision(connection: Connection, institutions: Iterable[str]) -> None:
    """Count one more change of each institution, within the transaction that makes the change."""
    for name in sorted(set(institutions)):
        _increment(connection, revisions, "institution", name)


def bump_counter(connection: Connection, name: str) -> None:
    """Increase a counter of the library (``schema.counters``) by one."""
    _increment(connection, counters, "name", name)


def content_version(connection: Connection) -> ContentVersion:
    """Counters of a library's content."""
    found = {row.name: row.number for row in connection.execute(select(counters))}
    return ContentVersion(*(found.get(name, 0) for name in ContentVersion._fields))


def state_of(connection: Connection, institution: str) -> State:
    """Counters of an institution."""
    row = connection.execute(STATE, {"asking": institution}).one()
    return State(*(number or 0 for number in row))


def _increment(connection: Connection, table: Table, key: str, name: str) -> None:
    statement = insert_into(connection, table).values({key: name, "number": 1})
    connection.execute(statement.on_conflict_do_update(index_elements=[key], set_={"number": table.c.number + 1}))

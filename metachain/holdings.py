"""The demonstrations that a library holds, read from their table."""

from collections.abc import Collection

from sqlalchemy import Connection, Select, func, select

from metachain.demonstration import Demonstration
from metachain.errors import NotFoundError
from metachain.records import ROWS_A_QUERY, demonstration_of
from metachain.schema import demonstrations as table

__all__ = ["counts_of", "demonstrations_held", "holders_of", "page_after", "shared_with"]

IN_ORDER = select(table).order_by(table.c.institution, table.c.id)


def counts_of(connection: Connection) -> dict[str, int]:
    """Number of demonstrations by institution, in alphabetical order."""
    query = select(table.c.institution, func.count()).group_by(table.c.institution).order_by(table.c.institution)
    return {row[0]: row[1] for row in connection.execute(query)}


def holders_of(connection: Connection, id: str) -> tuple[str, ...]:
    """Institutions that have a demonstration of an id, in alphabetical order."""
    query = select(table.c.institution).where(table.c.id == id).order_by(table.c.institution)
    return tuple(connection.execute(query).scalars())


def demonstrations_held(connection: Connection, institutions: Collection[str]) -> tuple[Demonstration, ...]:
    """Those of some institutions (of all, where none is named). Raises NotFoundError for one that has none."""
    query = IN_ORDER.where(table.c.institution.in_(institutions)) if institutions else IN_ORDER
    rows = connection.execute(query).all()
    absent = set(institutions) - {row.institution for row in rows}
    if absent:
        known = ", ".join(list(counts_of(connection))[:8]) or "none yet"
        raise NotFoundError(f"no demonstrations of {sorted(absent)[0]!r} in the library; it has: {known}")
    return tuple(map(demonstration_of, rows))


def shared_with(
    connection: Connection, institution: str, allowing: Select[tuple[str]], among: Collection[str]
) -> tuple[Demonstration, ...]:
    """Those that others share with an institution, of those named ``among`` (of all, where none is).

    ``allowing`` selects who shares (``Sharing.allowing``).
    """
    query = IN_ORDER.where(table.c.institution.in_(allowing), table.c.institution != institution)
    if among:
        query = query.where(table.c.institution.in_(among))
    return tuple(map(demonstration_of, connection.execute(query)))


def page_after(connection: Connection, institution: str, id: str) -> tuple[Demonstration, ...]:
    """The next few of an institution after an id, in the order of ids; none where it was the last."""
    query = select(table).where(table.c.institution == institution, table.c.id > id).order_by(table.c.id)
    return tuple(map(demonstration_of, connection.execute(query.limit(ROWS_A_QUERY))))

"""How often what an institution teaches has changed, so that a selector sees at a glance whether it is up to date."""

from collections.abc import Iterable

from sqlalchemy import Connection, Engine, select
from sqlalchemy.dialects.sqlite import insert

from metachain.schema import revisions
from metachain.storage import reading

__all__ = ["moved_on", "revision"]


def moved_on(connection: Connection, institutions: Iterable[str]) -> None:
    """Count one more change of each institution, within the transaction that makes the change."""
    for name in sorted(set(institutions)):
        statement = insert(revisions).values(institution=name, number=1)
        more = {"number": revisions.c.number + 1}
        connection.execute(statement.on_conflict_do_update(index_elements=["institution"], set_=more))


def revision(engine: Engine, institution: str) -> int:
    """Number of changes counted so far, 0 or more."""
    query = select(revisions.c.number).where(revisions.c.institution == institution)
    with reading(engine) as connection:
        return connection.execute(query).scalar() or 0

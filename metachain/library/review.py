"""Review of demonstrations that came in at run time: nobody else is shown them before they are released."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, func, select, update

from metachain.data.demonstration import Demonstration, checked_name
from metachain.errors import NotFoundError
from metachain.library.audit_chain import note
from metachain.library.database.bulk import batched
from metachain.library.database.engine import KEEPER, reading, writing
from metachain.library.database.schema import demonstrations as table
from metachain.library.demonstrations import from_row
from metachain.library.origins import LIVE, RELEASED, Origin
from metachain.library.revisions import bump_counter
from metachain.library.vector_index import index_vectors
from metachain.normal_form import normal_form

__all__ = ["Review", "Waiting"]

IDS_A_QUERY = 400
DECISIONS: dict[Origin, str] = {"reviewed": "released", "refused": "refused"}
"""Names of the decisions in the audit, by the origin that they give a demonstration."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A demonstration that waits for a review."""

    demonstration: Demonstration
    origin: Origin
    """``adapted`` for a labelled example, ``corrected`` for the correction of an answer."""
    key: str | None
    """Id of the server's key that it came with; None if it did not come through a server."""


class Review:
    """Review of one library.

    What waits counts for its own institution at once. Others may use it when it is released, or by a grant with
    ``live``. What is refused stays with its institution. Release and refusal count as changes of the sharing rules, so
    they count in every process from the next selection on.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def waiting(self, institution: str | None = None) -> tuple[Waiting, ...]:
        """Demonstrations that wait, ordered by institution and id; of all institutions, if none is named."""
        named = None if institution is None else checked_name("institution", institution)
        query = select(table).where(_waits(named)).order_by(table.c.institution, table.c.id)
        with reading(self._engine, KEEPER) as connection:
            return tuple(Waiting(from_row(row), row.origin, row.key) for row in connection.execute(query))

    def count(self, key: str) -> int:
        """Number of demonstrations that wait and came with the server's key of this id."""
        query = select(func.count()).where(table.c.key == key, _waits(None))
        with reading(self._engine, KEEPER) as connection:
            return connection.execute(query).scalar_one()

    def release(self, institution: str, ids: Sequence[str] | None = None) -> int:
        """Let the institution's grants cover demonstrations: all that wait, if ``ids`` is None; returns their number.

        A refused demonstration is released only by its id. Raises NotFoundError if the institution has none with an id.
        """
        return self._change(institution, ids, "reviewed", unless=RELEASED)

    def refuse(self, institution: str, ids: Sequence[str] | None = None) -> int:
        """Keep demonstrations for the institution alone: all that wait, if ``ids`` is None; returns their number.

        A demonstration that was imported or released before is refused only by its id. Raises NotFoundError if the
        institution has none with an id.
        """
        return self._change(institution, ids, "refused", unless=("refused",))

    def _change(
        self, institution: str, ids: Sequence[str] | None, origin: Origin, *, unless: Collection[Origin | str]
    ) -> int:
        institution = checked_name("institution", institution)
        ids = None if ids is None else [normal_form(id) for id in ids]
        with writing(self._engine, KEEPER, alone=True) as connection:
            condition = _waits(institution) if ids is None else table.c.institution == institution
            found = _rows(connection, condition, ids)
            absent = set(ids or ()) - {row.id for row in found}
            if absent:
                raise NotFoundError(f"{institution!r} has no demonstration {min(absent)!r}; metachain review lists ids")
            changed = [row for row in found if row.origin not in unless]
            for batch in batched(changed, IDS_A_QUERY):
                named = table.c.institution == institution, table.c.id.in_([row.id for row in batch])
                connection.execute(update(table).where(*named).values(origin=origin))
                index_vectors(connection, {row.text_sha256 for row in batch})
            if changed:
                bump_counter(connection, "rules")
                note(connection, "review", institution, {DECISIONS[origin]: [row.id for row in changed]})
        return len(changed)


def _rows(connection: Connection, condition: ColumnElement[bool], ids: Sequence[str] | None) -> list[Any]:
    query = select(table.c.id, table.c.origin, table.c.text_sha256).where(condition)
    if ids is None:
        return list(connection.execute(query))
    batches = batched(dict.fromkeys(ids), IDS_A_QUERY)
    return [row for batch in batches for row in connection.execute(query.where(table.c.id.in_(batch)))]


def _waits(institution: str | None) -> ColumnElement[bool]:
    waits: ColumnElement[bool] = table.c.origin.in_(LIVE)
    return waits if institution is None else waits & (table.c.institution == institution)

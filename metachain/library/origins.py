"""Origins of demonstrations, and which of them a grant covers."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, Table, and_, or_

__all__ = ["LIVE", "REACHED", "RELEASED", "Origin", "Reach", "covered"]

Origin = Literal["imported", "adapted", "corrected", "reviewed", "refused"]
"""``imported`` from a file or by a program, ``adapted`` or ``corrected`` at run time, ``reviewed`` and released, or
``refused``: kept for the institution alone."""
RELEASED = ("imported", "reviewed")
"""Origins that every grant covers."""
LIVE = ("adapted", "corrected")
"""Origins that wait for a review; only a grant with ``live`` covers them."""

Institutions = Select[tuple[str]] | Iterable[str]


@dataclass(frozen=True, slots=True)
class Reach:
    """Demonstrations that one institution may be shown."""

    released: tuple[str, ...]
    """Institutions that let it use what is released."""
    live: tuple[str, ...] = ()
    """Institutions that let it also use what nobody released."""
    own: str = ""
    """The institution with all its own demonstrations; empty for none."""

    @property
    def names(self) -> list[str]:
        """All institutions, in alphabetical order."""
        return sorted({*self.released, *self.live, *filter(None, [self.own])})

    def among(self, names: Iterable[str]) -> "Reach":
        """The same, limited to these institutions; to none if ``names`` is empty."""
        kept = frozenset(names)
        released, live = (tuple(one for one in some if one in kept) for some in (self.released, self.live))
        return Reach(released, live, self.own if self.own in kept else "")

    def rows(self, table: Table) -> ColumnElement[bool]:
        """Condition for the rows of a table that may be shown."""
        return or_(covered(table, self.released, self.live), table.c.institution == self.own)

    def parameters(self) -> dict[str, Any]:
        """Values for the parameters of ``REACHED`` in PostgreSQL."""
        return {"names": self.names, "live": list(self.live), "own": self.own}


REACHED = """institution = ANY(:names) AND (
    origin IN ('imported', 'reviewed') OR institution = :own
    OR (origin IN ('adapted', 'corrected') AND institution = ANY(:live)))"""
"""``Reach.rows`` for PostgreSQL, as text."""


def covered(table: Table, released: Institutions, live: Institutions) -> ColumnElement[bool]:
    """Condition for rows of the institutions ``released`` that were released, and of ``live`` that wait for it too."""
    own = table.c.institution
    return or_(
        and_(own.in_(released), table.c.origin.in_(RELEASED)),
        and_(own.in_(live), table.c.origin.in_([*RELEASED, *LIVE])),
    )

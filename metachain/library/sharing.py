"""Sharing rules: each institution states its own, and every read of other institutions' rows obeys them.

Sharing is off by default.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, product
from typing import Any, Literal, Self, get_args

from sqlalchemy import ColumnElement, Connection, Engine, Select, and_, delete, func, or_, select

from metachain.data.demonstration import checked_name
from metachain.errors import DataError
from metachain.library.audit_chain import note
from metachain.library.database.bulk import upsert
from metachain.library.database.engine import KEEPER, reading, writing
from metachain.library.database.schema import counters, demonstrations, grants, groups
from metachain.library.origins import Reach, covered
from metachain.library.revisions import bump_counter
from metachain.normal_form import normal_form
from metachain.timestamps import format_moment, now, parse_moment

__all__ = ["EVERYONE", "NOBODY", "Audience", "Grant", "Shared", "Sharing", "granting", "set_default_grant"]

Use = Literal["demonstrations", "statistics"]
Kind = Literal["everyone", "group", "institution", "nobody"]


@dataclass(frozen=True, slots=True)
class Audience:
    """Audience of a grant: everyone, the members of groups, some institutions, or nobody."""

    kind: Kind
    names: tuple[str, ...] = ()
    """Names of the groups or institutions; empty for everyone and nobody."""

    def __post_init__(self) -> None:
        """Raise DataError for an unknown kind, for missing, superfluous or blank names."""
        named = self.kind in {"group", "institution"}
        if self.kind not in get_args(Kind) or bool(self.names) != named:
            raise DataError(f"an audience is everyone, nobody, or the names of groups or institutions; got {self}")
        names = (checked_name(self.kind, name) for name in self.names)
        object.__setattr__(self, "names", tuple(dict.fromkeys(names)))

    @classmethod
    def read(cls, words: str) -> Self:
        """Parse the command line's ``everyone``, ``nobody``, ``group:north,south`` or ``st-marys,general``."""
        if words in {"everyone", "nobody"}:
            return cls(words)  # type: ignore[arg-type]  # they are kinds
        kind: Kind = "group" if words.startswith("group:") else "institution"
        names = tuple(filter(None, map(normal_form, words.removeprefix("group:").split(","))))
        if not names:
            raise DataError(f"an audience is everyone, nobody, group:NAME,… or INSTITUTION,…; got {words!r}")
        return cls(kind, names)

    def __str__(self) -> str:
        """The text that ``read`` parses."""
        return ("group:" if self.kind == "group" else "") + ",".join(self.names) if self.names else self.kind


@dataclass(frozen=True, slots=True)
class Grant:
    """One permission that an institution gives. Permission to use demonstrations includes their statistics."""

    to: Audience
    use: Use = "demonstrations"
    """``demonstrations`` may be shown to others; from ``statistics`` only the prior learns."""
    purposes: tuple[str, ...] = ()
    """Purposes for which the grant counts; empty for any purpose."""
    until: datetime | None = None
    """End of the grant; None if it never ends."""
    live: bool = False
    """True if it includes what came in at run time and nobody has released (``Library.review``)."""

    def __post_init__(self) -> None:
        """Raise DataError for an unknown use, a blank purpose, or a time without a time zone."""
        if self.use not in get_args(Use):
            raise DataError(f"a grant's use must be 'demonstrations' or 'statistics', got {self.use!r}")
        purposes = (checked_name("purpose", purpose) for purpose in self.purposes)
        object.__setattr__(self, "purposes", tuple(dict.fromkeys(purposes)))
        if self.until is not None and self.until.tzinfo is None:
            raise DataError(f"'until' must have a time zone, such as UTC, got {self.until}")
        if not isinstance(self.live, bool):
            raise DataError(f"'live' must be True or False, got {self.live!r}")


EVERYONE = Grant(Audience("everyone"))
"""Everyone may use the demonstrations, for any purpose and without an end."""
NOBODY = Grant(Audience("nobody"))
"""Nobody may use anything; the same as no grant, but stated."""


@dataclass(frozen=True, slots=True)
class Shared:
    """Other institutions' data that one institution may use, at one moment."""

    demonstrations: frozenset[str]
    """Institutions with demonstrations that may be shown to it."""
    statistics: frozenset[str]
    """Institutions from which its prior may learn: the former, and those that share only statistics."""
    rules: int
    """Version of the rules: the number of their changes."""
    until: str | None = None
    """Earliest end of one of the grants, in the form of ``Sharing.now``; None if none ends."""
    live: frozenset[str] = frozenset()
    """Institutions of ``demonstrations`` that share also what nobody has released."""

    def reach(self, own: str = "") -> Reach:
        """Demonstrations of others that may be shown; with ``own``, all of that institution too."""
        return Reach(tuple(sorted(self.demonstrations)), tuple(sorted(self.live)), own)


class Sharing:
    """Sharing rules of one library, for one purpose."""

    def __init__(self, engine: Engine, purpose: str = "") -> None:
        self._engine = engine
        self.purpose = checked_name("purpose", purpose) if purpose != "" else ""
        """If empty, only grants for any purpose count."""

    @staticmethod
    def now() -> str:
        """The current time, by which grants end; UTC, ISO 8601."""
        return now()

    def state(self, institution: str, *granted: Grant) -> None:
        """Replace all grants of an institution; without grants it shares with nobody."""
        self.state_all({institution: granted})

    def state_all(self, rules: dict[str, Sequence[Grant]]) -> None:
        """Replace the grants of several institutions, in one transaction."""
        named = {checked_name("institution", institution): granted for institution, granted in rules.items()}
        with writing(self._engine, KEEPER, alone=True) as connection:
            for institution, granted in named.items():
                connection.execute(delete(grants).where(grants.c.institution == institution))
                upsert(connection, grants, _rows(institution, granted or [NOBODY]))
            bump_counter(connection, "rules")
            _note_rules(connection, named)

    def grants(self) -> dict[str, tuple[Grant, ...]]:
        """Stated grants by institution; institutions that never stated any are left out."""
        query = select(grants).order_by(grants.c.institution, grants.c.number, grants.c.name, grants.c.purpose)
        with reading(self._engine, KEEPER) as connection:
            rows = connection.execute(query).all()
        return {
            institution: tuple(_grant(list(some)) for _, some in groupby(own, lambda row: row.number))
            for institution, own in groupby(rows, lambda row: row.institution)
        }

    def group(self, name: str, institutions: Iterable[str]) -> None:
        """Set the members of a group, replacing the former ones; an empty list removes the group."""
        name = checked_name("group", name)
        members = sorted({checked_name("institution", one) for one in institutions})
        with writing(self._engine, KEEPER, alone=True) as connection:
            connection.execute(delete(groups).where(groups.c.name == name))
            if members:
                connection.execute(groups.insert(), [{"name": name, "institution": one} for one in members])
            bump_counter(connection, "rules")
            note(connection, "group", detail={"group": name, "members": members})

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Members by group."""
        query = select(groups).order_by(groups.c.name, groups.c.institution)
        with reading(self._engine, KEEPER) as connection:
            rows = connection.execute(query).all()
        return {name: tuple(row.institution for row in own) for name, own in groupby(rows, lambda row: row.name)}

    def usable_by(self, institution: str | None) -> Shared:
        """Data of others that an institution may use now; None: data that any institution may use, even a new one."""
        if institution is not None:
            institution = checked_name("institution", institution)
        with reading(self._engine, KEEPER) as connection:
            found = connection.execute(granting(institution, self.purpose, self.now())).all()
            changes = select(func.max(counters.c.number)).where(counters.c.name == "rules")
            version = connection.execute(changes).scalar() or 0
        return Shared(
            frozenset(row.institution for row in found if row.use == "demonstrations"),
            frozenset(row.institution for row in found),
            version,
            min((row.until for row in found if row.until), default=None),
            frozenset(row.institution for row in found if row.use == "demonstrations" and row.live),
        )

    def allowing(self, institution: str) -> ColumnElement[bool]:
        """Condition for the demonstrations of others that an institution may be shown now."""
        institution = normal_form(institution)
        found = granting(institution, self.purpose, self.now()).where(grants.c.use == "demonstrations")
        released = found.with_only_columns(grants.c.institution)
        return and_(
            covered(demonstrations, released, released.where(grants.c.live == 1)),
            demonstrations.c.institution != institution,
        )


def granting(institution: str | None, purpose: str, at: str) -> Select[Any]:
    """Query of the grants valid for an institution, purpose and time: ``(institution, use, until, live)``."""
    addressed = grants.c.audience == "everyone"
    if institution is not None:
        memberships = select(groups.c.name).where(groups.c.institution == institution)
        addressed = or_(
            addressed,
            and_(grants.c.audience == "institution", grants.c.name == institution),
            and_(grants.c.audience == "group", grants.c.name.in_(memberships)),
        )
    ends = or_(grants.c.until.is_(None), grants.c.until > at)
    query = select(grants.c.institution, grants.c.use, grants.c.until, grants.c.live)
    return query.where(grants.c.purpose.in_(["", purpose]), ends, addressed)


def set_default_grant(connection: Connection, institutions: Iterable[str], grant: Grant) -> None:
    """Set a grant for those institutions that have never stated one."""
    stated = connection.execute(select(grants.c.institution).distinct()).scalars()
    unstated = sorted(set(institutions).difference(stated))
    for name in unstated:
        upsert(connection, grants, _rows(name, [grant]))
    if unstated:
        bump_counter(connection, "rules")
        _note_rules(connection, {name: [grant] for name in unstated})


def _note_rules(connection: Connection, rules: Mapping[str, Sequence[Grant]]) -> None:
    """Record the new rules of institutions in the audit, as rows of ``grants``."""
    stated = [row for name, granted in rules.items() for row in _rows(name, granted or [NOBODY])]
    note(connection, "rules", next(iter(rules)) if len(rules) == 1 else "", {"grants": stated})


def _rows(institution: str, granted: Sequence[Grant]) -> list[dict[str, Any]]:
    return [
        {
            "institution": institution,
            "number": number,
            "name": name,
            "purpose": purpose,
            "use": one.use,
            "audience": one.to.kind,
            "until": one.until and format_moment(one.until),
            "live": int(one.live),
        }
        for number, one in enumerate(granted)
        for name, purpose in product(sorted(set(one.to.names)) or [""], sorted(set(one.purposes)) or [""])
    ]


def _grant(rows: list[Any]) -> Grant:
    first = rows[0]
    names = tuple(sorted({row.name for row in rows} - {""}))
    purposes = tuple(sorted({row.purpose for row in rows} - {""}))
    return Grant(
        Audience(first.audience, names),
        first.use,
        purposes,
        first.until and parse_moment(first.until),
        bool(first.live),
    )

"""API keys for a server of a library; each is bound to an institution and to scopes, and stored as a hash."""

import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from typing import Literal

from sqlalchemy import Connection, Engine, RowMapping, delete, exists, or_, select, update

from metachain.data.demonstration import checked_name
from metachain.errors import DataError, NotFoundError
from metachain.library.audit_chain import note
from metachain.library.database.engine import KEEPER, reading, writing
from metachain.library.database.schema import counters
from metachain.library.database.schema import keys as table
from metachain.library.revisions import bump_counter
from metachain.timestamps import format_moment, now, this_minute

__all__ = ["ADMIN", "DEFAULT_SCOPES", "GRACE", "METRICS", "SCOPES", "Key", "Keys"]

SCOPES = {
    "ask": "ask the chains",
    "explain": "see which demonstrations are chosen and why, with the institution's own texts",
    "texts": "also see the texts of demonstrations that others share",
    "read": "read facts about the institution",
    "label": "get suggestions of inputs to label next",
    "feedback": "score and correct answers",
    "adapt": "give labelled examples",
    "review": "release to others what came in at run time, or refuse it",
}
"""Scopes of an institution's key, each with its meaning."""
ADMIN = "admin"
"""Scope of an administrator's key, without an institution: everything, for any institution it names, and metrics."""
METRICS = "metrics"
"""Scope of a monitoring key, without an institution: the server's metrics only."""
DEFAULT_SCOPES = ("ask", "explain", "read", "label", "feedback", "adapt")
LIFETIME = timedelta(days=365)
GRACE = timedelta(hours=24)
"""Time for which a rotated key still counts."""
PREFIX = "mc"
NO_DIGEST = sha256(b"").hexdigest()
COUNTER = "keys"
EVER_MADE = select(or_(exists().where(table.c.id.is_not(None)), exists().where(counters.c.name == COUNTER)))


@dataclass(frozen=True, slots=True)
class Key:
    """An API key without its secret."""

    id: str
    institution: str | None
    """Institution of the caller; None for an administrator's or a monitoring key."""
    scopes: frozenset[str]
    made: str
    """Time of creation, UTC, ISO 8601."""
    until: str | None = None
    """Time of expiry, UTC, ISO 8601; None if the key never expires."""
    used: str | None = field(default=None, compare=False)
    """Minute of the last use, UTC, ISO 8601; None if the key was never used."""

    def allows(self, scope: str) -> bool:
        """True if the key has the scope; an administrator's key has every scope."""
        return scope in self.scopes or ADMIN in self.scopes


class Keys:
    """API keys of one library."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def make(
        self, institution: str | None, scopes: Iterable[str] = (), until: datetime | Literal["never"] | None = None
    ) -> tuple[Key, str]:
        """Make a key for an institution, or for an administrator if that is None; returns the key and its secret.

        ``scopes`` are of ``SCOPES`` for an institution's key (default ``DEFAULT_SCOPES``), else ``ADMIN`` (the default)
        or ``METRICS``. ``until`` is the end of the key, ``"never"`` for none, None for 365 days from now. The secret is
        ``mc_ID_`` followed by 256 random bits and is returned only here. The library stores its SHA-256 only, which is
        safe because nobody can guess 256 random bits. Raises DataError for a blank institution or an unknown scope.
        """
        if institution is not None:
            institution = checked_name("institution", institution)
        known = (ADMIN, METRICS) if institution is None else tuple(SCOPES)
        allowed = frozenset(scopes) or frozenset((ADMIN,) if institution is None else DEFAULT_SCOPES)
        if unknown := sorted(allowed.difference(known)):
            kind = "a key without an institution" if institution is None else "an institution's key"
            raise DataError(f"a scope of {kind} is one of {', '.join(known)}; got {', '.join(map(repr, unknown))}")
        with writing(self._engine, KEEPER) as connection:
            key, secret = _insert(connection, institution, allowed, until)
            note(connection, "key made", institution or "", _told(key))
        return key, secret

    def rotate(
        self, id: str, until: datetime | Literal["never"] | None = None, grace: timedelta = GRACE
    ) -> tuple[Key, str]:
        """Make a key with the institution and scopes of another one, which ends after ``grace`` if not before.

        ``until`` is as for ``make``. Returns the new key and its secret. Raises NotFoundError if no key has the id,
        DataError for a ``grace`` below 0 or above 365 days.
        """
        if not timedelta() <= grace <= LIFETIME:
            raise DataError(f"the time of grace must be from 0 to {LIFETIME.days} days, got {grace}")
        end = format_moment(datetime.now(UTC) + grace)
        with writing(self._engine, KEEPER) as connection:
            row = connection.execute(select(table).where(table.c.id == id).with_for_update()).mappings().first()
            if row is None:
                raise _absent(id)
            old = _key(row)
            ends = min(old.until or end, end)
            connection.execute(update(table).where(table.c.id == id).values(until=ends))
            key, secret = _insert(connection, old.institution, old.scopes, until)
            note(connection, "key rotated", old.institution or "", {**_told(key), "old": id, "old ends": ends})
        return key, secret

    def mark_used(self, id: str) -> None:
        """Store the present minute as that of a key's last use; does nothing if the key is gone.

        The disk is not waited for.
        """
        with writing(self._engine, KEEPER, waiting=False) as connection:
            connection.execute(update(table).where(table.c.id == id).values(used=this_minute()))

    def of(self, secret: str) -> Key | None:
        """Key of a secret; None if the key is unknown or has expired. The comparison takes constant time."""
        parts = secret.split("_", 2)
        id = parts[1] if len(parts) == 3 and parts[0] == PREFIX and parts[1].isalnum() else ""
        with reading(self._engine, KEEPER) as connection:
            row = connection.execute(select(table).where(table.c.id == id)).mappings().first()
        same = compare_digest(_digest(secret), NO_DIGEST if row is None else row["sha256"])
        key = _key(row) if row is not None and same else None
        return None if key is None or (key.until is not None and now() >= key.until) else key

    def all(self) -> tuple[Key, ...]:
        """All keys that were not revoked, expired ones included, oldest first."""
        with reading(self._engine, KEEPER) as connection:
            rows = connection.execute(select(table).order_by(table.c.made, table.c.id)).mappings().all()
        return tuple(map(_key, rows))

    def ever_made(self) -> bool:
        """True if the library has or had a key, also after the last one was revoked or erased."""
        with reading(self._engine, KEEPER) as connection:
            return bool(connection.execute(EVER_MADE).scalar())

    def revoke(self, id: str) -> None:
        """Revoke a key: it is refused from the next request on. Raises NotFoundError if no key has the id."""
        with writing(self._engine, KEEPER) as connection:
            of = select(table.c.institution).where(table.c.id == id)
            found = connection.execute(of.with_for_update()).one_or_none()
            if found is None:
                raise _absent(id)
            connection.execute(delete(table).where(table.c.id == id))
            bump_counter(connection, COUNTER)
            note(connection, "key revoked", found.institution or "", {"id": id})


def _digest(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _key(row: RowMapping) -> Key:
    return Key(row["id"], row["institution"], frozenset(row["scopes"]), row["made"], row["until"], row["used"])


def _insert(
    connection: Connection,
    institution: str | None,
    scopes: frozenset[str],
    until: datetime | Literal["never"] | None,
) -> tuple[Key, str]:
    """Store a new key within a transaction; returns it and its secret."""
    ends = None if until == "never" else format_moment(until or datetime.now(UTC) + LIFETIME)
    key = Key(secrets.token_hex(6), institution, scopes, now(), ends)
    secret = f"{PREFIX}_{key.id}_{secrets.token_urlsafe(32)}"
    connection.execute(table.insert(), [{**asdict(key), "sha256": _digest(secret), "scopes": sorted(scopes)}])
    bump_counter(connection, COUNTER)
    return key, secret


def _told(key: Key) -> dict[str, object]:
    """Facts about a key for the audit."""
    return {"id": key.id, "scopes": sorted(key.scopes), "until": key.until}


def _absent(id: str) -> NotFoundError:
    return NotFoundError(f"no key has the id {id!r}; list them: metachain key LIBRARY")

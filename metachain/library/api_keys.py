"""API keys for a server of a library; each is bound to an institution and to scopes, and stored as a hash."""

import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest

from sqlalchemy import Engine, RowMapping, delete, exists, or_, select

from metachain.data.demonstration import check_text
from metachain.errors import DataError, NotFoundError
from metachain.library.engine import KEEPER, reading, writing
from metachain.library.revisions import bump_counter
from metachain.library.schema import counters
from metachain.library.schema import keys as table
from metachain.timestamps import format_moment, now

__all__ = ["ADMIN", "DEFAULT_SCOPES", "METRICS", "SCOPES", "Key", "Keys"]

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

    def allows(self, scope: str) -> bool:
        """True if the key has the scope; an administrator's key has every scope."""
        return scope in self.scopes or ADMIN in self.scopes


class Keys:
    """API keys of one library."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def make(
        self, institution: str | None, scopes: Iterable[str] = (), until: datetime | None = None
    ) -> tuple[Key, str]:
        """Make a key for an institution, or for an administrator if that is None; returns the key and its secret.

        ``scopes`` are of ``SCOPES`` for an institution's key (default ``DEFAULT_SCOPES``), else ``ADMIN`` (the default)
        or ``METRICS``. The secret is ``mc_ID_`` followed by 256 random bits and is returned only here. The library
        stores its SHA-256 only, which is safe because nobody can guess 256 random bits. Raises DataError for a blank
        institution or an unknown scope.
        """
        if institution is not None:
            check_text("institution", institution)
        known = (ADMIN, METRICS) if institution is None else tuple(SCOPES)
        allowed = frozenset(scopes) or frozenset((ADMIN,) if institution is None else DEFAULT_SCOPES)
        if unknown := sorted(allowed.difference(known)):
            kind = "a key without an institution" if institution is None else "an institution's key"
            raise DataError(f"a scope of {kind} is one of {', '.join(known)}; got {', '.join(map(repr, unknown))}")
        key = Key(secrets.token_hex(6), institution, allowed, now(), None if until is None else format_moment(until))
        secret = f"{PREFIX}_{key.id}_{secrets.token_urlsafe(32)}"
        row = {**asdict(key), "sha256": _digest(secret), "scopes": sorted(allowed)}
        with writing(self._engine, KEEPER) as connection:
            connection.execute(table.insert(), [row])
            bump_counter(connection, COUNTER)
        return key, secret

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
            gone = connection.execute(delete(table).where(table.c.id == id)).rowcount
            if gone:
                bump_counter(connection, COUNTER)
        if not gone:
            raise NotFoundError(f"no key has the id {id!r}; list them: metachain key LIBRARY")


def _digest(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _key(row: RowMapping) -> Key:
    return Key(row["id"], row["institution"], frozenset(row["scopes"]), row["made"], row["until"])

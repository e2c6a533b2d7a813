"""Who may ask a server of a library: API keys, each bound to an institution and scopes, of which hashes are stored."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from typing import Any

from sqlalchemy import Engine, RowMapping, delete, select

from metachain.data.demonstration import check_text
from metachain.errors import DataError, NotFoundError
from metachain.library.engine import KEEPER, reading, writing
from metachain.library.schema import keys as table
from metachain.timestamps import format_moment, now

__all__ = ["ADMIN", "DEFAULT_SCOPES", "METRICS", "SCOPES", "Key", "Keys"]

SCOPES = {
    "ask": "ask the chains",
    "explain": "see which demonstrations are chosen and why, with the institution's own texts",
    "texts": "see the texts of demonstrations that others share with it too",
    "read": "see what is known of the institution",
    "label": "be told what to label next",
    "feedback": "score and correct answers",
    "adapt": "give labelled examples",
}
"""What a key may allow its institution."""
ADMIN = "admin"
"""The scope of keys that belong to no institution: everything, for whichever institution they name, and metrics."""
METRICS = "metrics"
"""The other scope of keys that belong to no institution: the server's numbers, and nothing else."""
DEFAULT_SCOPES = ("ask", "explain", "read", "label", "feedback", "adapt")
PREFIX = "mc"
NO_DIGEST = sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of one key; its secret is not."""

    id: str
    institution: str | None
    """Who asks with it; None for an administrator's."""
    scopes: frozenset[str]
    made: str
    """UTC, ISO 8601."""
    until: str | None = None
    """From then on it counts no more."""

    def allows(self, scope: str) -> bool:
        """Whether it may be used for something."""
        return scope in self.scopes or ADMIN in self.scopes


class Keys:
    """The API keys of one library."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def make(
        self, institution: str | None, scopes: Iterable[str] = (), until: datetime | None = None
    ) -> tuple[Key, str]:
        """Make a key for an institution, or one that belongs to none where that is None; returns it and its secret.

        ``scopes`` are of ``SCOPES`` for an institution's key (``DEFAULT_SCOPES`` where there are none), else ``ADMIN``
        (the default) or ``METRICS``. The secret, ``mc_ID_`` and 256 random bits, is told here and nowhere else: the
        library keeps its SHA-256, which is enough for what nobody can guess. Raises DataError for a blank institution
        or an unknown scope.
        """
        if institution is not None:
            check_text("institution", institution)
        known = (ADMIN, METRICS) if institution is None else tuple(SCOPES)
        allowed = frozenset(scopes) or frozenset((ADMIN,) if institution is None else DEFAULT_SCOPES)
        unknown = sorted(allowed.difference(known))
        if unknown:
            whose = "a key of no institution" if institution is None else "an institution's key"
            raise DataError(f"a scope of {whose} is one of {', '.join(known)}; got {', '.join(map(repr, unknown))}")
        key = Key(secrets.token_hex(6), institution, allowed, now(), None if until is None else format_moment(until))
        secret = f"{PREFIX}_{key.id}_{secrets.token_urlsafe(32)}"
        row = {
            "id": key.id,
            "sha256": _digest(secret),
            "institution": institution,
            "scopes": sorted(allowed),
            "made": key.made,
            "until": key.until,
        }
        with writing(self._engine, KEEPER) as connection:
            connection.execute(table.insert(), [row])
        return key, secret

    def of(self, secret: str) -> Key | None:
        """Find the key of a secret; None for one that there is not, or that has ended. Compared in constant time."""
        parts = secret.split("_", 2)
        id = parts[1] if len(parts) == 3 and parts[0] == PREFIX and parts[1].isalnum() else ""
        with reading(self._engine, KEEPER) as connection:
            row = connection.execute(select(table).where(table.c.id == id)).mappings().first()
        same = compare_digest(_digest(secret), NO_DIGEST if row is None else row["sha256"])
        if row is None or not same:
            return None
        key = _key(row)
        return None if key.until is not None and now() >= key.until else key

    def all(self) -> tuple[Key, ...]:
        """Every key that was not revoked, those that have ended too, the oldest first."""
        with reading(self._engine, KEEPER) as connection:
            rows = connection.execute(select(table).order_by(table.c.made, table.c.id)).mappings().all()
        return tuple(map(_key, rows))

    def revoke(self, id: str) -> None:
        """Take a key away: it counts no more from the next request on. Raises NotFoundError where there is none."""
        with writing(self._engine, KEEPER) as connection:
            gone = connection.execute(delete(table).where(table.c.id == id)).rowcount
        if not gone:
            raise NotFoundError(f"no key has the id {id!r}; list them: metachain key LIBRARY")


def _digest(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _key(row: RowMapping | Any) -> Key:
    return Key(row["id"], row["institution"], frozenset(row["scopes"]), row["made"], row["until"])

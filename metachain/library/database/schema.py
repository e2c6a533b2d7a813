"""Database schema of a library, the same in SQLite and PostgreSQL."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Dialect,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

__all__ = [
    "SCHEMA_VERSION",
    "VectorColumn",
    "artifacts",
    "audit",
    "counters",
    "demonstrations",
    "embeddings",
    "grants",
    "groups",
    "heads",
    "indexed",
    "keys",
    "outcomes",
    "placed",
    "protected",
    "receipts",
    "revisions",
    "secrets",
    "tables",
]

SCHEMA_VERSION = 8
"""``migrations`` lists the additions of each version."""
FLOAT32_BYTES = np.dtype(np.float32).itemsize


class VectorColumn(TypeDecorator[NDArray[np.float32]]):
    """A float32 vector (d,). Stored bytes that are not a whole number of float32 come back as an empty vector."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Bytes in SQLite, pgvector's ``vector`` in PostgreSQL."""
        if dialect.name != "postgresql":
            return dialect.type_descriptor(LargeBinary())
        from pgvector.sqlalchemy import VECTOR  # noqa: PLC0415 - an extra

        kind: TypeEngine[Any] = dialect.type_descriptor(VECTOR())
        return kind

    def process_bind_param(self, value: NDArray[np.float32] | None, dialect: Dialect) -> Any:
        """Value for the database driver."""
        if value is None or dialect.name == "postgresql":
            return value
        return np.ascontiguousarray(value, np.float32).tobytes()

    def process_result_value(self, value: Any, dialect: Dialect) -> NDArray[np.float32]:
        """Array (d,) from the driver's value."""
        if isinstance(value, bytes):
            return np.frombuffer(value if len(value) % FLOAT32_BYTES == 0 else b"", np.float32)
        return np.asarray(value if value is not None else [], np.float32)


tables = MetaData()

Name = Text().with_variant(Text(collation="C"), "postgresql")
"""A text that is compared and sorted by code points, as in Python."""


def _key(*names: str) -> list[Column[str]]:
    return [Column(name, Name, primary_key=True) for name in names]


def _required(kind: Any, *names: str) -> list[Column[Any]]:
    return [Column(name, kind, nullable=False) for name in names]


demonstrations = Table(
    "demonstrations",
    tables,
    *_key("institution", "id"),
    *_required(Text, "input", "output"),
    *_required(JSON, "metadata"),
    Column("text_sha256", String(64), nullable=False, server_default=""),
    Column("patient", Name),
    Column("origin", Name, nullable=False, server_default="imported"),
    Column("number", Integer, nullable=False, server_default="0"),
    Column("key", Name),
    Index("demonstrations_by_text", "text_sha256"),
    Index("demonstrations_by_patient", "patient"),
    Index("demonstrations_by_origin", "origin", "institution"),
)
"""``text_sha256`` is the hash of the normalised input, as in ``embeddings``; ``patient`` is ``metadata.patient``.

``origin`` says how a demonstration came in, ``key`` is the id of the server's key that it came with. ``number`` is the
counter ``demonstrations`` when its text came in or its origin changed.
"""

embeddings = Table(
    "embeddings",
    tables,
    *_key("fingerprint"),
    Column("text_sha256", String(64), primary_key=True),
    *_required(VectorColumn, "vector"),
)
"""Derived data: a missing or damaged vector is computed again."""

indexed = Table("indexed", tables, *_key("fingerprint"), *_required(Integer, "size"))
"""Encoders with vectors in ``placed``, and the size of these vectors; used in PostgreSQL only."""

placed = Table(
    "placed",
    tables,
    *_key("institution", "id", "fingerprint"),
    *_required(VectorColumn, "vector"),
    Column("origin", Name, nullable=False, server_default="imported"),
    ForeignKeyConstraint(
        ["institution", "id"], ["demonstrations.institution", "demonstrations.id"], ondelete="CASCADE"
    ),
)
"""Each demonstration together with its vector, so that one index scan searches and filters."""

grants = Table(
    "grants",
    tables,
    *_key("institution"),
    Column("number", Integer, primary_key=True),
    *_key("name", "purpose"),
    *_required(Name, "use", "audience"),
    Column("until", Name),
    Column("live", Integer, nullable=False, server_default="0"),
)
"""Sharing rules. A grant to n institutions or groups for m purposes has n·m rows with the same number.

``audience`` is ``everyone``, ``group``, ``institution`` or ``nobody``; ``name`` is the group or institution;
``purpose`` is empty for any purpose; ``until`` is the end of the grant in UTC (ISO 8601). ``live`` is 1 if the grant
includes what came in at run time and nobody released.
"""

groups = Table("groups", tables, *_key("name", "institution"))
"""Members of each group of institutions."""

keys = Table(
    "keys",
    tables,
    *_key("id"),
    *_required(String(64), "sha256"),
    Column("institution", Name),
    *_required(JSON, "scopes"),
    *_required(Name, "made"),
    Column("until", Name),
    Column("used", Name),
)
"""API keys of a server's callers, as hashes without the secrets. An administrator's key has no institution.

``used`` is the minute of the last use in UTC (ISO 8601), null for a key that was never used.
"""

secrets = Table("secrets", tables, *_key("name"), *_required(Text, "value"))
"""Secrets of the library, in hexadecimal digits; no command shows or exports them."""

artifacts = Table("artifacts", tables, *_key("name"), *_required(JSON, "header"), *_required(LargeBinary, "arrays"))
"""Priors, posteriors, policies and lists of answers."""

outcomes = Table(
    "outcomes",
    tables,
    *_key("id"),
    *_required(Name, "origin", "institution"),
    *_required(Text, "input"),
    *_required(Name, "model"),
    *_required(JSON, "shown"),
    *_required(Text, "answer", "metric"),
    Column("score", Float),
    Column("correction", Text),
    *_required(Integer, "input_tokens", "output_tokens"),
    Column("at", Name, nullable=False, server_default=""),
    Column("scored_at", BigInteger),
    Index("outcomes_by_institution", "institution", "origin"),
    Index("outcomes_by_score", "institution", "scored_at"),
    Index("outcomes_by_time", "at"),
    Index("outcomes_by_model", "model", "origin"),
)
"""Answers of models, the demonstrations shown for them, and their scores.

``at`` is the time of the answer in UTC (ISO 8601), empty for answers of older libraries; ``scored_at`` is the time of
the score in microseconds since 1970, null for an answer without a score.
"""

revisions = Table("revisions", tables, *_key("institution"), *_required(Integer, "number"))
"""Number of changes of each institution's demonstrations, list of answers and outcomes."""

counters = Table("counters", tables, *_key("name"), *_required(Integer, "number"))
"""Number of changes of sharing rules (``rules``), keys (``keys``), demonstrations (``demonstrations``) and priors
(``learned``), and of erasures (``forgotten``)."""

audit = Table(
    "audit",
    tables,
    *_key("id"),
    *_required(Name, "at", "institution", "purpose", "method"),
    *_required(JSON, "shown"),
    *_required(Integer, "rules"),
    *_required(Name, "prior"),
    Column("outcome", Name),
    Column("model", Name),
    *(Column(name, Integer) for name in ("demonstration_tokens", "input_tokens", "output_tokens")),
    Column("kind", Name, nullable=False, server_default="selection"),
    *(Column(name, Name, nullable=False, server_default="") for name in ("key", "request", "actor")),
    Column("contents_sha256", String(64), nullable=False, server_default=""),
    Column("detail", JSON, nullable=False, server_default="{}"),
    Column("number", BigInteger, nullable=False, server_default="0"),
    Column("sha256", String(64), nullable=False, server_default=""),
    Index("audit_by_time", "at"),
    Index("audit_by_number", "number", unique=True),
)
"""One row a selection, or other event of the kind ``kind``; no text.

A selection has the ids shown to an institution, with the sharing rules and the prior at that time. ``number`` and
``sha256`` are the row's place in the chain of ``audit_chain`` and its hash.
"""

heads = Table("heads", tables, *_key("name"), *_required(BigInteger, "number"), *_required(String(64), "sha256"))
"""End of the audit's chain: number and hash of the last row."""

receipts = Table("receipts", tables, *_key("id"), *_required(Name, "at"), *_required(JSON, "receipt"))
"""Receipts of erasures: kinds, numbers and hashes. No text."""

protected = (demonstrations, outcomes, placed)
"""Tables with row-level security: rows are visible to their institution, to those it shares with, and to the keeper."""

"""The schema of a library, the same in an SQLite file and in PostgreSQL."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    JSON,
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
    "indexed",
    "keys",
    "outcomes",
    "placed",
    "protected",
    "receipts",
    "revisions",
    "tables",
]

ITEM = np.dtype(np.float32).itemsize


class VectorColumn(TypeDecorator[NDArray[np.float32]]):
    """A float32 vector (d,). What was stored and is none of whole numbers comes back as an empty one."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Bytes or ``vector``."""
        if dialect.name != "postgresql":
            return dialect.type_descriptor(LargeBinary())
        from pgvector.sqlalchemy import VECTOR  # noqa: PLC0415 - an extra

        kind: TypeEngine[Any] = dialect.type_descriptor(VECTOR())
        return kind

    def process_bind_param(self, value: NDArray[np.float32] | None, dialect: Dialect) -> Any:
        """To what the driver takes."""
        if value is None or dialect.name == "postgresql":
            return value
        return np.ascontiguousarray(value, np.float32).tobytes()

    def process_result_value(self, value: Any, dialect: Dialect) -> NDArray[np.float32]:
        """From what the driver gives."""
        if isinstance(value, bytes):
            return np.frombuffer(value if len(value) % ITEM == 0 else b"", np.float32)
        return np.asarray(value if value is not None else [], np.float32)


SCHEMA_VERSION = 5
"""``migrations`` says what each version added."""

tables = MetaData()

Name = Text().with_variant(Text(collation="C"), "postgresql")
"""A text that is compared and sorted by its code points, as Python does."""

demonstrations = Table(
    "demonstrations",
    tables,
    Column("institution", Name, primary_key=True),
    Column("id", Name, primary_key=True),
    Column("input", Text, nullable=False),
    Column("output", Text, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("text_sha256", String(64), nullable=False, server_default=""),
    Column("patient", Name),
    Index("demonstrations_by_text", "text_sha256"),
    Index("demonstrations_by_patient", "patient"),
)
"""``text_sha256`` of the normalised input, as in ``embeddings``; ``patient`` from ``metadata.patient``."""

embeddings = Table(
    "embeddings",
    tables,
    Column("fingerprint", Name, primary_key=True),
    Column("text_sha256", String(64), primary_key=True),
    Column("vector", VectorColumn, nullable=False),
)
"""Derived: what is missing or damaged is computed again."""

indexed = Table(
    "indexed",
    tables,
    Column("fingerprint", Name, primary_key=True),
    Column("size", Integer, nullable=False),
)
"""Encoders whose vectors, of so many numbers, ``placed`` holds; PostgreSQL alone has any."""

placed = Table(
    "placed",
    tables,
    Column("institution", Name, primary_key=True),
    Column("id", Name, primary_key=True),
    Column("fingerprint", Name, primary_key=True),
    Column("vector", VectorColumn, nullable=False),
    ForeignKeyConstraint(
        ["institution", "id"], ["demonstrations.institution", "demonstrations.id"], ondelete="CASCADE"
    ),
)
"""Each demonstration with its vector in one row, so that one index scan searches and filters."""

grants = Table(
    "grants",
    tables,
    Column("institution", Name, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("name", Name, primary_key=True),
    Column("purpose", Name, primary_key=True),
    Column("use", Name, nullable=False),
    Column("audience", Name, nullable=False),
    Column("until", Name),
)
"""Who may use what of an institution. A grant to n institutions or groups for m purposes has n·m rows of one number.

``audience`` is ``everyone``, ``group``, ``institution`` or ``nobody``, ``name`` that of the group or institution,
``purpose`` empty for any; ``until`` a moment in UTC (ISO 8601), from which on it counts no more.
"""

groups = Table(
    "groups",
    tables,
    Column("name", Name, primary_key=True),
    Column("institution", Name, primary_key=True),
)

keys = Table(
    "keys",
    tables,
    Column("id", Name, primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("institution", Name),
    Column("scopes", JSON, nullable=False),
    Column("made", Name, nullable=False),
    Column("until", Name),
)
"""Of a server's callers. The secrets are not here, only their hashes; an administrator's has no institution."""

artifacts = Table(
    "artifacts",
    tables,
    Column("name", Name, primary_key=True),
    Column("header", JSON, nullable=False),
    Column("arrays", LargeBinary, nullable=False),
)
"""What was learned: priors, posteriors, policies, lists of answers."""

outcomes = Table(
    "outcomes",
    tables,
    Column("id", Name, primary_key=True),
    Column("origin", Name, nullable=False),
    Column("institution", Name, nullable=False),
    Column("input", Text, nullable=False),
    Column("model", Name, nullable=False),
    Column("shown", JSON, nullable=False),
    Column("answer", Text, nullable=False),
    Column("metric", Text, nullable=False),
    Column("score", Float),
    Column("correction", Text),
    Column("input_tokens", Integer, nullable=False),
    Column("output_tokens", Integer, nullable=False),
    Index("outcomes_by_institution", "institution", "origin"),
    Index("outcomes_by_model", "model", "origin"),
)

revisions = Table(
    "revisions",
    tables,
    Column("institution", Name, primary_key=True),
    Column("number", Integer, nullable=False),
)
"""How often what an institution teaches has changed."""

counters = Table(
    "counters",
    tables,
    Column("name", Name, primary_key=True),
    Column("number", Integer, nullable=False),
)
"""How often the library's ``rules`` have changed, and how often something was ``forgotten``."""

audit = Table(
    "audit",
    tables,
    Column("id", Name, primary_key=True),
    Column("at", Name, nullable=False),
    Column("institution", Name, nullable=False),
    Column("purpose", Name, nullable=False),
    Column("method", Name, nullable=False),
    Column("shown", JSON, nullable=False),
    Column("rules", Integer, nullable=False),
    Column("prior", Name, nullable=False),
    Column("outcome", Name),
    Column("model", Name),
    Column("demonstration_tokens", Integer),
    Column("input_tokens", Integer),
    Column("output_tokens", Integer),
    Index("audit_by_time", "at"),
)
"""One row a selection: who was shown which ids, under which rules and prior. No text."""

receipts = Table(
    "receipts",
    tables,
    Column("id", Name, primary_key=True),
    Column("at", Name, nullable=False),
    Column("receipt", JSON, nullable=False),
)
"""What was forgotten: kinds, numbers and hashes. No text."""

protected = (demonstrations, outcomes, placed)
"""Tables whose rows PostgreSQL shows to their institution, to those it shares with, and to the library's keeper."""

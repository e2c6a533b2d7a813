"""The schema of a library file."""

from sqlalchemy import JSON, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text

__all__ = [
    "APPLICATION_ID",
    "SCHEMA_VERSION",
    "artifacts",
    "demonstrations",
    "embeddings",
    "outcomes",
    "revisions",
    "tables",
]

APPLICATION_ID = 0x6D636C62
"""Marks an SQLite file as ours (``PRAGMA application_id``): the bytes of "mclb"."""
SCHEMA_VERSION = 2
"""2 added ``outcomes`` and ``revisions``; an older file gets the tables that it lacks when it is opened."""

tables = MetaData()

demonstrations = Table(
    "demonstrations",
    tables,
    Column("institution", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("input", Text, nullable=False),
    Column("output", Text, nullable=False),
    Column("metadata", JSON, nullable=False),
)

embeddings = Table(
    "embeddings",
    tables,
    Column("fingerprint", Text, primary_key=True),
    Column("text_sha256", String(64), primary_key=True),
    Column("vector", LargeBinary, nullable=False),
)

artifacts = Table(
    "artifacts",
    tables,
    Column("name", Text, primary_key=True),
    Column("header", JSON, nullable=False),
    Column("arrays", LargeBinary, nullable=False),
)

outcomes = Table(
    "outcomes",
    tables,
    Column("id", Text, primary_key=True),
    Column("origin", Text, nullable=False),
    Column("institution", Text, nullable=False),
    Column("input", Text, nullable=False),
    Column("model", Text, nullable=False),
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
    Column("institution", Text, primary_key=True),
    Column("number", Integer, nullable=False),
)

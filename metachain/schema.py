"""The whole database schema."""

from sqlalchemy import JSON, Column, LargeBinary, MetaData, String, Table, Text

__all__ = ["APPLICATION_ID", "SCHEMA_VERSION", "artifacts", "demonstrations", "embeddings", "tables"]

APPLICATION_ID = 0x6D636C62
"""Marks an SQLite file as ours (``PRAGMA application_id``): the bytes of "mclb"."""
SCHEMA_VERSION = 1

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

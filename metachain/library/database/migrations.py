"""Migrations of older schemas, all in one transaction.

Additions of each version: 1 demonstrations, embeddings, artifacts; 2 outcomes, revisions; 3 sharing rules, audit,
receipts, and the hashes of texts and patients of demonstrations; 4 keys of a server's callers; 5 demonstrations with
their vectors, for PostgreSQL to search; 6 origins of demonstrations, times of answers and scores, the chain of the
audit, secrets; 7 nothing, but names and ids are in their normal form, and what differed in form alone is one
(``library.joining``), of which the log and the audit tell; 8 nothing, but vectors of long texts are removed, because
encoders embed long texts whole now, where they cut them before (``long_texts``).
"""

import logging

from sqlalchemy import Connection, Table, bindparam, inspect, select, text, update
from sqlalchemy.schema import CreateColumn

from metachain.data.demonstration import patient_of
from metachain.embedding.similarity import text_sha256
from metachain.errors import LibraryError
from metachain.library.audit_chain import chain_unchained, note
from metachain.library.database.bulk import batched
from metachain.library.database.cut_vectors import remove_cut_vectors
from metachain.library.database.schema import SCHEMA_VERSION, demonstrations, outcomes, tables
from metachain.library.joining import join_spellings
from metachain.timestamps import now

__all__ = ["migrate", "refuse_newer"]

ROWS_AT_ONCE = 5000
logger = logging.getLogger(__name__)


def migrate(connection: Connection, version: int) -> None:
    """Migrate a library from ``version`` (0: an empty database) to ``SCHEMA_VERSION``, within a transaction."""
    if version:
        _add_missing_columns(connection)
    if 0 < version < 3:
        _fill_hashes_and_patients(connection)
    if 1 < version < 6:
        _fill_origins_and_times(connection)
    tables.create_all(connection)
    if version < 6:
        chain_unchained(connection)
    if 0 < version < 7:
        _join_spellings(connection)
    if 0 < version < 8:
        _remove_vectors_of_cut_texts(connection)
    for table in tables.sorted_tables:
        for index in table.indexes:
            index.create(connection, checkfirst=True)


def _remove_vectors_of_cut_texts(connection: Connection) -> None:
    if removed := remove_cut_vectors(connection):
        again = "they are embedded again when they are needed, or now by metachain learn or metachain index"
        logger.warning("%d vectors of texts that may be longer than a model's window are removed; %s", removed, again)


def _join_spellings(connection: Connection) -> None:
    if joined := join_spellings(connection):
        note(connection, "migrated", detail=joined.facts())
        again = "; what was learned is removed: metachain learn" if joined.removed else ""
        logger.warning("names that look the same are one now: %s%s", joined, again)


def refuse_newer(version: int, place: str) -> None:
    """Raise LibraryError if a newer metachain wrote the library."""
    if version > SCHEMA_VERSION:
        schemas = f"schema {version}, this one reads {SCHEMA_VERSION}"
        raise LibraryError(f"{place} was written by a newer metachain ({schemas}); upgrade")


def _add_missing_columns(connection: Connection) -> None:
    existing = set(inspect(connection).get_table_names())
    for table in tables.sorted_tables:
        if table.name in existing:
            _add_columns(connection, table)


def _add_columns(connection: Connection, table: Table) -> None:
    """Add the columns that later versions gave to a table; each may be empty, or has a default."""
    existing = {column["name"] for column in inspect(connection).get_columns(table.name)}
    for column in table.columns:
        if column.name not in existing:
            definition = CreateColumn(column).compile(connection)
            connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {definition}"))


def _fill_hashes_and_patients(connection: Connection) -> None:
    columns = demonstrations.c
    change = (
        update(demonstrations)
        .where(columns.institution == bindparam("row_institution"), columns.id == bindparam("row_id"))
        .values(text_sha256=bindparam("new_sha256"), patient=bindparam("new_patient"))
    )
    rows = connection.execute(select(columns.institution, columns.id, columns.input, columns["metadata"])).all()
    for batch in batched(rows, ROWS_AT_ONCE):
        names = ("row_institution", "row_id", "new_sha256", "new_patient")
        changes = ((row[0], row[1], text_sha256(row[2]), patient_of(row[3])) for row in batch)
        connection.execute(change, [dict(zip(names, values, strict=True)) for values in changes])


def _fill_origins_and_times(connection: Connection) -> None:
    """Mark corrections as such; answers get the present time, and their scores the oldest."""
    corrected = demonstrations.c.id.startswith("feedback ")
    connection.execute(update(demonstrations).where(corrected).values(origin="corrected"))
    connection.execute(update(outcomes).values(at=now()))
    connection.execute(update(outcomes).where(outcomes.c.score.is_not(None)).values(scored_at=0))

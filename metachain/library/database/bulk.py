"""Reading and writing of many rows at once, in SQLite and PostgreSQL."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import JSON, Connection, Integer, Select, String, Table, Text, cast, func, select, text, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from metachain.library.database.engine import is_postgresql
from metachain.library.database.schema import VectorColumn, embeddings

__all__ = ["batched", "insert_into", "insert_new", "upsert", "vectors_of", "with_keys"]

Rows = Sequence[Mapping[str, Any]]
T = TypeVar("T")


def batched(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of at most ``size`` values, in their order."""
    rest = iter(values)
    while batch := list(islice(rest, size)):
        yield batch


def insert_into(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT in the connection's dialect, which supports ON CONFLICT."""
    return postgresql.insert(table) if is_postgresql(connection) else sqlite.insert(table)


def upsert(connection: Connection, table: Table, rows: Rows, changing: Sequence[str] | None = None) -> None:
    """Insert rows; on a known key, replace the columns ``changing`` (all columns, if None)."""
    if not rows:
        return
    names = rows[0] if changing is None else changing
    connection.execute(_upsert_statement(table, tuple(names), for_postgresql=is_postgresql(connection)), list(rows))


@cache
def _upsert_statement(
    table: Table, names: tuple[str, ...], *, for_postgresql: bool
) -> postgresql.Insert | sqlite.Insert:
    """Build the statement once; every selection stores its audit entry with it."""
    statement = postgresql.insert(table) if for_postgresql else sqlite.insert(table)
    keys = [column.name for column in table.primary_key]
    fresh = {name: statement.excluded[name] for name in names if name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=fresh)


def insert_new(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert rows and leave rows with known keys unchanged; PostgreSQL uses COPY."""
    if not rows:
        return
    if not is_postgresql(connection):
        connection.execute(sqlite.insert(table).on_conflict_do_nothing(), list(rows))
        return
    from psycopg.types.json import Json  # noqa: PLC0415 - an extra

    names = list(rows[0])
    columns = ", ".join(f'"{name}"' for name in names)
    staged = f"incoming_{table.name}"
    # PostgreSQL refuses COPY into a table with row-level security, so the rows take a temporary table first.
    connection.execute(
        text(f"CREATE TEMP TABLE IF NOT EXISTS {staged} (LIKE {table.name} INCLUDING DEFAULTS) ON COMMIT DROP")
    )
    raw: Any = connection.connection.dbapi_connection
    documents = {column.name for column in table.c if isinstance(column.type, JSON)}
    with raw.cursor() as cursor, cursor.copy(f"COPY {staged} ({columns}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types([_type_of(table, name) for name in names])
        for row in rows:
            copy.write_row([Json(row[name]) if name in documents else row[name] for name in names])
    connection.execute(
        text(f"INSERT INTO {table.name} ({columns}) SELECT {columns} FROM {staged} ON CONFLICT DO NOTHING")  # noqa: S608
    )
    connection.execute(text(f"DELETE FROM {staged}"))  # noqa: S608


def vectors_of(
    connection: Connection, fingerprint: str, keys: Sequence[str]
) -> Iterable[tuple[str, NDArray[np.float32]]]:
    """Stored vectors of an encoder for these text digests; PostgreSQL sends them in binary form."""
    if is_postgresql(connection):
        raw: Any = connection.connection.dbapi_connection
        with raw.cursor(binary=True) as cursor:
            cursor.execute(
                "SELECT text_sha256, vector FROM embeddings WHERE fingerprint = %s AND text_sha256 = ANY(%s)",
                (fingerprint, list(keys)),
            )
            return [(key, np.asarray(vector.to_numpy(), np.float32)) for key, vector in cursor]
    query = select(embeddings.c.text_sha256, embeddings.c.vector).where(
        embeddings.c.fingerprint == fingerprint, embeddings.c.text_sha256.in_(keys)
    )
    return [(key, vector) for key, vector in connection.execute(query)]


def with_keys(connection: Connection, table: Table, keys: Sequence[tuple[str, str]]) -> Select[Any]:
    """Query of the rows with these keys, two texts each; it uses the table's index."""
    columns = tuple_(*table.primary_key)
    if is_postgresql(connection):
        return select(table).where(columns.in_(keys))
    # Without the cast to text SQLite does not use the index and reads the whole table.
    each = func.json_each(json.dumps(keys)).table_valued("value")
    texts = [cast(func.json_extract(each.c.value, f"$[{place}]"), Text) for place in range(2)]
    return select(table).where(columns.in_(select(*texts)))


def _type_of(table: Table, name: str) -> str:
    kinds = {JSON: "json", VectorColumn: "vector", Text: "text", String: "varchar", Integer: "int4"}
    return next(word for kind, word in kinds.items() if isinstance(table.c[name].type, kind))

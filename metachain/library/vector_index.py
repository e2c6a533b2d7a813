"""PostgreSQL's search index: a table of demonstrations with their vectors, kept current on every change."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Engine, text

from metachain.errors import DataError
from metachain.library.database.engine import KEEPER, is_postgresql, outside_transactions, place_of, writing

__all__ = ["build", "index_name", "index_vectors", "reindex", "rewrite"]

LINKS, BREADTH = 16, 128
"""HNSW's m and ef_construction (Malkov & Yashunin 2018, "Efficient and robust approximate nearest neighbor search")."""
LARGEST_SIZE = 4000
"""Largest vector that pgvector can index in half precision, in numbers."""
INSERT_VECTORS = """
    INSERT INTO placed (institution, id, fingerprint, vector, origin)
    SELECT d.institution, d.id, e.fingerprint, e.vector, d.origin
    FROM indexed i JOIN embeddings e ON e.fingerprint = i.fingerprint
    JOIN demonstrations d ON d.text_sha256 = e.text_sha256
    WHERE CASE WHEN vector_dims(e.vector) = i.size THEN abs(vector_norm(e.vector) - 1) < 0.001 END
"""
OR_UPDATE = (
    "ON CONFLICT (institution, id, fingerprint) DO UPDATE SET vector = excluded.vector, origin = excluded.origin"
)


def index_name(fingerprint: str, size: int) -> str:
    """Name of the database index for an encoder's vectors."""
    return f"placed_{sha256(fingerprint.encode()).hexdigest()[:16]}_{size}"


def index_vectors(connection: Connection, texts: Iterable[str]) -> None:
    """Copy the demonstrations with these texts (SHA-256) into ``placed``, once for each indexed encoder.

    Demonstrations without a vector of the encoder are left out. The connection is the keeper's and writes alone: if one
    transaction brings the vector and another the demonstration, the later one sees the earlier one. SQLite has no
    index, so nothing happens there.
    """
    if not is_postgresql(connection) or not connection.execute(text("SELECT 1 FROM indexed LIMIT 1")).scalar():
        return
    connection.execute(text(f"{INSERT_VECTORS} AND e.text_sha256 = ANY(:texts) {OR_UPDATE}"), {"texts": list(texts)})


def reindex(connection: Connection, row: Mapping[str, Any]) -> None:
    """Update one demonstration, given its column values, in ``placed`` after its text may have changed."""
    if is_postgresql(connection):
        connection.execute(text("DELETE FROM placed WHERE institution = :institution AND id = :id"), dict(row))
        index_vectors(connection, [row["text_sha256"]])


def build(engine: Engine, fingerprint: str, size: int) -> int:
    """Copy all demonstrations with a vector of an encoder into ``placed`` and index them; returns their number.

    Others may read and write meanwhile, except that additions wait while the rows are copied. An index that is already
    there is kept. Raises DataError for SQLite, and for vectors that are too long.
    """
    if not is_postgresql(engine):
        raise DataError(f"{place_of(engine)} is an SQLite file, which is searched exactly and needs no index")
    if size > LARGEST_SIZE:
        advice = "search without an index, which is exact"
        raise DataError(f"vectors of {size} numbers can't be indexed (at most {LARGEST_SIZE}); {advice}")
    with writing(engine, KEEPER, alone=True) as connection:
        upsert = "INSERT INTO indexed VALUES (:fingerprint, :size) ON CONFLICT (fingerprint) DO UPDATE SET size = :size"
        connection.execute(text(upsert), {"fingerprint": fingerprint, "size": size})
        # In this order the rows of an institution share pages, so an exact search reads few pages.
        own = "AND i.fingerprint = :fingerprint ORDER BY d.institution, d.id ON CONFLICT DO NOTHING"
        connection.execute(text(f"{INSERT_VECTORS} {own}"), {"fingerprint": fingerprint})
        counted = text("SELECT count(*) FROM placed WHERE fingerprint = :fingerprint")
        count = int(connection.execute(counted, {"fingerprint": fingerprint}).scalar_one())
    name = index_name(fingerprint, size)
    with outside_transactions(engine) as connection:
        half_built = text("SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid")
        if connection.execute(half_built, {"name": name}).scalar():
            connection.execute(text(f"DROP INDEX {name}"))
        literal = fingerprint.replace("'", "''")
        _execute_verbatim(
            connection,
            f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON placed "
            f"USING hnsw ((vector::halfvec({size})) halfvec_ip_ops) WITH (m = {LINKS}, ef_construction = {BREADTH}) "
            f"WHERE fingerprint = '{literal}'",
        )
        connection.execute(text("VACUUM (ANALYZE) placed"))
    return count


def rewrite(connection: Connection) -> None:
    """Rewrite ``placed`` so that no byte of deleted rows stays; searches are exact until the index is rebuilt.

    The connection must be outside any transaction.
    """
    found = connection.execute(text("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'placed'")).all()
    graphs = [row for row in found if " USING hnsw " in row.indexdef]
    for row in graphs:
        connection.execute(text(f"DROP INDEX {row.indexname}"))
    connection.execute(text("VACUUM FULL placed"))
    for row in graphs:
        _execute_verbatim(connection, row.indexdef.replace("CREATE INDEX", "CREATE INDEX CONCURRENTLY", 1))


def _execute_verbatim(connection: Connection, statement: str) -> None:
    connection.exec_driver_sql(statement.replace("%", "%%"))

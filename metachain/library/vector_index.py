"""What PostgreSQL searches: each demonstration beside its vector, kept current by whatever changes either."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Engine, text

from metachain.errors import DataError
from metachain.library.engine import KEEPER, is_postgresql, place_of, writing

__all__ = ["build", "index_name", "index_vectors", "reindex", "rewrite"]

LINKS, BREADTH = 16, 128
"""HNSW's m and ef_construction (Malkov & Yashunin 2018, "Efficient and robust approximate nearest neighbor search")."""
LARGEST_SIZE = 4000
"""Numbers of a vector that pgvector indexes in half precision."""
INSERT_VECTORS = """
    INSERT INTO placed (institution, id, fingerprint, vector)
    SELECT d.institution, d.id, e.fingerprint, e.vector
    FROM indexed i JOIN embeddings e ON e.fingerprint = i.fingerprint
    JOIN demonstrations d ON d.text_sha256 = e.text_sha256
    WHERE CASE WHEN vector_dims(e.vector) = i.size THEN abs(vector_norm(e.vector) - 1) < 0.001 END
"""
OF_TEXTS = "AND e.text_sha256 = ANY(:texts)"
OF_AN_ENCODER = "AND i.fingerprint = :fingerprint"
OR_UPDATE = "ON CONFLICT (institution, id, fingerprint) DO UPDATE SET vector = excluded.vector"


def index_name(fingerprint: str, size: int) -> str:
    """What the index of an encoder's vectors is called in the database."""
    return f"placed_{sha256(fingerprint.encode()).hexdigest()[:16]}_{size}"


def index_vectors(connection: Connection, texts: Iterable[str]) -> None:
    """Place the demonstrations of some texts (their SHA-256) that have a vector of an encoder that is indexed.

    The connection is the keeper's and writes alone, so that of two that bring a text, one its vector and one a
    demonstration, the later sees the earlier. SQLite needs nothing of the kind.
    """
    if not is_postgresql(connection) or not connection.execute(text("SELECT 1 FROM indexed LIMIT 1")).scalar():
        return
    connection.execute(text(f"{INSERT_VECTORS} {OF_TEXTS} {OR_UPDATE}"), {"texts": list(texts)})


def reindex(connection: Connection, row: Mapping[str, Any]) -> None:
    """Place a demonstration whose text may be another than before (``records.row_of``), or its place is empty."""
    if is_postgresql(connection):
        connection.execute(text("DELETE FROM placed WHERE institution = :institution AND id = :id"), dict(row))
        index_vectors(connection, [row["text_sha256"]])


def build(engine: Engine, fingerprint: str, size: int) -> int:
    """Place all demonstrations that have a vector of an encoder, and index them; how many there are.

    Others may read and write meanwhile, but for adding while the rows are placed. What was built before is kept.
    Raises DataError for SQLite, and for vectors that are too long.
    """
    if not is_postgresql(engine):
        raise DataError(f"{place_of(engine)} is an SQLite file, which is searched exactly and needs no index")
    if size > LARGEST_SIZE:
        raise DataError(
            f"vectors of {size} numbers can't be indexed, {LARGEST_SIZE} can; search without an index is exact"
        )
    with writing(engine, KEEPER, alone=True) as connection:
        connection.execute(
            text(
                "INSERT INTO indexed VALUES (:fingerprint, :size) ON CONFLICT (fingerprint) DO UPDATE SET size = :size"
            ),
            {"fingerprint": fingerprint, "size": size},
        )
        # In this order an institution's rows share pages, so that comparing all of them reads few.
        placing = f"{INSERT_VECTORS} {OF_AN_ENCODER} ORDER BY d.institution, d.id ON CONFLICT DO NOTHING"
        connection.execute(text(placing), {"fingerprint": fingerprint})
        held = text("SELECT count(*) FROM placed WHERE fingerprint = :fingerprint")
        count = int(connection.execute(held, {"fingerprint": fingerprint}).scalar_one())
    name = index_name(fingerprint, size)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
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
    """Write what is placed anew, so that no byte of what was deleted stays; searches are exact until it is indexed.

    The connection is outside any transaction.
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

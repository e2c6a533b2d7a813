"""Nearest-neighbour search inside the database."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Text, TextClause, bindparam, select, text

from metachain.data.demonstration import Demonstration
from metachain.errors import DataError
from metachain.library.database.bulk import with_keys
from metachain.library.database.engine import is_postgresql
from metachain.library.database.schema import demonstrations, embeddings
from metachain.library.demonstrations import from_row
from metachain.library.origins import REACHED, Reach
from metachain.library.vector_index import index_name

__all__ = ["Key", "Near", "approximately", "checked_query", "exactly", "nearest", "nearest_keys"]

SCAN_COST = 30.0
"""Cost of passing over one row in a filtered index scan, in exact comparisons (measured by ``postgres_scale``)."""
OVERFETCH = 2
"""Rows fetched from the half-precision index for each row that is kept by its exact similarity."""
EF_SEARCH_MIN, EF_SEARCH_MAX = 200, 1000
"""Smallest and largest hnsw.ef_search."""
COUNT_MARGIN = 3
"""Rows are counted only if the estimate from the first scan is below this multiple of the exact-search limit."""
MAX_SCAN_TUPLES, SCAN_MEMORY = 40_000, 4
"""Limits of an iterative scan: hnsw.max_scan_tuples and hnsw.scan_mem_multiplier."""
ROWS_AT_ONCE = 10_000
STEP = 100_000
"""Similarities are compared to five decimals, as in ``learning.index``."""

PLACED_VECTORS = f"SELECT institution, id, vector FROM placed WHERE fingerprint = :fingerprint AND {REACHED}"  # noqa: S608
JOINED_VECTORS = f"""
    SELECT institution, id, vector FROM demonstrations d JOIN embeddings e ON e.text_sha256 = d.text_sha256
    WHERE e.fingerprint = :fingerprint AND {REACHED}
        AND vector_dims(e.vector) = :size AND abs(vector_norm(e.vector) - 1) < 0.001
"""  # noqa: S608 - no value from outside
INDEX_SIZE = """
    SELECT c.reltuples FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE i.indexrelid = to_regclass(:name) AND i.indisvalid
"""
TOP_K = """
    SELECT institution, id, -round({step} * (vector <#> CAST(:vector AS vector))) AS steps FROM ({source}) AS source
    ORDER BY steps DESC, institution, id LIMIT :k
"""
INDEX_SCAN = """
    WITH near AS MATERIALIZED (
        {placed} ORDER BY vector::halfvec({size}) <#> CAST(CAST(:vector AS vector) AS halfvec({size})) LIMIT :k)
"""

Key = tuple[str, str, float]
"""Institution, id, and similarity in [-1, 1]."""


@dataclass(frozen=True, slots=True)
class Near:
    """A demonstration found by the search."""

    demonstration: Demonstration
    similarity: float
    """Inner product of the unit vectors, in [-1, 1], to five decimals."""


def checked_query(vectors: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    """The vectors (n, d) as contiguous float32. Raises DataError for another shape, infinite numbers, or ``k`` < 1."""
    vectors = np.ascontiguousarray(vectors, np.float32)
    if vectors.ndim != 2 or not vectors.shape[1] or not np.isfinite(vectors).all():
        raise DataError(f"vectors must be finite numbers of shape (n, d), got shape {vectors.shape}")
    if k < 1:
        raise DataError(f"k must be 1 or more, got {k}")
    return vectors


def nearest(
    connection: Connection, fingerprint: str, reach: Reach, vectors: NDArray[np.float32], k: int
) -> tuple[tuple[Near, ...], ...]:
    """The demonstrations that ``nearest_keys`` finds, for each of n unit vectors (n, d)."""
    found = nearest_keys(connection, fingerprint, reach, vectors, k)
    keys = sorted({key[:2] for keys in found for key in keys})
    rows = connection.execute(with_keys(connection, demonstrations, keys)) if keys else ()
    by_key = {one.key: one for one in map(from_row, rows)}
    return tuple(tuple(Near(by_key[key[:2]], key[2]) for key in keys) for keys in found)


def nearest_keys(
    connection: Connection, fingerprint: str, reach: Reach, vectors: NDArray[np.float32], k: int
) -> list[list[Key]]:
    """For each of n unit vectors (n, d), the ``k`` nearest demonstrations within reach, ties by institution and id.

    The connection reads on behalf of a viewer (``engine.Viewer``). PostgreSQL uses the index if there is one and
    many demonstrations are within reach. The index search is approximate, but never returns fewer rows than exist.
    """
    if not is_postgresql(connection):
        return _exactly_in_sqlite(connection, fingerprint, reach, vectors, k)
    indexed = connection.execute(text(INDEX_SIZE), {"name": index_name(fingerprint, vectors.shape[1])}).scalar()
    few: bool | None = None
    found = []
    for vector in vectors:
        keys: list[Key] = []
        if indexed is not None and not few:
            keys, few = _by_index(connection, fingerprint, reach, vector, k, indexed, few=few)
        found.append(keys or exactly(connection, fingerprint, reach, vector, k, placed=indexed is not None))
    return found


def _by_index(
    connection: Connection,
    fingerprint: str,
    reach: Reach,
    vector: NDArray[np.float32],
    k: int,
    indexed: float,
    *,
    few: bool | None,
) -> tuple[list[Key], bool | None]:
    """The nearest by the index (empty if the exact search is better), and True if few rows qualify (None if unknown).

    Rows are counted only if the filter leaves too few of a plain scan's results for the estimate to decide.
    """
    width = OVERFETCH * k
    breadth = min(EF_SEARCH_MAX, max(EF_SEARCH_MIN, width))
    keys = approximately(connection, fingerprint, reach, vector, width, breadth=breadth, scan="off")
    if len(keys) < width:
        bound = _exact_search_limit(indexed, k)
        if few is None and len(keys) * indexed <= COUNT_MARGIN * bound * breadth:
            few = not _has_more_than(connection, fingerprint, reach, bound)
        if few:
            return [], few
        broader = min(EF_SEARCH_MAX, max(breadth, breadth * k // max(1, len(keys))))
        keys = approximately(connection, fingerprint, reach, vector, width, breadth=broader, scan="relaxed_order")
    return (keys[:k] if len(keys) >= k else []), few


def approximately(
    connection: Connection,
    fingerprint: str,
    reach: Reach,
    vector: NDArray[np.float32],
    k: int,
    *,
    breadth: int,
    scan: str,
) -> list[Key]:
    """At most the ``k`` nearest by the index; its scan keeps ``breadth`` candidates (ef_search) and filters them.

    With a ``scan`` other than ``off`` it continues until ``k`` are found (pgvector's ``hnsw.iterative_scan``), or a
    limit of the scan is reached.
    """
    settings = {
        "hnsw.iterative_scan": scan,
        "hnsw.ef_search": breadth,
        "hnsw.max_scan_tuples": MAX_SCAN_TUPLES,
        "hnsw.scan_mem_multiplier": SCAN_MEMORY,
        "plan_cache_mode": "force_custom_plan",
        "enable_sort": "off",
        "enable_seqscan": "off",
    }
    changes = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items())
    connection.execute(text(f"SELECT {changes}"))
    scanned = INDEX_SCAN.format(placed=PLACED_VECTORS, size=len(vector))
    near = scanned + TOP_K.format(step=STEP, source="SELECT * FROM near")
    # The fingerprint is written into the statement, so that the planner recognises this encoder's partial index.
    statement = text(near).bindparams(bindparam("fingerprint", type_=Text(), literal_execute=True))
    return _keys(connection, statement, {"fingerprint": fingerprint, **reach.parameters(), "vector": vector, "k": k})


def exactly(
    connection: Connection, fingerprint: str, reach: Reach, vector: NDArray[np.float32], k: int, *, placed: bool
) -> list[Key]:
    """The exact nearest; ``placed`` says that the encoder's vectors are in the table ``placed``."""
    connection.execute(text("SELECT set_config('enable_sort', 'on', true), set_config('enable_seqscan', 'on', true)"))
    given: dict[str, Any] = {"fingerprint": fingerprint, **reach.parameters(), "vector": vector, "k": k}
    source, more = (PLACED_VECTORS, {}) if placed else (JOINED_VECTORS, {"size": len(vector)})
    return _keys(connection, text(TOP_K.format(step=STEP, source=source)), given | more)


def _keys(connection: Connection, statement: TextClause, given: dict[str, Any]) -> list[Key]:
    return [(institution, id, steps / STEP) for institution, id, steps in connection.execute(statement, given)]


def _exact_search_limit(indexed: float, k: int) -> int:
    """Largest number of qualifying rows for which the exact search is faster than the index.

    The exact search takes time proportional to m qualifying rows; the scan passes over ``indexed / m`` rows for each of
    the k that it finds.
    """
    return max(k, int(np.sqrt(SCAN_COST * k * max(indexed, 0))))


def _has_more_than(connection: Connection, fingerprint: str, reach: Reach, than: int) -> bool:
    """True if the institutions have more than so many rows in ``placed``; the count stops there."""
    counted = text(f"SELECT count(*) FROM (SELECT 1 FROM ({PLACED_VECTORS}) AS source LIMIT :enough) AS enough")  # noqa: S608
    given = {"fingerprint": fingerprint, **reach.parameters(), "enough": than + 1}
    return int(connection.execute(counted, given).scalar_one()) > than


def _exactly_in_sqlite(
    connection: Connection, fingerprint: str, reach: Reach, vectors: NDArray[np.float32], k: int
) -> list[list[Key]]:
    """The exact nearest, with one page of vectors in memory at a time."""
    query = (
        select(demonstrations.c.institution, demonstrations.c.id, embeddings.c.vector)
        .join(embeddings, embeddings.c.text_sha256 == demonstrations.c.text_sha256)
        .where(embeddings.c.fingerprint == fingerprint, reach.rows(demonstrations))
    )
    best: list[list[Key]] = [[] for _ in vectors]
    for page in connection.execute(query).partitions(ROWS_AT_ONCE):
        fits = (row for row in page if len(row.vector) == vectors.shape[1])
        rows = [row for row in fits if abs(np.linalg.norm(row.vector) - 1) < 1e-3]
        if not rows:
            continue
        similarity = np.rint(STEP * (vectors @ np.stack([row.vector for row in rows]).T))
        for number, steps in enumerate(similarity):
            least = np.partition(steps, -k)[-k] if k < len(steps) else -np.inf
            for place in np.flatnonzero(steps >= least):
                best[number].append((rows[place].institution, rows[place].id, steps[place] / STEP))
            best[number] = sorted(best[number], key=lambda key: (-key[2], *key[:2]))[:k]
    return best

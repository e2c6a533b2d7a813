"""Nearest-neighbour search inside PostgreSQL, by the share that a filter admits and the number of callers.

    python -m benchmarks.library.postgres_search [--rows 1000000] [--address postgresql+psycopg://…] [--json FILE]

Vectors of 384 numbers are synthetic: clusters of about a thousand, as if each of a thousand institutions had its own
words for a thing. Members vary in 32 directions and are spread over the institutions at random. Queries are further
members. Results are checked against NumPy over the same vectors. PostgreSQL runs on this machine with the settings in
SERVER (benchmarks/common/postgres.py explains the choice of its version), or is the ``--address`` of a library's
database, which is filled if it is empty and reused otherwise.
"""

import argparse
import json
import multiprocessing
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
from psycopg.types.json import Json
from sqlalchemy import text

from benchmarks.common.postgres import postgres_server
from metachain import Library
from metachain.embedding.similarity import text_sha256, unit_rows
from metachain.library.database.engine import Viewer, reading
from metachain.library.origins import Reach
from metachain.library.sharing import EVERYONE
from metachain.library.vector_index import index_name
from metachain.library.vector_search import EF_SEARCH_MIN, OVERFETCH, approximately, exactly

SIZE, DIRECTIONS, IN_A_CLUSTER, SPREAD = 384, 32, 1000, 0.6
CHUNK = 50_000
ASKS = "asking"
WIDTHS = (10, 50)
SHARES = (0.001, 0.01, 0.1, 1.0)
SCANS = ("off", "strict_order", "relaxed_order")
SERVER = {
    "shared_buffers": "6GB",
    "maintenance_work_mem": "4GB",
    "max_parallel_maintenance_workers": 1,
    "max_wal_size": "16GB",
    "checkpoint_timeout": "30min",
}
SECONDS = 5


class Synthetic:
    """Stand-in for an encoder: the vectors of all texts are stored beforehand."""

    fingerprint = "synthetic/1"

    def encode(self, texts):
        """Meaningless vectors (n, 384), as the searched ones are stored already."""
        return np.ones((len(texts), SIZE), np.float32) / np.float32(np.sqrt(SIZE))


def log(words):
    """Print progress on standard error."""
    print(f"{time.strftime('%H:%M:%S')} {words}", file=sys.stderr, flush=True)


def members(centres, count, seed):
    """Vectors (count, 384) of random clusters."""
    rng = np.random.default_rng(seed)
    directions = np.random.default_rng(1).standard_normal((DIRECTIONS, SIZE), np.float32)
    varied = np.float32(SPREAD) * rng.standard_normal((count, DIRECTIONS), np.float32)
    return unit_rows((centres[rng.integers(0, len(centres), count)] + varied) @ directions)


def world(rows, institutions):
    """Draw the clusters' centres, all vectors (rows, 384), and the institution number (rows,) of each."""
    centres = np.random.default_rng(0).standard_normal((max(1, rows // IN_A_CLUSTER), DIRECTIONS), np.float32)
    vectors = np.empty((rows, SIZE), np.float32)
    for start in range(0, rows, CHUNK):
        vectors[start : start + CHUNK] = members(centres, min(CHUNK, rows - start), 1 + start)
    return centres, vectors, np.random.default_rng(7).integers(0, institutions, rows)


def name_of(institution):
    """Name of an institution; names sort by number."""
    return f"institution {institution:05}"


def fill(library, vectors, owners):
    """Store demonstrations and vectors by COPY; meanwhile row-level security does not bind the owner."""
    with library._engine.begin() as connection:
        connection.execute(text("ALTER TABLE demonstrations NO FORCE ROW LEVEL SECURITY"))
        cursor = connection.connection.dbapi_connection.cursor()
        inputs = [f"demonstration {number}" for number in range(len(vectors))]
        hashes = [text_sha256(one) for one in inputs]
        columns = "institution, id, input, output, metadata, text_sha256"
        with cursor.copy(f"COPY demonstrations ({columns}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["text", "text", "text", "text", "json", "varchar"])
            for number, (given, hashed) in enumerate(zip(inputs, hashes, strict=True)):
                copy.write_row([name_of(owners[number]), str(number), given, "code 1", Json({}), hashed])
        with cursor.copy("COPY embeddings (fingerprint, text_sha256, vector) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["text", "varchar", "vector"])
            for hashed, vector in zip(hashes, vectors, strict=True):
                copy.write_row([Synthetic.fingerprint, hashed, vector])
        connection.execute(text("ALTER TABLE demonstrations FORCE ROW LEVEL SECURITY"))
    with library._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (ANALYZE) demonstrations, embeddings"))
    library.sharing.state_all({name_of(one): [EVERYONE] for one in np.unique(owners)})


def prepared(library, vectors, owners):
    """Fill the library if it is empty, index it, and return the seconds of both and the sizes."""
    figures = {}
    begun = time.monotonic()
    if not library.institutions():
        log("filling")
        fill(library, vectors, owners)
        figures["fill_s"] = time.monotonic() - begun
    log("indexing")
    begun = time.monotonic()
    library.index()
    figures["index_s"] = time.monotonic() - begun
    figures["megabytes"] = sizes(library)
    log(json.dumps(figures))
    return figures


def truth(vectors, owners, queries, admitted):
    """Ids of the nearest admitted demonstrations of each query, nearest first."""
    allowed = np.flatnonzero(owners < admitted)
    best = []
    for query in queries:
        similarity = vectors @ query if len(allowed) == len(owners) else vectors[allowed] @ query
        some = np.argpartition(-similarity, max(WIDTHS))[: max(WIDTHS)]
        best.append([str(allowed[place]) for place in some[np.argsort(-similarity[some])]])
    return best


def timed(search, queries, least):
    """Milliseconds and result of each search; stops after some seconds, but not before ``least`` queries."""
    times, found = [], []
    search(queries[0])
    until = time.monotonic() + SECONDS
    for number, query in enumerate(queries):
        if number >= least and time.monotonic() > until:
            break
        begun = time.perf_counter()
        found.append(search(query))
        times.append(1000 * (time.perf_counter() - begun))
    return times, found


def row(times, found, best, k, **what):
    """Figures of one way of searching."""
    recall = [len(set(ids) & set(right[:k])) / k for ids, right in zip(found, best, strict=False)]
    return {
        **what,
        "k": k,
        "queries": len(times),
        "p50_ms": float(np.percentile(times, 50)),
        "p99_ms": float(np.percentile(times, 99)),
        "recall": float(np.mean(recall)),
        "returned": float(np.mean([len(ids) for ids in found])),
        "fewest": min(len(ids) for ids in found),
    }


def ways(library, names, queries, best, share):
    """Figures of one caller for each way of searching."""
    viewer, fingerprint = Viewer(ASKS), Synthetic.fingerprint
    rows = []
    for k in WIDTHS:
        for scan in SCANS:

            def by_index(query, k=k, scan=scan):
                with reading(library._engine, viewer) as connection:
                    width = OVERFETCH * k
                    breadth = max(EF_SEARCH_MIN, width)
                    found = approximately(
                        connection, fingerprint, Reach(tuple(names)), query, width, breadth=breadth, scan=scan
                    )
                    return [id for _, id, _ in found[:k]]

            rows.append(row(*timed(by_index, queries, 10), best, k, share=share, way=f"index, {scan}"))

        def one_by_one(query, k=k):
            with reading(library._engine, viewer) as connection:
                return [id for _, id, _ in exactly(connection, fingerprint, Reach(tuple(names)), query, k, placed=True)]

        rows.append(row(*timed(one_by_one, queries, 5), best, k, share=share, way="exact"))

        def as_library(query, k=k):
            return [near.demonstration.id for near in library.nearest(ASKS, query[None], k, names)[0]]

        rows.append(row(*timed(as_library, queries, 5), best, k, share=share, way="Library.nearest"))
        for one in rows[-len(SCANS) - 2 :]:
            log(json.dumps(one))
    return rows


def calling(address, queries, names, threads, start, done):
    """Search for some seconds, in one process of several callers."""
    with Library.open(address, Synthetic()) as library:

        def call(thread):
            times = []
            until = time.monotonic() + SECONDS
            while time.monotonic() < until:
                query = queries[(len(times) * threads + thread) % len(queries)]
                begun = time.perf_counter()
                found = library.nearest(ASKS, query[None], 10, names)[0]
                times.append(1000 * (time.perf_counter() - begun))
                if len(found) != 10:
                    raise RuntimeError(f"{len(found)} found of 10")
            return times

        library.nearest(ASKS, queries[:1], 10, names)
        start.wait()
        with ThreadPoolExecutor(threads) as pool:
            done.put([one for times in pool.map(call, range(threads)) for one in times])


def together(address, queries, names, share, processes, callers):
    """Figures of several callers, spread over processes."""
    spawn = multiprocessing.get_context("spawn")
    start, done = spawn.Barrier(processes), spawn.Queue()
    given = (address, queries, names, callers // processes, start, done)
    running = [spawn.Process(target=calling, args=given) for _ in range(processes)]
    for one in running:
        one.start()
    times = [one for _ in running for one in done.get()]
    for one in running:
        one.join()
    found = {
        "share": share,
        "processes": processes,
        "callers": callers,
        "p50_ms": float(np.percentile(times, 50)),
        "p99_ms": float(np.percentile(times, 99)),
        "a_second": len(times) / SECONDS,
    }
    log(json.dumps(found))
    return found


def sizes(library):
    """Sizes of tables and index in megabytes, and the server's settings."""
    name = index_name(Synthetic.fingerprint, SIZE)
    with reading(library._engine) as connection:
        megabytes = {
            table: connection.execute(text(f"SELECT pg_table_size('{table}') / 1000000.0")).scalar()
            for table in ("demonstrations", "embeddings", "placed", name)
        }
        settings = {one: connection.execute(text(f"SHOW {one}")).scalar() for one in ("server_version", *SERVER)}
    return {**{key: float(value) for key, value in megabytes.items()}, "settings": settings}


def print_tables(figures):
    """Print the figures, in Markdown."""
    print("| admitted | way | k | p50, ms | p99, ms | recall | returned, fewest |\n|---|---|---|---|---|---|---|")
    for one in figures["ways"]:
        times = f"{one['p50_ms']:.1f} | {one['p99_ms']:.1f}"
        found = f"{one['recall']:.3f} | {one['returned']:.1f}, {one['fewest']}"
        print(f"| {one['share']:.1%} | {one['way']} | {one['k']} | {times} | {found} |")
    print("\n| admitted | callers in processes | p50, ms | p99, ms | a second |\n|---|---|---|---|---|")
    for one in figures["together"]:
        times = f"{one['p50_ms']:.1f} | {one['p99_ms']:.1f} | {one['a_second']:.0f}"
        print(f"| {one['share']:.1%} | {one['callers']} in {one['processes']} | {times} |")


def main():
    """Fill, index, measure, and print tables."""
    parser = argparse.ArgumentParser(description="Nearest-neighbour search inside PostgreSQL.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--institutions", type=int, default=1000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--address", help="Database to use instead of a new server.")
    parser.add_argument("--json", help="File to write the figures to.")
    given = parser.parse_args()
    centres, vectors, owners = world(given.rows, given.institutions)
    queries = members(centres, given.queries, 5)
    figures = {"rows": given.rows, "institutions": given.institutions, "ways": [], "together": []}
    with ExitStack() as stack:
        address = given.address
        if address is None:
            server = stack.enter_context(postgres_server(options=SERVER))
            address = server.url(server.create_database())
        library = stack.enter_context(Library.open(address, Synthetic()))
        figures |= prepared(library, vectors, owners)
        admitted = {share: max(1, round(share * given.institutions)) for share in SHARES}
        for share, count in admitted.items():
            best = truth(vectors, owners, queries, count)
            figures["ways"] += ways(library, [name_of(one) for one in range(count)], queries, best, share)
        del vectors
        for share, count in admitted.items():
            names = [name_of(one) for one in range(count)]
            for processes, callers in ((1, 1), (1, 8), (2, 8), (4, 8)):
                figures["together"].append(together(address, queries, names, share, processes, callers))
    if given.json:
        with open(given.json, "w") as file:
            json.dump(figures, file, indent=1)
    print_tables(figures)


if __name__ == "__main__":
    main()

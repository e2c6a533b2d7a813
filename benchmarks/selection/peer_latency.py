"""Latency of the search for demonstrations, beside common alternatives.

    python -m benchmarks.selection.peer_latency [--sizes 1000,10000,100000,1000000] [--json FILE]
    python -m benchmarks.selection.peer_latency --table FILE

Needs ``pip install 'metachain[bench]'``. The vectors are synthetic: 384 numbers around 500 centres, from a seed, dealt
to 100 institutions. Every contender (benchmarks/selection/peers.py) answers the same queries over them, without a
filter and with one that admits 1, 10 and 100 institutions. Before the timing its answers are compared with an exact
search; a wrong answer of an exact contender ends the run. The whole learned selection
(benchmarks/selection/peer_metachain.py) doesn't return the nearest: it must find as many as were asked for, all of them
admitted, and its candidates are compared with an exact search. Then each contender is timed with one caller and with
eight threads at once. Each call's arithmetic has one thread. A contender that takes over 0.3 s is called three times,
after two checked calls; the tables (benchmarks/selection/peer_tables.py) give the number of calls.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.common.machine import machine
from benchmarks.common.synthetic_vectors import ADMITTED, Allowed, Data, Query, Search, synthetic
from benchmarks.common.timing import timed, timed_together
from benchmarks.selection.peer_metachain import Learned
from benchmarks.selection.peer_tables import SLOW, tables
from benchmarks.selection.peers import CONTENDERS, FLOOR, LEARNED, OURS, Contender, langchain_store
from metachain.embedding.encoder import MiniLM

SIZES = (1_000, 10_000, 100_000, 1_000_000)
INSTITUTIONS, QUERIES, SEED, K = 100, 50, 0, 8
TOGETHER = ("no filter", "10 %")
"""Filters that are also timed with eight callers; the only ones for contenders that are slow or ignore filters."""
SECONDS, CHECKING = 0.3, 1.0
LONGER = 1.0
"""Seconds for the floor and our own contenders, so that their 99th percentile covers more calls."""
RECALL = 0.99
"""Bar: recall of the learned selection's candidates."""
TIE = 1e-5
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
TEXTS = ("ct of the brain without contrast", "comprehensive metabolic panel", "x-ray of the chest, two views")


def asked_of(one: Contender, slow: bool) -> Sequence[str]:
    """Filters that a contender is timed with."""
    if one.filters == "no":
        return ("no filter",)
    return TOGETHER if slow or one.filters == "ignored" else tuple(ADMITTED)


def checked(one: Contender, search: Search, data: Data, allowed: Allowed) -> dict[str, Any]:
    """Compare a contender's answers with an exact search, over as many queries as the time allows.

    Raises SystemExit if an exact contender is wrong.
    """
    exact = data.exact_diverse if one.diverse else data.exact
    mask, until = data.mask(allowed), perf_counter() + CHECKING
    counts, recalls, outside = [], [], []
    for query in data.queries:
        right, found = exact(query, allowed, K), search(query, allowed, K)
        near = data.vectors @ query.vector
        least = near[right].min() - TIE  # any of equals may be found
        hits = [row in right or (not one.diverse and mask[row] and near[row] >= least) for row in found]
        counts.append(len(found))
        recalls.append(sum(hits) / len(right))
        outside.append(int(np.count_nonzero(~mask[found])))
        promised = exact(query, None, K) if one.filters == "ignored" else right
        if one.filters != "after" and not (all(hits) and len(found) == len(right)) and set(found) != set(promised):
            raise SystemExit(f"{one.name} is wrong about {query.text}: it found {found}, exact are {promised}")
        if perf_counter() > until and len(counts) >= 2:
            break
    return {
        "checked": len(counts),
        "returned": float(np.mean(counts)),
        "recall": float(np.mean(recalls)),
        "outside": float(np.mean(outside)),
    }


def checked_selection(search: Learned, data: Data, allowed: Allowed) -> dict[str, Any]:
    """Check the learned selection, which may show the asking hospital's own labels too.

    Raises SystemExit if it shows one that is not admitted, the filter loses some, or its candidates' recall is under
    the bar.
    """
    mask = np.append(data.mask(allowed), np.ones(len(data.labels), bool))
    shown, whole = ([ask(one, allowed, K) for one in data.queries] for ask in (search, search.all_of))
    outside, recall = (
        [int(np.count_nonzero(~mask[list(one)])) for one in (*shown, *whole)],
        search.recall_at_50(allowed),
    )
    least = min(len(set(one)) for one in whole)
    if any(outside) or least < K or not all(shown) or recall < RECALL:
        raise SystemExit(
            f"the learned selection is wrong: of {K} it found {least}, not admitted are {sum(outside)}, "
            f"recall of its candidates {recall:.3f}, with {allowed}"
        )
    return {
        "checked": len(shown),
        "returned": float(np.mean([len(one) for one in shown])),
        "found": float(least),
        "own": float(np.mean([np.count_nonzero(np.array(one) >= len(data.vectors)) for one in shown])),
        "recall": recall,
        "outside": float(np.mean(outside)),
    }


def measured(one: Contender, data: Data) -> Iterator[dict[str, Any]]:
    """Yield a contender's record for each filter."""
    begun = perf_counter()
    search = one.build(data)
    built = perf_counter() - begun
    search(data.queries[0], None, K)
    again = perf_counter()
    search(data.queries[1], None, K)
    slow = perf_counter() - again > SLOW
    seconds = LONGER if one.name in {FLOOR, OURS, LEARNED} else SECONDS
    for share in asked_of(one, slow):
        number = ADMITTED[share]
        allowed = None if number is None else data.names[:number]
        record = {"contender": one.name, "filters": one.filters, "size": len(data.vectors), "filter": share}
        if isinstance(search, Learned):
            record |= checked_selection(search, data, allowed)
        else:
            record |= checked(one, search, data, allowed)
        ask = partial(_ask, search, allowed)
        record |= {
            "built": built,
            "alone": timed(ask, data.queries, seconds, 3, 0 if slow else 2).record(),
            "together": None,
        }
        if share in TOGETHER and not slow:
            record["together"] = timed_together(ask, data.queries, seconds, least=1).record()
        yield record
    if isinstance(search, Learned):
        search.close()


def _ask(search: Search, allowed: tuple[str, ...] | None, query: Query) -> Sequence[int]:
    return search(query, allowed, K)


def run(sizes: Sequence[int]) -> dict[str, Any]:
    """Measure everything; progress goes to standard error."""
    results: list[dict[str, Any]] = []
    begun, found = perf_counter(), machine()
    for size in sizes:
        data = synthetic(size, INSTITUTIONS, QUERIES, seed=SEED)
        for one in CONTENDERS:
            if size <= one.most:
                results += measured(one, data)
                gc.collect()
                print(f"{perf_counter() - begun:4.0f} s: {size:,}, {one.name}", file=sys.stderr)
        langchain_store.cache_clear()
    encoder = MiniLM()
    embedding = timed(lambda text: encoder.encode([text]), TEXTS, 2 * SECONDS)
    return {
        "machine": found.record(),
        "line": found.line(),
        "seed": SEED,
        "institutions": INSTITUTIONS,
        "queries": QUERIES,
        "k": K,
        "seconds": perf_counter() - begun,
        "embedding": embedding.record(),
        "results": results,
    }


def main() -> None:
    """Measure and print, or print an earlier measurement."""
    parser = argparse.ArgumentParser(description="Latency of the search for demonstrations, beside its peers.")
    parser.add_argument("--sizes", type=lambda given: [int(one) for one in given.split(",")], default=SIZES)
    parser.add_argument("--json", type=Path, help="write results, machine, versions and seed here")
    parser.add_argument("--table", type=Path, help="print the tables of such a file, and measure nothing")
    given = parser.parse_args()
    if given.table:
        print(tables(json.loads(given.table.read_text(encoding="utf-8"))))
        return
    if any(os.environ.get(name) != number for name, number in ONE_THREAD.items()):  # read when the libraries load
        again = subprocess.run(
            [sys.executable, "-m", "benchmarks.selection.peer_latency", *sys.argv[1:]],
            env={**os.environ, **ONE_THREAD},
            check=False,
        )
        sys.exit(again.returncode)
    found = run(given.sizes)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(tables(found))
    print(f"\nMeasured in {found['seconds']:.0f} s.")


if __name__ == "__main__":
    main()

"""How long a selection's search takes, beside what people use today.

    python benchmarks/peers_latency.py [--sizes 1000,10000,100000,1000000] [--json FILE]
    python benchmarks/peers_latency.py --table FILE

Needs ``pip install 'metachain[bench]'``. The vectors are synthetic: 384 numbers around 500 centres, from a seed, dealt
to 100 institutions. Every contender (benchmarks/contenders.py) answers the same queries over them, without a filter and
with one that admits 1, 10 and 100 institutions. Its answers are compared with an exact search before any is timed; one
that should be exact and is not ends the run. Then it is timed by itself, and with eight threads that ask at once. Each
call's arithmetic has one thread.
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
from contenders import CONTENDERS, FLOOR, LANGCHAIN, OURS, Contender, Data, Query, Search, langchain_store, synthetic
from machine import machine
from timing import timed, timed_together

from metachain.encoder import MiniLM

SIZES = (1_000, 10_000, 100_000, 1_000_000)
INSTITUTIONS, QUERIES, SEED, K = 100, 50, 0, 8
SHARES = {"no filter": None, "1 %": 1, "10 %": 10, "100 %": 100}
TOGETHER = ("no filter", "10 %")
"""What is also timed with eight callers, and all that is asked of who is slow or ignores filters."""
SECONDS, CHECKING = 0.3, 1.0
SLOW = 0.3
"""Seconds; whose call takes longer is timed with two filters only, and not with eight callers."""
TIE = 1e-5
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
TEXTS = ("ct of the brain without contrast", "comprehensive metabolic panel", "x-ray of the chest, two views")


def asked_of(one: Contender, slow: bool) -> Sequence[str]:
    """The filters that a contender is asked with."""
    if one.filters == "no":
        return ("no filter",)
    return TOGETHER if slow or one.filters == "ignored" else tuple(SHARES)


def checked(one: Contender, search: Search, data: Data, allowed: tuple[str, ...] | None) -> dict[str, Any]:
    """How a contender's answers compare with an exact search, over as many queries as there is time for.

    Raises SystemExit where it should be exact and is not.
    """
    exact = data.exact_diverse if one.diverse else data.exact
    mask, until = data.mask(allowed), perf_counter() + CHECKING
    counts, recalls, outside = [], [], []
    for query in data.queries:
        right, found = exact(query, allowed, K), search(query, allowed, K)
        near = data.vectors @ query.vector
        least = near[right].min() - TIE  # of equals any may be found
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


def measured(one: Contender, data: Data) -> Iterator[dict[str, Any]]:
    """A contender's record for each filter."""
    begun = perf_counter()
    search = one.build(data)
    built = perf_counter() - begun
    search(data.queries[0], None, K)
    again = perf_counter()
    search(data.queries[1], None, K)
    slow = perf_counter() - again > SLOW
    for share in asked_of(one, slow):
        number = SHARES[share]
        allowed = None if number is None else data.names[:number]
        record = {"contender": one.name, "filters": one.filters, "size": len(data.vectors), "filter": share}
        record |= checked(one, search, data, allowed)
        ask = partial(_ask, search, allowed)
        record |= {"built": built, "alone": timed(ask, data.queries, SECONDS, least=2).record(), "together": None}
        if share in TOGETHER and not slow:
            record["together"] = timed_together(ask, data.queries, SECONDS, least=1).record()
        yield record


def _ask(search: Search, allowed: tuple[str, ...] | None, query: Query) -> Sequence[int]:
    return search(query, allowed, K)


def run(sizes: Sequence[int]) -> dict[str, Any]:
    """Measure everything; what is done is told on standard error."""
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


def tables(found: dict[str, Any]) -> str:
    """The tables of docs/benchmarks.md, in Markdown."""
    results = found["results"]
    sizes = sorted({one["size"] for one in results})
    most = max(size for size in sizes if size <= 100_000)
    k, embedding = found["k"], found["embedding"]
    at_most = [one for one in results if one["size"] == most]
    parts = [
        f"Median of one call for {k} demonstrations, in milliseconds. The filter admits 10 %; who can't filter is "
        f"asked without one.",
        _by_size(results, sizes),
        _ratios(at_most),
        f"{most:,} demonstrations, one caller. Recall is the share of the exact answer that came back:",
        _by_filter(at_most, k),
        f"{most:,} demonstrations, eight callers at once; those who take over {SLOW:.1f} s by themselves are left out:",
        _together([one for one in at_most if one["together"]]),
        f"To each figure comes the query's embedding: {embedding['p50']:.0f} ms (p99 {embedding['p99']:.0f}) by the "
        f"built-in MiniLM in the same run.",
        found["line"],
    ]
    return "\n\n".join(parts)


def _ratios(results: Sequence[dict[str, Any]]) -> str:
    """What the first table says of our store, in words."""
    p50 = {one["contender"]: one["alone"]["p50"] for one in results if one["filter"] == "10 %"}
    if not {FLOOR, OURS, LANGCHAIN} <= set(p50):
        return ""
    return (
        f"At {results[0]['size']:,} with this filter our store takes {p50[OURS] / p50[FLOOR]:.1f} times as long as the "
        f"floor, and LangChain's FAISS selector, made correct, {p50[LANGCHAIN] / p50[OURS]:.0f} times as long as ours."
    )


def _by_size(results: Sequence[dict[str, Any]], sizes: Sequence[int]) -> str:
    rows = []
    for name in dict.fromkeys(one["contender"] for one in results):
        own = {(one["size"], one["filter"]): one["alone"] for one in results if one["contender"] == name}
        cells = [own.get((size, "10 %")) or own.get((size, "no filter")) for size in sizes]
        rows.append([name, *(_ms(cell["p50"]) if cell else "" for cell in cells)])
    return _table(["", *(f"{size:,}" for size in sizes)], rows)


def _by_filter(results: Sequence[dict[str, Any]], k: int) -> str:
    rows = [
        [
            one["contender"],
            one["filter"],
            _ms(one["alone"]["p50"]),
            _ms(one["alone"]["p99"]),
            f"{one['returned']:.1f}",
            f"{one['recall']:.2f}",
            f"{one['outside']:.1f}",
        ]
        for one in results
    ]
    return _table(["", "filter admits", "p50, ms", "p99, ms", f"returned of {k}", "recall", "not admitted"], rows)


def _together(results: Sequence[dict[str, Any]]) -> str:
    rows = [
        [one["contender"], one["filter"], _ms(of["p50"]), _ms(of["p99"]), f"{of['per_second']:,.0f}"]
        for one in results
        for of in [one["together"]]
    ]
    return _table(["", "filter admits", "p50, ms", "p99, ms", "calls a second"], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _ms(figure: float) -> str:
    return f"{figure:.2f}" if figure < 10 else f"{figure:,.0f}"


def main() -> None:
    """Measure and print, or print what was measured."""
    parser = argparse.ArgumentParser(description="How long the search for demonstrations takes, beside its peers.")
    parser.add_argument("--sizes", type=lambda given: [int(one) for one in given.split(",")], default=SIZES)
    parser.add_argument("--json", type=Path, help="write results, machine, versions and seed here")
    parser.add_argument("--table", type=Path, help="print the tables of such a file, and measure nothing")
    given = parser.parse_args()
    if given.table:
        print(tables(json.loads(given.table.read_text(encoding="utf-8"))))
        return
    if any(os.environ.get(name) != number for name, number in ONE_THREAD.items()):  # read when the libraries load
        again = subprocess.run([sys.executable, *sys.argv], env={**os.environ, **ONE_THREAD}, check=False)
        sys.exit(again.returncode)
    found = run(given.sizes)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(tables(found))
    print(f"\nMeasured in {found['seconds']:.0f} s.")


if __name__ == "__main__":
    main()

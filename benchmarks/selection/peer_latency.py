"""How long a selection's search takes, beside what people use today.

    python -m benchmarks.selection.peer_latency [--sizes 1000,10000,100000,1000000] [--json FILE]
    python -m benchmarks.selection.peer_latency --table FILE

Needs ``pip install 'metachain[bench]'``. The vectors are synthetic: 384 numbers around 500 centres, from a seed, dealt
to 100 institutions. Every contender (benchmarks/selection/peers.py) answers the same queries over them, without a
filter and with one that admits 1, 10 and 100 institutions. Its answers are compared with an exact search before any is
timed; one that should be exact and is not ends the run. The whole learned selection
(benchmarks/selection/peer_metachain.py) doesn't give the nearest: it must give as many as were asked for, of those that
may be found, and its candidates are compared with an exact search. Then each is timed by itself, and with eight threads
that ask at once. Each call's arithmetic has one thread. Who takes over 0.3 s is called three times, after two that were
checked; the tables say how often each was.
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
from benchmarks.selection.peers import CONTENDERS, FLOOR, LANGCHAIN, LEARNED, OURS, Contender, langchain_store
from metachain.embedding.encoder import MiniLM

SIZES = (1_000, 10_000, 100_000, 1_000_000)
INSTITUTIONS, QUERIES, SEED, K = 100, 50, 0, 8
TOGETHER = ("no filter", "10 %")
"""What is also timed with eight callers, and all that is asked of who is slow or ignores filters."""
SECONDS, CHECKING = 0.3, 1.0
LONGER = 1.0
"""Seconds for the floor and for what is ours, so that their 99th percentile is of more calls."""
FASTER, RECALL = 20, 0.99
"""The bars: how many times as fast as LangChain's selector the learned selection is, and recall of its candidates."""
SLOW = 0.3
"""Seconds; whose call takes longer is timed with two filters only, and not with eight callers."""
TIE = 1e-5
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
TEXTS = ("ct of the brain without contrast", "comprehensive metabolic panel", "x-ray of the chest, two views")


def asked_of(one: Contender, slow: bool) -> Sequence[str]:
    """The filters that a contender is asked with."""
    if one.filters == "no":
        return ("no filter",)
    return TOGETHER if slow or one.filters == "ignored" else tuple(ADMITTED)


def checked(one: Contender, search: Search, data: Data, allowed: Allowed) -> dict[str, Any]:
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


def checked_selection(search: Learned, data: Data, allowed: Allowed) -> dict[str, Any]:
    """How many a learned selection gives, which may be the asking hospital's own labels too.

    Raises SystemExit where one may not be found, the filter loses some, or its candidates' recall is under the bar.
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
    """A contender's record for each filter."""
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
        f"Median of one call for {k} demonstrations, in milliseconds. The filter admits 10 %; contenders without "
        f"filters are asked without one.",
        _by_size(results, sizes),
        _ratios(at_most),
        _bars(at_most, k),
        f"{most:,} demonstrations, one caller. Recall is the share of the exact answer that was returned; for the "
        f"learned selection, the share of the exact 50 nearest among its candidates. The 99th percentile of fewer than a "
        f"hundred calls is the slowest:",
        _by_filter(at_most, k),
        f"{most:,} demonstrations, eight callers at once; contenders that take over {SLOW:.1f} s with one caller "
        f"are left out:",
        _together([one for one in at_most if one["together"]]),
        f"Each figure excludes the query's embedding: {embedding['p50']:.0f} ms (p99 {embedding['p99']:.0f}) by the "
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


def _bars(results: Sequence[dict[str, Any]], k: int) -> str:
    """What the whole learned selection is beside the floor and LangChain's selector, in words."""
    of = {one["contender"]: one for one in results if one["filter"] == "10 %"}
    if not {FLOOR, LEARNED, LANGCHAIN} <= set(of):
        return ""
    floor, learned, langchain = (of[name]["alone"]["p50"] for name in (FLOOR, LEARNED, LANGCHAIN))
    faster = langchain / learned
    returned = "; ".join(f"{one['returned'] - one['outside']:.1f} by {name}" for name, one in of.items())
    return (
        f"The whole learned selection takes {learned / floor:.1f} times as long as the floor, which searches 384 "
        f"numbers a demonstration where the selection searches 896; LangChain's FAISS selector, made correct, takes "
        f"{faster:.0f} times as long as the whole learned selection (bar: {FASTER}, "
        f"{'held' if faster >= FASTER else 'missed'}). Its filter is the sharing rules of the asking hospital, "
        f"and {of[LEARNED]['own']:.1f} of the demonstrations it shows are that hospital's own labels. It found {k} of {k} for every "
        f"query, and leaves out those that contradict the most plausible answer. Of {k} admitted ones there were "
        f"returned: {returned}. The selection is filled with up to {most_of(LEARNED):,} here; a million is in "
        f"[the whole selection](#the-whole-selection)."
    )


def most_of(name: str) -> int:
    """The largest library that a contender is built for."""
    return next(one.most for one in CONTENDERS if one.name == name)


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
            f"{one['alone']['calls']:,}",
            f"{one['returned']:.1f}" + (f" ({one['found']:.1f} found)" if "found" in one else ""),
            f"{one['recall']:.2f}",
            f"{one['outside']:.1f}",
        ]
        for one in results
    ]
    return _table(
        ["", "filter admits", "p50, ms", "p99, ms", "calls", f"returned of {k}", "recall", "not admitted"], rows
    )


def _together(results: Sequence[dict[str, Any]]) -> str:
    rows = [
        [
            one["contender"],
            one["filter"],
            _ms(of["p50"]),
            _ms(of["p99"]),
            f"{of['calls']:,}",
            f"{of['per_second']:,.0f}",
        ]
        for one in results
        for of in [one["together"]]
    ]
    return _table(["", "filter admits", "p50, ms", "p99, ms", "calls", "calls a second"], rows)


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

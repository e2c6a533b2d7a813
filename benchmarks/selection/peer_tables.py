"""Tables of docs/benchmarks.md, from the results of benchmarks/selection/peer_latency.py."""

from collections.abc import Sequence
from typing import Any

from benchmarks.selection.peers import CONTENDERS, FLOOR, LANGCHAIN, LEARNED, OURS

__all__ = ["SLOW", "tables"]

FASTER = 20
"""Bar: speed of the learned selection relative to LangChain's selector."""
SLOW = 0.3
"""Seconds of a call above which a contender is timed with two filters only, and not with eight callers."""


def tables(found: dict[str, Any]) -> str:
    """Format the tables of docs/benchmarks.md, in Markdown."""
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
        f"learned selection, the share of the exact 50 nearest among its candidates. The 99th percentile of fewer than "
        f"a hundred calls is the slowest:",
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
    """Compare our store with the floor and LangChain's selector, in words."""
    p50 = {one["contender"]: one["alone"]["p50"] for one in results if one["filter"] == "10 %"}
    if not {FLOOR, OURS, LANGCHAIN} <= set(p50):
        return ""
    return (
        f"At {results[0]['size']:,} with this filter our store takes {p50[OURS] / p50[FLOOR]:.1f} times as long as the "
        f"floor, and LangChain's FAISS selector, made correct, {p50[LANGCHAIN] / p50[OURS]:.0f} times as long as ours."
    )


def _bars(results: Sequence[dict[str, Any]], k: int) -> str:
    """Compare the whole learned selection with the floor and LangChain's selector, in words."""
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
        f"and {of[LEARNED]['own']:.1f} of the demonstrations it shows are that hospital's own labels. It found {k} of "
        f"{k} for every query, and shows fewer where the likeliest answer has too few. Of {k} admitted ones "
        f"there were returned: {returned}. The selection is filled with up to {most_of(LEARNED):,} here; a million "
        f"is in [the whole selection](#the-whole-selection)."
    )


def most_of(name: str) -> int:
    """Size of the largest library that a contender is built for."""
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

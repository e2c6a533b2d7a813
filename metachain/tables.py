"""What the command line prints of an evaluation."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from metachain.ablation import PARTS
from metachain.comparison import BASELINE, OURS, Variants, differences, fares, variants, worths
from metachain.console import one_line, out, print_summary, short
from metachain.wording import listed, percent, points, score, share

__all__ = ["print_evaluation", "print_institutions"]


def print_evaluation(result: Mapping[str, Any]) -> None:
    """Print the summary, the harm, the calibration, metachain's gain by what varies, and what its parts are worth."""
    print_summary(result["summary"])
    if result["harm"]:
        parts = (f"{share(row['share'])} at {row['labels']} labels" for row in result["harm"])
        out.print(f"draws in which {OURS} loses more than a point to {BASELINE}: {listed(parts)}")
    if result.get("calibration"):
        parts = (f"{score(row['ece'])} at {row['labels']} labels" for row in result["calibration"])
        out.print(f"expected calibration error of the probabilities that {OURS} gives: {listed(parts)}")
    for kind, table in variants(result).items():
        _print_variants(kind, table)
    done = [part["past"] for part in result.get("past", ())]
    left_out = [size for size in result["settings"]["past"] if size != "all" and size not in done]
    if left_out:
        out.print(f"--past {listed(left_out)} left out: not every institution has more past institutions than that")
    if worths(result):
        _print_worths(worths(result))


def print_institutions(result: Mapping[str, Any]) -> None:
    """Print how each institution fares at the largest label count, those that lose most first."""
    counts = differences(result)
    if not counts:
        out.print(f"no table by institution: none was scored with both {OURS} and {BASELINE}")
        return
    labels = max(counts)
    table = Table("institution", "queries", BASELINE, OURS, "difference", title=f"each institution at {labels} labels")
    for one in fares(result, labels):
        numbers = (str(one.queries), score(one.baseline), score(one.ours), score(one.difference, signed=True))
        table.add_row(Text(short(one_line(one.institution), 60)), *numbers)
    out.print(table)


def _print_variants(kind: str, rows: Variants) -> None:
    labels = sorted({count for row in rows.values() for count in row})
    table = Table(kind, *(f"{count} labels" for count in labels), title=f"gain of {OURS} over {BASELINE} by {kind}")
    for name, row in rows.items():
        table.add_row(name, *(_gain(row.get(count)) for count in labels))
    out.print(table)


def _print_worths(parts: Variants) -> None:
    labels = sorted({count for row in parts.values() for count in row})
    title = f"what each part is worth: mean of {OURS} minus that without it, in points"
    table = Table("part", *(f"{count} labels" for count in labels), title=title)
    for part, row in parts.items():
        table.add_row(part, *(_worth(row.get(count)) for count in labels))
    out.print(table)
    for part in parts:
        out.print(f"  {part}: {PARTS[part]}")


def _worth(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "–"
    return points(row["points"]) + ("\n{} to {}".format(*map(points, row["ci95"])) if row["ci95"] else "")


def _gain(row: Mapping[str, Any] | None) -> str:
    if row is None or row["gain"] is None:
        return "–"
    return percent(row["gain"]) + ("\n{} to {}".format(*map(percent, row["ci95"])) if row["ci95"] else "")

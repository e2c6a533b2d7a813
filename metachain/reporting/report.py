"""The HTML page that shows what an evaluation found."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

from metachain.errors import DataError
from metachain.evaluation.ablation import PARTS
from metachain.files import write_text
from metachain.learning.calibration import BINS
from metachain.reporting import wording
from metachain.reporting.charts import difference_chart, learning_curve_chart, reliability_chart
from metachain.reporting.comparison import (
    ABLATED,
    BASELINE,
    OURS,
    SELECTORS,
    differences,
    fares,
    learning_curves,
    ordered,
    tenths,
    variants,
    worths,
)
from metachain.reporting.verdict import verdict

__all__ = ["render_report", "write_report"]

CONTRACT = ("dataset", "protocol", "model", "shots", "seeds", "settings", "scores", "summary", "cost")
SIZES = ("wide", "narrow")
FILTERS = ("duration", "hundredths", "listed", "percent", "points", "score", "share", "whole")
DRAWN = 60
"""Rows and columns of a matrix that are drawn at most."""
LEARNED, PLAIN = "learned", "nearest neighbours"
KNOWN_COSTS = {"seconds": "time", "model_calls": "model calls", "tokens": "tokens"}


def render_report(result: Mapping[str, Any]) -> str:
    """One self-contained HTML page for the result of ``metachain evaluate``; the same result gives the same page.

    Raises DataError where ``result`` lacks a part of the contract.
    """
    missing = [part for part in CONTRACT if part not in result]
    if missing:
        raise DataError(f"not an evaluation result: it lacks {wording.listed(missing)}; see metachain evaluate --json")
    return _template().render(_context(result))


def write_report(result: Mapping[str, Any], path: str | Path) -> Path:
    """Write the page to ``path``, wholly or not at all, and return the path.

    Raises StorageError that names the place and the reason where it can't be written.
    """
    return write_text(render_report(result), path)


def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update({name: getattr(wording, name) for name in FILTERS})
    return environment.from_string(files("metachain").joinpath("report.html.j2").read_text("utf-8"))


def _context(result: Mapping[str, Any]) -> dict[str, Any]:
    curves, paired = learning_curves(result), differences(result)
    drawn = {name: points for name, points in curves.items() if name not in ABLATED}
    rows = {(row["selector"], row["labels"]): row for row in result["summary"]}
    intervals = {(name, point.labels): point.interval for name, points in curves.items() for point in points}
    return {
        **{"result": result, "verdict": verdict(result), "ours": OURS, "baseline": BASELINE},
        "meanings": {**SELECTORS, **ABLATED},
        "learned": LEARNED,
        "synthetic": bool(result["settings"].get("synthetic")),
        "command": result["settings"].get("command"),
        "metric": result["scores"][0]["metric"] if result["scores"] else None,
        **{"rows": rows, "intervals": intervals},
        "selectors": ordered(selector for selector, _ in rows),
        "counts": sorted({labels for _, labels in rows}),
        "curve_charts": {size: learning_curve_chart(drawn, size) for size in SIZES if drawn},
        "ablated": len(curves) > len(drawn),
        "difference_charts": {size: difference_chart(paired, size) for size in SIZES if paired},
        "paired": paired,
        "institutions": _worst_first(paired),
        "fares": {one.institution: one for one in fares(result, max(paired))} if paired else {},
        "harm": {row["labels"]: row for row in result.get("harm", ())},
        **{"variants": variants(result), "worths": worths(result), "parts": PARTS},
        **_matrices(result),
        **{"guard": _guard(result)},
        **_calibration(result),
        **{"costs": _costs(result["cost"]), "settings": _settings(result)},
    }


def _calibration(result: Mapping[str, Any]) -> dict[str, Any]:
    rows, bins = result.get("calibration", ()), tenths(result)
    return {
        "calibration": {row["labels"]: row for row in rows},
        "reliability_charts": {size: reliability_chart(rows, size) for size in SIZES if rows},
        **{"bins": bins, "tenths": {place: f"{10 * place} to {10 * place + 10} %" for place in range(BINS)}},
    }


def _matrices(result: Mapping[str, Any]) -> dict[str, Any]:
    """The transfer matrix, and whose demonstrations were shown to whom at the most labels; at most so many of each."""
    told, found = result.get("transfer"), result.get("origins", ())
    most = max((row["labels"] for row in found), default=0)
    shares = {row["institution"]: row["shares"] for row in found if row["labels"] == most}
    transfer = dict(zip(told["institutions"], told["rows"], strict=True)) if told else {}
    named = sorted({*shares, *(name for row in shares.values() for name in row)})
    return {
        "transfer": heat(transfer, told["institutions"]) if told and len(transfer) > 1 else None,
        "leaning": heat({name: [row.get(one, 0.0) for one in named] for name, row in shares.items()}, named),
        "leaning_labels": most,
        "drawn": DRAWN,
    }


def heat(rows: Mapping[str, Sequence[float]], columns: Sequence[str]) -> dict[str, Any] | None:
    """Cells of a matrix, each with how deep its colour is, in [0, 1]: least where it is least off the diagonal."""
    kept, names = list(rows.items())[:DRAWN], list(columns)[:DRAWN]
    values = [value for name, row in kept for one, value in zip(names, row, strict=False) if one != name]
    if not values:
        return None
    low, high = min(values), max(values)
    span = high - low or 1.0
    cells = {
        name: [
            (value, min(max((value - low) / span, 0.0), 1.0), one == name)
            for one, value in zip(names, row, strict=False)
        ]
        for name, row in kept
    }
    return {
        "columns": names,
        "cells": cells,
        "low": low,
        "high": high,
        "left_out": max(len(rows), len(columns)) - DRAWN,
    }


def _guard(result: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """What the guard let choose where each institution was held out: with labels, and without."""
    lessons = result["settings"].get("lessons", {})
    return {
        name: (LEARNED if one.get("settings") else PLAIN, LEARNED if one.get("trusts_consensus") else PLAIN)
        for name, one in lessons.items()
    }


def _worst_first(paired: Mapping[int, Mapping[str, float]]) -> list[str]:
    """The institutions, those that lose most on average over the label counts first."""
    found: dict[str, list[float]] = {}
    for row in paired.values():
        for institution, difference in row.items():
            found.setdefault(institution, []).append(difference)
    return sorted(found, key=lambda name: (sum(found[name]) / len(found[name]), name))


def _costs(cost: Mapping[str, Any]) -> dict[str, str]:
    return {KNOWN_COSTS.get(name, name): _cost(name, value) for name, value in cost.items()}


def _cost(name: str, value: Any) -> str:
    if not isinstance(value, int | float):
        return wording.UNKNOWN if value is None else str(value)
    return wording.duration(value) if name == "seconds" else wording.whole(value)


def _settings(result: Mapping[str, Any]) -> dict[str, str]:
    """What was run, for the table; the command is shown on its own."""
    head = {name: result[name] for name in ("dataset", "protocol", "model", "shots", "seeds")}
    rest = {name: value for name, value in result["settings"].items() if name not in ("command", "lessons")}
    told = {name: _plain(value) for name, value in {**head, **rest}.items()}
    lessons = Counter(_lesson(one) for one in result["settings"].get("lessons", {}).values())
    learned = (f"{count} × {lesson}" for lesson, count in lessons.most_common())
    return {**told, **({"lessons": "; ".join(learned)} if lessons else {})}


def _lesson(lesson: Mapping[str, Any]) -> str:
    """What was learned with one institution held out, in a line."""
    chosen = lesson.get("settings")
    with_labels = ", ".join(f"{name} {value:g}" for name, value in chosen.items()) if chosen else "nearest neighbours"
    without = "consensus" if lesson.get("trusts_consensus") else "nearest neighbours"
    return f"with labels {with_labels}, without {without}"


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and all(isinstance(item, str | int | float) for item in value):
        return ", ".join(map(str, value))
    return json.dumps(value, ensure_ascii=False, default=str)

"""HTML page of an evaluation's result."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from metachain.evaluation.ablation import PARTS
from metachain.evaluation.result import Cost, Evaluation, GuardChoice
from metachain.evaluation.result_rows import at_skill
from metachain.files import write_text
from metachain.learning.calibration import BINS
from metachain.reporting import comparison, wording
from metachain.reporting.charts import difference_chart, learning_curve_chart, reliability_chart, skill_chart
from metachain.reporting.verdict import verdict

__all__ = ["render_report", "write_report"]

SIZES = ("wide", "narrow")
FILTERS = ("duration", "hundredths", "listed", "number", "percent", "points", "score", "share", "whole")
DRAWN = 60
"""Most rows and columns of a matrix that are drawn."""
LEARNED, PLAIN = "learned", "nearest neighbours"


def render_report(result: Evaluation) -> str:
    """Render one self-contained HTML page; the same result gives the same page."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update({name: getattr(wording, name) for name in FILTERS})
    text = files("metachain.reporting").joinpath("report.html.j2").read_text("utf-8")
    return environment.from_string(text).render(_context(result))


def write_report(result: Evaluation, path: str | Path) -> Path:
    """Write the page to ``path`` and return the path; a failed write leaves an older page as it was.

    Raises StorageError, with the place and the reason, where it can't be written.
    """
    return write_text(render_report(result), path)


def _context(result: Evaluation) -> dict[str, Any]:
    curves, paired = comparison.learning_curves(result.scores), comparison.differences(result.scores)
    drawn = {name: points for name, points in curves.items() if name not in comparison.ABLATED}
    rows = {(row.selector, row.labels): row for row in at_skill(result.summary)}
    return {
        **{"result": result, "verdict": verdict(result), "ours": comparison.OURS, "baseline": comparison.BASELINE},
        "meanings": {**comparison.SELECTORS, **comparison.ABLATED},
        "metric": result.scores[0].metric if result.scores else None,
        "rows": rows,
        "intervals": {(name, point.labels): point.interval for name, points in curves.items() for point in points},
        "selectors": comparison.ordered(selector for selector, _ in rows),
        "counts": sorted({labels for _, labels in rows}),
        "curve_charts": {size: learning_curve_chart(drawn, size) for size in SIZES if drawn},
        "ablated": len(curves) > len(drawn),
        "measured": any(row.recall is not None for row in rows.values()),
        **_skills(result, max((labels for _, labels in rows), default=0)),
        "difference_charts": {size: difference_chart(paired, size) for size in SIZES if paired},
        "paired": paired,
        "institutions": _worst_first(paired),
        "fares": {one.institution: one for one in comparison.fares(result.scores, max(paired))} if paired else {},
        "harm": {row.labels: row for row in result.harm},
        **{"variants": comparison.variants(result), "worths": comparison.worths(result.ablation), "parts": PARTS},
        **_matrices(result),
        "guard": {
            name: (LEARNED if one.settings else PLAIN, LEARNED if one.trusts_consensus else PLAIN)
            for name, one in result.settings.lessons.items()
        },
        "learned": LEARNED,
        "calibration": {row.labels: row for row in result.calibration},
        "reliability_charts": {
            size: reliability_chart(result.calibration, size) for size in SIZES if result.calibration
        },
        "bins": comparison.tenths(result.calibration),
        "tenths": {place: f"{10 * place} to {10 * place + 10} %" for place in range(BINS)},
        **{"costs": _costs(result.cost), "settings": _settings(result)},
    }


def _skills(result: Evaluation, labels: int) -> dict[str, Any]:
    """Curves over the skill of the reader at one label count."""
    curves = comparison.skill_curves(result.scores, labels)
    drawn = {name: points for name, points in curves.items() if name not in comparison.ABLATED}
    return {
        "skill_labels": labels,
        "skill_curves": curves,
        "skills": sorted({skill for points in curves.values() for skill in points}),
        "skill_charts": {size: skill_chart(drawn, size) for size in SIZES if drawn},
    }


def _matrices(result: Evaluation) -> dict[str, Any]:
    """Transfer matrix, and owners of the demonstrations shown at the largest label count, both cut to ``DRAWN``."""
    most = max((row.labels for row in result.origins), default=0)
    shares = {row.institution: row.shares for row in result.origins if row.labels == most}
    names = result.transfer.institutions if result.transfer else ()
    transfer = dict(zip(names, result.transfer.rows, strict=True)) if result.transfer else {}
    owners = sorted({*shares, *(name for row in shares.values() for name in row)})
    return {
        "transfer": heat(transfer, names) if len(transfer) > 1 else None,
        "leaning": heat({name: [row.get(one, 0.0) for one in owners] for name, row in shares.items()}, owners),
        "leaning_labels": most,
        "drawn": DRAWN,
    }


def heat(rows: Mapping[str, Sequence[float]], columns: Sequence[str]) -> dict[str, Any] | None:
    """Cells of a matrix: value, depth of colour in [0, 1] over the range off the diagonal, and if on the diagonal."""
    names = list(columns)[:DRAWN]
    kept = {name: list(zip(names, row, strict=False)) for name, row in list(rows.items())[:DRAWN]}
    values = [value for name, row in kept.items() for one, value in row if one != name]
    if not values:
        return None
    low, high = min(values), max(values)
    span = high - low or 1.0
    cells = {
        name: [(value, min(max((value - low) / span, 0.0), 1.0), one == name) for one, value in row]
        for name, row in kept.items()
    }
    left_out = max(len(rows), len(columns)) - DRAWN
    return {"columns": names, "cells": cells, "low": low, "high": high, "left_out": left_out}


def _worst_first(paired: Mapping[int, Mapping[str, float]]) -> list[str]:
    """Institutions by mean difference over the label counts, largest losses first."""
    found: dict[str, list[float]] = {}
    for row in paired.values():
        for institution, difference in row.items():
            found.setdefault(institution, []).append(difference)
    return sorted(found, key=lambda name: (sum(found[name]) / len(found[name]), name))


def _costs(cost: Cost) -> dict[str, str]:
    return {
        "time": wording.UNKNOWN if cost.seconds is None else wording.duration(cost.seconds),
        "model calls": wording.UNKNOWN if cost.model_calls is None else wording.whole(cost.model_calls),
        "tokens": wording.UNKNOWN if cost.tokens is None else wording.whole(cost.tokens),
    }


def _settings(result: Evaluation) -> dict[str, str]:
    """Texts of the settings table; the command is shown separately."""
    head = {name: getattr(result, name) for name in ("dataset", "protocol", "model", "shots", "seeds")}
    rest = {name: one for name, one in result.settings.to_json().items() if name not in ("command", "lessons")}
    lessons = Counter(map(_lesson, result.settings.lessons.values()))
    learned = "; ".join(f"{count} × {lesson}" for lesson, count in lessons.most_common())
    return {name: _plain(one) for name, one in {**head, **rest}.items()} | ({"lessons": learned} if learned else {})


def _lesson(choice: GuardChoice) -> str:
    chosen = choice.settings
    with_labels = ", ".join(f"{name} {value:g}" for name, value in chosen.items()) if chosen else PLAIN
    return f"with labels {with_labels}, without {'consensus' if choice.trusts_consensus else PLAIN}"


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and all(isinstance(item, str | int | float) for item in value):
        return ", ".join(map(str, value))
    return json.dumps(value, ensure_ascii=False, default=str)

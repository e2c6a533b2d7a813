"""From scores to the table: means, the worst tenth of institutions, and gains with intervals."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metachain.learning.pool import Pool

__all__ = [
    "BASELINE",
    "MOST_TOLD",
    "OURS",
    "by_institution",
    "harm",
    "main_rows",
    "origins",
    "summarise",
    "transfer_told",
    "worth",
]

OURS = "metachain"
BASELINE = "semantic"
POINT = 0.01
ROUNDING = 1e-9
RESAMPLES = 10_000
WORST_SHARE = 0.1

Floats = NDArray[np.float64]


def summarise(scores: Sequence[Mapping[str, Any]], seed: int = 0) -> list[dict[str, Any]]:
    """One row a selector and label count: mean, worst decile, relative gain over ``semantic`` and its 95 % interval.

    The mean is over institutions of their mean over seeds. ``worst_decile`` is the mean of the worst tenth of
    institutions, at least one. ``gain`` is ``mean / mean_of_semantic - 1``; ``ci95`` resamples institutions in pairs
    (percentile bootstrap, 10,000 draws; Efron & Tibshirani 1993). Gain and interval are None where ``semantic`` is
    absent or scores 0; the interval alone where some draws leave ``semantic`` at 0, so that a gain has no number.
    Of several metrics the first alone counts.
    """
    table = by_institution(main_rows(scores))
    rows = []
    for (selector, labels), own in table.items():
        base = table.get((BASELINE, labels), {})
        shared = sorted(own.keys() & base.keys())
        gain, interval = _gain(
            np.array([own[name] for name in shared]), np.array([base[name] for name in shared]), seed
        )
        values = np.array(sorted(own.values()))
        worst = values[: max(1, int(len(values) * WORST_SHARE))]
        row = {
            "selector": selector,
            "labels": labels,
            "mean": float(values.mean()),
            "worst_decile": float(worst.mean()),
        }
        rows.append({**row, "gain": gain, "ci95": interval})
    return rows


def harm(scores: Sequence[Mapping[str, Any]], ours: str = OURS, baseline: str = BASELINE) -> list[dict[str, Any]]:
    """How often ``ours`` scores more than one point (0.01) less than ``baseline``; one row a label count, fewest first.

    ``{"labels", "share", "lost", "draws"}``: of so many draws (an institution with one random support) that both were
    scored at, so many lost, which is that share in [0, 1]. A label count without such draws has no row. Several metrics
    count as the first alone.
    """
    score = {
        (row["selector"], row["labels"], row["institution"], row["seed"]): row["score"] for row in main_rows(scores)
    }
    losses: dict[int, list[bool]] = {}
    for (selector, *draw), own in score.items():
        if selector == ours and (baseline, *draw) in score:
            losses.setdefault(draw[0], []).append(own < score[baseline, *draw] - POINT - ROUNDING)
    return [
        {"labels": labels, "share": sum(lost) / len(lost), "lost": sum(lost), "draws": len(lost)}
        for labels, lost in sorted(losses.items())
    ]


def worth(
    scores: Sequence[Mapping[str, Any]], without: Mapping[str, str], ours: str = OURS, seed: int = 0
) -> list[dict[str, Any]]:
    """What each part of ``ours`` is worth: its mean minus that of the selector without the part.

    ``without`` names that selector for each part. One row a part and label count, ``{"part", "labels", "points",
    "ci95"}``, both numbers in points (0.01), over the institutions that both were scored at; ``ci95`` resamples these
    (percentile bootstrap, 10,000 draws), None for a single one. Several metrics count as the first alone.
    """
    table = by_institution(main_rows(scores))
    counts = sorted(labels for selector, labels in table if selector == ours)
    rows = []
    for part, selector in without.items():
        for labels in counts:
            own, other = table[ours, labels], table.get((selector, labels), {})
            lost = [(own[name] - other[name]) / POINT for name in sorted(own.keys() & other.keys())]
            if lost:
                row = {"part": part, "labels": labels, "points": float(np.mean(lost))}
                rows.append({**row, "ci95": _mean_interval(np.array(lost), seed)})
    return rows


def main_rows(scores: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows of the first row's metric, in order; rows that name no metric count as one."""
    return [row for row in scores if row.get("metric") == scores[0].get("metric")]


def by_institution(scores: Sequence[Mapping[str, Any]]) -> dict[tuple[str, int], dict[str, float]]:
    """Mean score over seeds by (selector, labels) and institution, both in the order of the scores."""
    gathered: dict[tuple[str, int], dict[str, list[float]]] = {}
    for row in scores:
        cell = gathered.setdefault((row["selector"], row["labels"]), {})
        cell.setdefault(row["institution"], []).append(row["score"])
    return {key: {name: float(np.mean(sorted(seen))) for name, seen in cell.items()} for key, cell in gathered.items()}


def _gain(own: Floats, base: Floats, seed: int) -> tuple[float | None, list[float] | None]:
    if not len(base) or base.mean() == 0:
        return None, None
    drawn = np.random.default_rng(seed).integers(len(base), size=(RESAMPLES, len(base)))
    gain, drawn_base = float(own.mean() / base.mean() - 1), base[drawn].mean(axis=1)
    if not drawn_base.all():
        return gain, None
    low, high = np.percentile(own[drawn].mean(axis=1) / drawn_base - 1, [2.5, 97.5])
    return gain, [float(low), float(high)]


def _mean_interval(values: Floats, seed: int) -> list[float] | None:
    if len(values) < 2:
        return None
    drawn = np.random.default_rng(seed).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.percentile(values[drawn].mean(axis=1), [2.5, 97.5])
    return [float(low), float(high)]


MOST_TOLD = 200
"""Institutions up to which a matrix of all of them is told."""
DECIMALS = 4


def origins(shown: Iterable[tuple[str, int, NDArray[np.intp]]], pool: Pool) -> list[dict[str, Any]]:
    """Share of the demonstrations that each institution was shown at each label count, by whose they are.

    ``shown`` is the institution, the label count and rows (n, shots) of the pool, -1 for none. Shares of one row sum
    to 1, but for rounding; who was shown nothing has none. An institution's own labels count under its own name.
    """
    counts: dict[tuple[int, str], NDArray[np.int64]] = defaultdict(lambda: np.zeros(len(pool.institutions), np.int64))
    for institution, labels, rows in shown:
        counts[labels, institution] += np.bincount(pool.owner[rows[rows >= 0]], minlength=len(pool.institutions))
    return [
        {"institution": institution, "labels": labels, "shares": _shares(found, pool.institutions)}
        for (labels, institution), found in sorted(counts.items())
    ]


def transfer_told(transfer: NDArray[np.float64], institutions: Sequence[str]) -> dict[str, Any]:
    """The transfer matrix (S, S) as JSON: row u asks and column s answers."""
    return {"institutions": list(institutions), "rows": np.round(transfer, DECIMALS).tolist()}


def _shares(found: NDArray[np.int64], institutions: Sequence[str]) -> dict[str, float]:
    shares = np.round(found / max(found.sum(), 1), DECIMALS).tolist()
    return {name: share for name, share, count in zip(institutions, shares, found, strict=True) if count}

"""Summary of an evaluation's scores: means, worst decile, gains with intervals, harm, and shares of what was shown."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metachain.evaluation.bootstrap import Interval, gain_interval, mean_interval
from metachain.evaluation.result_rows import (
    Harm,
    PartWorth,
    Score,
    ShownShares,
    SummaryRow,
    TransferMatrix,
    at_skill,
    read_scores,
)
from metachain.learning.pool import Pool

__all__ = [
    "BASELINE",
    "LARGEST_MATRIX",
    "OURS",
    "by_institution",
    "harm",
    "main_rows",
    "origins",
    "part_worths",
    "rounded_transfer",
    "summarise",
    "worth",
]

OURS = "metachain"
BASELINE = "semantic"
POINT = 0.01
ROUNDING = 1e-9
WORST_SHARE = 0.1
LARGEST_MATRIX = 200
"""Most institutions of a transfer matrix that becomes part of a result."""
DECIMALS = 4
"""Of shares and of the transfer matrix."""

MEASURES = ("recall", "distinct", "shots")
"""Measures of what is shown, in the order of ``SummaryRow``."""

Floats = NDArray[np.float64]
InstitutionMeans = dict[tuple[str, int], dict[str, float]]
ScoreRows = Sequence[Score | Mapping[str, Any]]
"""Scores of a result, or the JSON objects of a stored one."""


def summarise(scores: Sequence[Score], seed: int = 0) -> tuple[SummaryRow, ...]:
    """Summarise each selector at each label count and skill, by the first metric; those of higher skill come last.

    All means are over institutions of their mean over seeds. ``worst_decile`` is the mean of the worst tenth of
    institutions, at least one. ``gain`` is ``mean / mean_of_semantic - 1``; ``ci95`` resamples institutions in pairs
    (percentile bootstrap, 10,000 resamples; Efron & Tibshirani 1993). Gain and interval are None where ``semantic`` is
    absent or scores 0; only the interval is None where some resamples leave ``semantic`` at 0.
    """
    skills = sorted({row.skill for row in scores})
    return tuple(row for skill in skills for row in _summarised(main_rows(scores, skill), skill, seed))


def harm(scores: Sequence[Score], ours: str = OURS, baseline: str = BASELINE) -> tuple[Harm, ...]:
    """Count the runs of ``ours`` more than one point (0.01) worse than ``baseline``, by the first metric.

    A run is an institution with one random support; runs that only one of the two was scored at do not count. One row
    a label count, in ascending order; a label count without runs has no row.
    """
    score = {(row.selector, row.labels, row.institution, row.seed): row.score for row in main_rows(scores)}
    losses: dict[int, list[bool]] = {}
    for (selector, labels, institution, seed), own in score.items():
        base = score.get((baseline, labels, institution, seed))
        if selector == ours and base is not None:
            losses.setdefault(labels, []).append(own < base - POINT - ROUNDING)
    return tuple(
        Harm(labels, share=sum(lost) / len(lost), lost=sum(lost), draws=len(lost))
        for labels, lost in sorted(losses.items())
    )


def part_worths(
    scores: Sequence[Score], without: Mapping[str, str], ours: str = OURS, seed: int = 0
) -> tuple[PartWorth, ...]:
    """Subtract from the mean of ``ours`` that of each selector without one part, by the first metric.

    ``without`` names that selector for each part. One row a part and label count, both numbers in points (0.01), over
    the institutions that both were scored at; the interval resamples these (percentile bootstrap, 10,000 resamples).
    """
    table = by_institution(main_rows(scores))
    counts = sorted(labels for selector, labels in table if selector == ours)
    rows = []
    for part, selector in without.items():
        for labels in counts:
            own, other = table[ours, labels], table.get((selector, labels), {})
            lost = [(own[name] - other[name]) / POINT for name in sorted(own.keys() & other.keys())]
            if lost:
                rows.append(PartWorth(part, labels, float(np.mean(lost)), mean_interval(np.array(lost), seed)))
    return tuple(rows)


def worth(scores: ScoreRows, without: Mapping[str, str], ours: str = OURS, seed: int = 0) -> list[dict[str, Any]]:
    """Return the JSON objects of ``part_worths``: ``{"part", "labels", "points", "ci95"}``.

    ``scores`` may be those of a stored result: ``json.load(file)["scores"]``.
    """
    return [row.to_json() for row in part_worths(read_scores(scores), without, ours, seed)]


def main_rows(scores: ScoreRows, skill: float = 0.0) -> list[Score]:
    """Return the rows of the first row's metric, in order, of the reader itself or of one with a higher skill."""
    rows = read_scores(scores)
    return [row for row in at_skill(rows, skill) if row.metric == rows[0].metric]


def by_institution(scores: ScoreRows, skill: float = 0.0, measure: str = "score") -> InstitutionMeans:
    """Mean over seeds by (selector, labels) and institution, both in the order of the scores.

    ``measure`` is a field of ``Score``; rows where it is unknown are left out.
    """
    gathered: dict[tuple[str, int], dict[str, list[float]]] = {}
    for row in at_skill(read_scores(scores), skill):
        if (value := getattr(row, measure)) is not None:
            gathered.setdefault((row.selector, row.labels), {}).setdefault(row.institution, []).append(value)
    return {key: {name: float(np.mean(sorted(each))) for name, each in cell.items()} for key, cell in gathered.items()}


def origins(shown: Iterable[tuple[str, int, NDArray[np.intp]]], pool: Pool) -> tuple[ShownShares, ...]:
    """Share of the demonstrations shown to each institution at each label count, by the institution that owns them.

    ``shown`` is the institution, the label count and rows (n, shots) of the pool, -1 for none. Shares of one row sum
    to 1, but for rounding; an owner without any is left out. An institution's own labels count under its own name.
    """
    counts: dict[tuple[int, str], NDArray[np.int64]] = defaultdict(lambda: np.zeros(len(pool.institutions), np.int64))
    for institution, labels, rows in shown:
        counts[labels, institution] += np.bincount(pool.owner[rows[rows >= 0]], minlength=len(pool.institutions))
    return tuple(
        ShownShares(institution, labels, _shares(count, pool.institutions))
        for (labels, institution), count in sorted(counts.items())
    )


def rounded_transfer(transfer: Floats, institutions: Sequence[str]) -> TransferMatrix:
    """Round the transfer matrix (S, S) to four decimals and name its institutions."""
    return TransferMatrix(tuple(institutions), tuple(map(tuple, np.round(transfer, DECIMALS).tolist())))


def _summarised(rows: Sequence[Score], skill: float, seed: int) -> Iterator[SummaryRow]:
    table = by_institution(rows, skill)
    measures = [by_institution(rows, skill, measure) for measure in MEASURES]
    for key, own in table.items():
        values = np.array(sorted(own.values()))
        worst = values[: max(1, int(len(values) * WORST_SHARE))]
        gain, interval = _gain(own, table.get((BASELINE, key[1]), {}), seed)
        recall, distinct, shots = (_mean(measured.get(key, {}).values()) for measured in measures)
        means = float(values.mean()), float(worst.mean())
        yield SummaryRow(*key, *means, gain, interval, recall, distinct, shots, skill)


def _mean(values: Iterable[float]) -> float | None:
    known = sorted(values)
    return float(np.mean(known)) if known else None


def _gain(own: Mapping[str, float], base: Mapping[str, float], seed: int) -> tuple[float | None, Interval | None]:
    """Gain over the institutions that both were scored at, and its interval."""
    shared = sorted(own.keys() & base.keys())
    ours, theirs = (np.array([scores[name] for name in shared]) for scores in (own, base))
    if not shared or theirs.mean() == 0:
        return None, None
    return float(ours.mean() / theirs.mean() - 1), gain_interval(ours, theirs, seed)


def _shares(count: NDArray[np.int64], institutions: Sequence[str]) -> dict[str, float]:
    shares = np.round(count / max(count.sum(), 1), DECIMALS).tolist()
    return {name: share for name, share, number in zip(institutions, shares, count, strict=True) if number}

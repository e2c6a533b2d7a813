"""What the scores of an evaluation say: a learning curve for each selector, a difference for each institution."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from metachain.evaluation.ablation import PARTS, ablated_name
from metachain.evaluation.summary import BASELINE, OURS, by_institution, main_rows
from metachain.learning.calibration import BINS

__all__ = [
    "ABLATED",
    "BASELINE",
    "OURS",
    "SELECTORS",
    "Fare",
    "Point",
    "Variants",
    "differences",
    "fares",
    "learning_curves",
    "ordered",
    "tenths",
    "variants",
    "worths",
]

SELECTORS = {
    "zero": "no demonstrations at all",
    "random": "demonstrations drawn at random",
    "bm25": "nearest by shared words",
    "semantic": "nearest by text embedding, over past institutions and the support: LangChain's usual choice",
    "mmr": "nearest by text embedding, but unlike each other",
    "hybrid": "nearest by embedding and shared letters together",
    "support": "nearest within the new institution's own labels only",
    "prior": "what past institutions teach, before any label",
    "scratch": "learned from the labels alone: past institutions count as one pool",
    "metachain": "what past institutions teach, adapted to the labels",
    "listed": "metachain told besides which answers the new institution gives at all",
    "oracle": "knows the answer: the ceiling",
}
"""What each selector shows, in the order in which they are told."""
ABLATED = {ablated_name(part): f"{OURS} without {what}" for part, what in PARTS.items()}
"""The same of those that lack one part of ours."""
RESAMPLES = 2000
ROUNDING = 1e-9

InstitutionScores = dict[tuple[str, int], dict[str, float]]
Variants = dict[str, dict[int, Mapping[str, Any]]]
"""By name of the variant, or of the part left out, and label count: the row that tells of it."""


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a learning curve: the mean over institutions and its 95 % interval, None for one institution."""

    labels: int
    mean: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Fare:
    """How one institution fares with ours and with the baseline, at one label count; means over seeds, in [0, 1]."""

    institution: str
    queries: int
    """Asked with all seeds together."""
    baseline: float
    ours: float

    @property
    def difference(self) -> float:
        """Ours minus the baseline."""
        return self.ours - self.baseline


def ordered(selectors: Iterable[str]) -> list[str]:
    """The selectors, each once: the known ones in the order of the contract, ablated ones, then the others by name."""
    names, known = set(selectors), (*SELECTORS, *ABLATED)
    return [name for name in known if name in names] + sorted(names.difference(known))


def learning_curves(result: Mapping[str, Any]) -> dict[str, tuple[Point, ...]]:
    """Each selector's mean score against the number of labels, with bootstrap intervals over institutions."""
    scores = _institution_scores(result)
    return {
        selector: tuple(
            _point(labels, list(scores[selector, labels].values()))
            for name, labels in sorted(scores)
            if name == selector
        )
        for selector in ordered(name for name, _ in scores)
    }


def differences(result: Mapping[str, Any], ours: str = OURS, baseline: str = BASELINE) -> dict[int, dict[str, float]]:
    """For each label count, each institution's mean score of ``ours`` minus that of ``baseline``.

    An institution that only one of them was scored at is left out, and so is a label count without institutions.
    """
    scores = _institution_scores(result)
    paired = {}
    for selector, labels in sorted(scores):
        ours_here, other = scores[selector, labels], scores.get((baseline, labels), {})
        both = {name: ours_here[name] - other[name] for name in ours_here if name in other}
        if selector == ours and both:
            paired[labels] = both
    return paired


def fares(result: Mapping[str, Any], labels: int) -> tuple[Fare, ...]:
    """Each institution that both were scored at with so many labels, those that lose most first."""
    scores = _institution_scores(result)
    ours, baseline = (scores.get((name, labels), {}) for name in (OURS, BASELINE))
    queries: Counter[str] = Counter()
    for row in main_rows(result["scores"]):
        if (row["selector"], row["labels"]) == (OURS, labels):
            queries[row["institution"]] += row["n"]
    found = [Fare(name, queries[name], baseline[name], ours[name]) for name in ours if name in baseline]
    return tuple(sorted(found, key=lambda one: (one.difference, one.institution)))


def variants(result: Mapping[str, Any]) -> dict[str, Variants]:
    """What else was evaluated, by kind: ``reader``, ``metric`` and ``past institutions``, where there are several.

    The main one is among them: first among readers and metrics, ``all`` after smaller numbers of past institutions.
    A kind without any row of ours is left out.
    """
    settings, main = result["settings"], {"summary": result["summary"]}
    kinds: dict[str, dict[str, Mapping[str, Any]]] = {}
    for kind, key in (("reader", "readers"), ("metric", "metrics")):
        if result.get(key):
            kinds[kind] = {settings[key][0]: main, **result[key]}
    if result.get("past"):
        kinds["past institutions"] = {**{str(part["past"]): part for part in result["past"]}, "all": main}
    told = {
        kind: {
            name: {row["labels"]: row for row in part["summary"] if row["selector"] == OURS}
            for name, part in parts.items()
        }
        for kind, parts in kinds.items()
    }
    return {kind: rows for kind, rows in told.items() if any(rows.values())}


def worths(result: Mapping[str, Any]) -> Variants:
    """What each part of ours is worth, by part and label count; empty where nothing was ablated."""
    found: Variants = {}
    for row in result.get("ablation", ()):
        found.setdefault(row["part"], {})[row["labels"]] = row
    return found


def tenths(result: Mapping[str, Any]) -> dict[tuple[int, int], Mapping[str, Any]]:
    """The bins of the calibration, by the tenth of the unit interval that they are (0 to 9) and label count."""
    return {
        (min(int(one["probability"] * BINS + ROUNDING), BINS - 1), row["labels"]): one
        for row in result.get("calibration", ())
        for one in row["bins"]
    }


def _institution_scores(result: Mapping[str, Any]) -> InstitutionScores:
    """Mean over seeds by (selector, labels) and institution, of the first metric; institutions by name."""
    known = [row for row in main_rows(result["scores"]) if np.isfinite(row["score"])]
    return {key: dict(sorted(cell.items())) for key, cell in by_institution(known).items()}


def _point(labels: int, scores: list[float]) -> Point:
    """Percentile bootstrap of the mean, resampling institutions (Efron & Tibshirani 1993, chapter 13)."""
    values = np.asarray(scores)
    if len(values) < 2:
        return Point(labels, float(values.mean()), None)
    rng = np.random.default_rng(0)
    shares = rng.multinomial(len(values), np.full(len(values), 1 / len(values)), size=RESAMPLES) / len(values)
    low, high = np.quantile(shares @ values, [0.025, 0.975])
    return Point(labels, float(values.mean()), (float(low), float(high)))

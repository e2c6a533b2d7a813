"""Comparison of selectors by an evaluation's scores: learning curves, differences by institution, variants."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from metachain.evaluation.ablation import PARTS, ablated_name
from metachain.evaluation.bootstrap import Interval, curve_interval
from metachain.evaluation.result import Evaluation
from metachain.evaluation.result_rows import CalibrationRow, PartWorth, Score, SummaryRow, at_skill
from metachain.evaluation.summary import BASELINE, OURS, by_institution, main_rows
from metachain.learning.calibration import BINS, Bin

__all__ = ["ABLATED", "BASELINE", "OURS", "SELECTORS", "Fare", "Point", "Variants", "differences", "fares"]
__all__ += ["learning_curves", "ordered", "skill_curves", "tally", "tenths", "variants", "worths"]

SELECTORS = {
    "zero": "no demonstrations at all",
    "random": "demonstrations drawn at random",
    "bm25": "nearest by shared words",
    "semantic": "nearest by text embedding, over past institutions and the support: LangChain's usual choice",
    "mmr": "nearest by text embedding, but different from each other (maximal marginal relevance)",
    "meta_sel": "likeliest agreement by Meta-Sel's regression on similarity and length, learned from past institutions",
    "hybrid": "nearest by text embedding and shared letters together",
    "support": "nearest within the new institution's own labels only",
    "prior": "learned from past institutions, without the new one's labels",
    "scratch": "learned from the labels alone: past institutions count as one pool",
    "metachain": "learned from past institutions and adapted to the labels",
    "verdict": "metachain without alternatives: its likeliest answer alone",
    "listed": "metachain, given also the list of all answers of the new institution",
    "oracle": "uses the true answer: the ceiling",
}
"""Meaning of each selector, in the order of tables and charts."""
ABLATED = {ablated_name(part): f"{OURS} without {what}" for part, what in PARTS.items()}
ROUNDING = 1e-9

Variants = dict[str, dict[int, SummaryRow]]
"""Summary of metachain by name of the variant and label count."""


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a learning curve: the mean over institutions and its 95 % interval, None for one institution."""

    labels: int
    mean: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Fare:
    """Scores of one institution with ours and with the baseline, at one label count; means over seeds, in [0, 1]."""

    institution: str
    queries: int
    """Number of queries, all seeds together."""
    baseline: float
    ours: float

    @property
    def difference(self) -> float:
        """Ours minus the baseline."""
        return self.ours - self.baseline


def ordered(selectors: Iterable[str]) -> list[str]:
    """Sort selectors, each once: known ones in the order of the contract, ablated ones, then the others by name."""
    names, known = set(selectors), (*SELECTORS, *ABLATED)
    return [name for name in known if name in names] + sorted(names.difference(known))


def learning_curves(scores: Sequence[Score]) -> dict[str, tuple[Point, ...]]:
    """Return each selector's mean score by number of labels, with bootstrap intervals over institutions."""
    table = _institution_scores(scores)
    curves: dict[str, list[Point]] = {selector: [] for selector in ordered(name for name, _ in table)}
    for (selector, labels), cell in sorted(table.items()):
        curves[selector].append(_point(labels, cell))
    return {selector: tuple(points) for selector, points in curves.items()}


def skill_curves(scores: Sequence[Score], labels: int) -> dict[str, dict[float, Point]]:
    """Return each selector's mean score at one label count by the reader's skill; empty for a single skill."""
    skills = sorted({row.skill for row in scores})
    tables = {skill: _institution_scores(scores, skill) for skill in skills if len(skills) > 1}
    names = ordered(selector for table in tables.values() for selector, count in table if count == labels)
    return {
        name: {skill: _point(labels, table[name, labels]) for skill, table in tables.items() if (name, labels) in table}
        for name in names
    }


def differences(scores: Sequence[Score], ours: str = OURS, baseline: str = BASELINE) -> dict[int, dict[str, float]]:
    """Return, for each label count, each institution's mean score of ``ours`` minus that of ``baseline``.

    Institutions with scores of only one of them are left out, and so are label counts without institutions.
    """
    table = _institution_scores(scores)
    paired = {}
    for labels in sorted(labels for selector, labels in table if selector == ours):
        own, other = table[ours, labels], table.get((baseline, labels), {})
        paired[labels] = {name: own[name] - other[name] for name in own if name in other}
    return {labels: row for labels, row in paired.items() if row}


def tally(differences: Mapping[str, float]) -> tuple[int, int]:
    """Count the institutions that gain, and those that lose."""
    return sum(value > 0 for value in differences.values()), sum(value < 0 for value in differences.values())


def fares(scores: Sequence[Score], labels: int) -> tuple[Fare, ...]:
    """Return the scores of each institution that both were scored at with so many labels; largest losses first."""
    table = _institution_scores(scores)
    ours, baseline = (table.get((name, labels), {}) for name in (OURS, BASELINE))
    queries: Counter[str] = Counter()
    for row in main_rows(scores):
        if (row.selector, row.labels) == (OURS, labels):
            queries[row.institution] += row.n
    found = [Fare(name, queries[name], baseline[name], ours[name]) for name in ours if name in baseline]
    return tuple(sorted(found, key=lambda one: (one.difference, one.institution)))


def variants(result: Evaluation) -> dict[str, Variants]:
    """Return metachain's summary by reader, skill, metric and number of past institutions, where there are several.

    Kinds are ``reader``, ``skill``, ``metric`` and ``past institutions``. Each includes the main result: first among
    readers, skills and metrics, as ``all`` after smaller numbers of past institutions. A kind without metachain is left
    out.
    """
    main, settings = at_skill(result.summary), result.settings
    kinds: dict[str, dict[str, Sequence[SummaryRow]]] = {}
    if result.readers:
        kinds["reader"] = {settings.readers[0]: main, **{name: one.summary for name, one in result.readers.items()}}
    skills = sorted({row.skill for row in result.summary})
    if len(skills) > 1:
        kinds["skill"] = {f"{skill:g}": at_skill(result.summary, skill) for skill in skills}
    if result.metrics:
        others = {name: at_skill(one.summary) for name, one in result.metrics.items()}
        kinds["metric"] = {settings.metrics[0]: main, **others}
    if result.past:
        kinds["past institutions"] = {**{str(one.past): one.summary for one in result.past}, "all": main}
    found = {
        kind: {name: {row.labels: row for row in rows if row.selector == OURS} for name, rows in named.items()}
        for kind, named in kinds.items()
    }
    return {kind: rows for kind, rows in found.items() if any(rows.values())}


def worths(ablation: Iterable[PartWorth]) -> dict[str, dict[int, PartWorth]]:
    """Index the worth of each part by part and label count; empty where nothing was ablated."""
    found: dict[str, dict[int, PartWorth]] = {}
    for row in ablation:
        found.setdefault(row.part, {})[row.labels] = row
    return found


def tenths(calibration: Iterable[CalibrationRow]) -> dict[tuple[int, int], Bin]:
    """Index the bins of the calibration by tenth of the unit interval (0 to 9) and label count."""
    return {
        (min(int(one.probability * BINS + ROUNDING), BINS - 1), row.labels): one
        for row in calibration
        for one in row.bins
    }


def _point(labels: int, cell: Mapping[str, float]) -> Point:
    values = np.array(list(cell.values()))
    return Point(labels, float(values.mean()), curve_interval(values))


def _institution_scores(scores: Sequence[Score], skill: float = 0.0) -> dict[tuple[str, int], dict[str, float]]:
    """Mean over seeds by (selector, labels) and institution, of the first metric; institutions by name."""
    known = [row for row in main_rows(scores, skill) if np.isfinite(row.score)]
    return {key: dict(sorted(cell.items())) for key, cell in by_institution(known, skill).items()}

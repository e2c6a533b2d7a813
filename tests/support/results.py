"""Made-up results of an evaluation, and the JSON of functions that summarise one."""

from collections.abc import Mapping, Sequence
from typing import Any

from metachain.evaluation import summary
from metachain.evaluation.result import Evaluation
from metachain.evaluation.result_rows import read_scores

__all__ = ["graded", "harm", "part", "result", "scores", "stored", "summarise"]

Rows = Sequence[Mapping[str, Any]]


def summarise(rows: Rows) -> list[dict[str, Any]]:
    """The summary of some scores, as JSON."""
    return [row.to_json() for row in summary.summarise(read_scores(rows))]


def harm(rows: Rows, **selectors: str) -> list[dict[str, Any]]:
    """The harm that some scores show, as JSON."""
    return [row.to_json() for row in summary.harm(read_scores(rows), **selectors)]


def scores(ours: dict[str, float], labels: int = 8, metric: str = "exact_match") -> list[dict[str, Any]]:
    """Make scores: ``semantic`` 0.5 everywhere, ``metachain`` as in ``ours``; two seeds of 10 queries each."""
    return [
        {"selector": selector, "labels": labels, "institution": name, "seed": seed, "metric": metric, "n": 10}
        | {"score": score if selector == "metachain" else 0.5}
        for selector in ("semantic", "metachain")
        for name, score in ours.items()
        for seed in range(2)
    ]


def graded(rows: Rows, skills: Sequence[float] = (0.5, 1.0), recall: float = 0.9) -> list[dict[str, Any]]:
    """Scores, and those of higher skill: on the way to ``recall``, which all selectors show, with 2 answers of 6."""
    measures = {"recall": recall, "distinct": 2.0, "shots": 6.0}
    return [
        {**row, **measures, "score": (1 - skill) * row["score"] + skill * max(row["score"], recall)}
        | ({"skill": skill} if skill else {})
        for skill in (0.0, *skills)
        for row in rows
    ]


def stored(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Some parts of a stored result, and empty ones in place of the rest that each has."""
    head = {"dataset": "made up", "protocol": "institution", "model": "offline", "shots": 8, "seeds": [0, 1]}
    return {**head, "settings": {}, "scores": [], "summary": [], "cost": {}, **parts}


def result(rows: Rows, **parts: Any) -> Evaluation:
    """A result of some scores."""
    settings = {"readers": ["vote"], "metrics": ["exact_match"], "past": ["all"]} | parts.pop("settings", {})
    found = {"scores": rows, "summary": summarise(rows), "harm": harm(rows), "settings": settings, **parts}
    return Evaluation.from_json(stored(found))


def part(ours: dict[str, float]) -> dict[str, Any]:
    """Make the part of a further reader."""
    return {"summary": summarise(scores(ours)), "scores": scores(ours)}

"""Made-up results of an evaluation."""

from typing import Any

from metachain.evaluation.summary import harm, summarise

__all__ = ["part", "result", "scores"]


def scores(ours: dict[str, float], labels: int = 8, metric: str = "exact_match") -> list[dict[str, Any]]:
    """Make scores: ``semantic`` 0.5 everywhere, ``metachain`` as in ``ours``; two seeds of 10 queries each."""
    return [
        {"selector": selector, "labels": labels, "institution": name, "seed": seed, "metric": metric, "n": 10}
        | {"score": score if selector == "metachain" else 0.5}
        for selector in ("semantic", "metachain")
        for name, score in ours.items()
        for seed in range(2)
    ]


def result(rows: list[dict[str, Any]], **parts: Any) -> dict[str, Any]:
    """Make a result with the printed parts."""
    settings = {"readers": ["vote"], "metrics": ["exact_match"], "past": ["all"]} | parts.pop("settings", {})
    return {"scores": rows, "summary": summarise(rows), "harm": harm(rows), "settings": settings, **parts}


def part(ours: dict[str, float]) -> dict[str, Any]:
    """Make the part of a further reader."""
    return {"summary": summarise(scores(ours)), "scores": scores(ours)}

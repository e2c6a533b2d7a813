"""The report page: self-contained, complete, safe, and the same each time."""

import re
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metachain.comparison import SELECTORS
from metachain.errors import DataError, StorageError
from metachain.report import render_report, write_report
from metachain.wording import percent, score

LABELS = (0, 4, 8, 16, 32)
LEVELS = dict(
    zip(SELECTORS, (0.08, 0.11, 0.36, 0.40, 0.38, 0.42, 0.14, 0.44, 0.43, 0.46, 0.93), strict=True)
)
SLOPES = dict(zip(SELECTORS, (0, 0.005, 0.01, 0.012, 0.01, 0.012, 0.08, 0.0, 0.03, 0.038, 0.002), strict=True))


def evaluation(
    institutions: int = 29, selectors: tuple[str, ...] = tuple(SELECTORS), **parts: Any
) -> dict[str, Any]:
    """A result as ``metachain evaluate`` makes it, with scores that look real."""
    rng = np.random.default_rng(7)
    names = [f"Hospital {index:02d} of Somewhere" for index in range(institutions)]
    ease = rng.normal(0, 0.09, institutions)
    scores = [
        {
            **{"selector": name, "labels": labels, "institution": institution, "seed": seed},
            **{"metric": "accuracy", "n": 100},
            "score": float(
                np.clip(
                    LEVELS[name] + SLOPES[name] * rank + ease[place] + rng.normal(0, 0.04), 0.0, 1.0
                )
            ),
        }
        for name in selectors
        for rank, labels in enumerate(LABELS)
        for place, institution in enumerate(names)
        for seed in range(3)
    ]
    return {
        **{"dataset": "chargemaster.jsonl", "protocol": "group", "model": "offline", "shots": 8},
        **{"seeds": [0, 1, 2], "scores": scores, "summary": summary(scores, selectors)},
        "settings": {"queries": 100, "command": "metachain evaluate chargemaster.jsonl --protocol group"},
        "cost": {"seconds": 412.6, "model_calls": 478500, "tokens": 0},
        **parts,
    }


def summary(scores: list[dict[str, Any]], selectors: tuple[str, ...]) -> list[dict[str, Any]]:
    """The contract's summary, computed the slow and obvious way."""
    rng = np.random.default_rng(0)
    return [_summary_row(scores, name, labels, rng) for name in selectors for labels in LABELS]


def _summary_row(
    scores: list[dict[str, Any]], selector: str, labels: int, rng: np.random.Generator
) -> dict[str, Any]:
    ours, baseline = (_by_institution(scores, name, labels) for name in (selector, "semantic"))
    gain, interval = None, None
    if len(baseline) and selector != "semantic":
        gain = float(ours.mean() / baseline.mean() - 1)
        picks = rng.integers(0, len(ours), (500, len(ours)))
        gains = ours[picks].mean(1) / baseline[picks].mean(1) - 1
        interval = [float(edge) for edge in np.quantile(gains, [0.025, 0.975])] if len(ours) > 1 else None
    worst = np.sort(ours)[: max(1, len(ours) // 10)].mean()
    head = {"selector": selector, "labels": labels, "mean": float(ours.mean()), "worst_decile": float(worst)}
    return {**head, "gain": gain, "ci95": interval}


def _by_institution(scores: list[dict[str, Any]], selector: str, labels: int) -> np.ndarray:
    found: dict[str, list[float]] = {}
    for row in scores:
        if (row["selector"], row["labels"]) == (selector, labels):
            found.setdefault(row["institution"], []).append(row["score"])
    return np.array([np.mean(values) for values in found.values()])

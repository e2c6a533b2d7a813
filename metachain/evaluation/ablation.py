"""Ablation: selectors that lack one part of the method."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType

import numpy as np

from metachain.evaluation.selectors import SELECTORS, PastKnowledge, Shown, Trial
from metachain.learning.gaussian_process import Settings
from metachain.learning.guard import COMMON

__all__ = ["ABLATIONS", "PARTS", "ablated", "ablated_name"]

PARTS: Mapping[str, str] = MappingProxyType(
    {
        "kernel": "learning about other texts from the labels' residuals (c = 0)",
        "evidence": "weighting institutions by their answers to the labels (b = 0)",
        "dedup": "counting institutions that answer alike once",
        "screening": "screening out institutions that agree with no other",
        "text": "character n-grams in the similarity",
        "usage": "the frequency of answers among the labels",
        "vote": "the nearest neighbours' vote",
        "lift": "the regression over all past demonstrations together",
        "guard": "settings learned for each library",
    }
)
"""Description of each part of ``ABLATIONS``; it completes a sentence after "without"."""
UNGUARDED = Settings(belief=1.0, scale=1.0, slip=0.05, **COMMON)
"""Settings tuned on the development hospitals; every library uses them where the guard is ablated."""


def _without(known: PastKnowledge, **values: float) -> PastKnowledge:
    settings = known.lesson.settings
    if settings is None:
        return known
    return replace(known, lesson=replace(known.lesson, settings=replace(settings, **values)))


ABLATIONS: Mapping[str, Callable[[PastKnowledge], PastKnowledge]] = MappingProxyType(
    {
        "kernel": partial(_without, scale=0.0),
        "evidence": partial(_without, belief=0.0),
        "dedup": lambda known: replace(known, redundancy=np.zeros_like(known.redundancy)),
        "screening": lambda known: replace(known, screening=np.zeros_like(known.screening)),
        "text": lambda known: replace(known, table=known.table.dense_only),
        "usage": partial(_without, usage=0.0),
        "vote": partial(_without, vote=0.0),
        "lift": partial(_without, lift=0.0),
        "guard": lambda known: replace(known, lesson=replace(known.lesson, settings=UNGUARDED, trusts_consensus=True)),
    }
)
"""For each part, a function that removes it from the knowledge; everything else stays as it was learned."""


def ablated_name(part: str) -> str:
    """Name of the selector without a part: ``metachain-PART``."""
    return f"metachain-{part}"


def ablated(part: str) -> Callable[[Trial], Shown]:
    """Selector ``metachain`` without one part of ``ABLATIONS``. Raises KeyError for an unknown part."""
    without = ABLATIONS[part]

    def select(trial: Trial) -> Shown:
        queries = replace(trial.queries, knowledge=without(trial.knowledge))
        return SELECTORS["metachain"](replace(trial, queries=queries))

    return select

"""Selectors that lack one part of the method, to see what the part is worth."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType

import numpy as np

from metachain.evaluation.selectors import SELECTORS, Episode, Ground, Shown
from metachain.learning.gaussian_process import Settings

__all__ = ["ABLATIONS", "PARTS", "ablated", "ablated_name"]

PARTS: Mapping[str, str] = MappingProxyType(
    {
        "kernel": "what the labels' residuals teach about other texts (c = 0)",
        "evidence": "heeding who answers the labels right (b = 0)",
        "dedup": "counting institutions that say the same once",
        "screening": "holding back institutions that agree with nobody",
        "text": "character n-grams in the similarity",
        "usage": "how often the labels use an answer",
        "vote": "the nearest neighbours' vote",
        "guard": "settings learned for each library",
    }
)
"""Each part of ``ABLATIONS``, in words that go on after "without"."""
UNGUARDED = Settings(belief=1.0, scale=1.0, slip=0.05)
"""What fitted the development hospitals, taken for every library where the guard is ablated."""


def _without(ground: Ground, **values: float) -> Ground:
    settings = ground.lesson.settings
    if settings is None:
        return ground
    return replace(ground, lesson=replace(ground.lesson, settings=replace(settings, **values)))


def _dedup(ground: Ground) -> Ground:
    return replace(ground, redundancy=np.zeros_like(ground.redundancy))


def _screening(ground: Ground) -> Ground:
    return replace(ground, screening=np.zeros_like(ground.screening))


def _text(ground: Ground) -> Ground:
    return replace(ground, study=ground.study.dense_only)


def _guard(ground: Ground) -> Ground:
    return replace(ground, lesson=replace(ground.lesson, settings=UNGUARDED, trusts_consensus=True))


ABLATIONS: Mapping[str, Callable[[Ground], Ground]] = MappingProxyType(
    {
        "kernel": partial(_without, scale=0.0),
        "evidence": partial(_without, belief=0.0),
        "dedup": _dedup,
        "screening": _screening,
        "text": _text,
        "usage": partial(_without, usage=0.0),
        "vote": partial(_without, vote=0.0),
        "guard": _guard,
    }
)
"""Part by part, the same ground without what ``PARTS`` says; all else stays as learned with it."""


def ablated_name(part: str) -> str:
    """Name of the selector that lacks a part: ``metachain-PART``."""
    return f"metachain-{part}"


def ablated(part: str) -> Callable[[Episode], Shown]:
    """``metachain`` without one of ``ABLATIONS``. Raises KeyError for an unknown part."""
    without = ABLATIONS[part]
    return lambda episode: SELECTORS["metachain"](replace(episode, ground=without(episode.ground)))

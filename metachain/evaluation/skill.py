"""Skill of a reader: the share of queries at which it recognises the right answer among those shown."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from metachain.errors import DataError

__all__ = ["check_skills", "skilled_score"]

Floats = NDArray[np.float64]


def check_skills(skills: Sequence[float]) -> None:
    """Raise DataError where there are none, or where one is outside [0, 1]."""
    if not skills:
        raise DataError("--skill names none; such as 0,0.5,1")
    for skill in skills:
        if not (math.isfinite(skill) and 0 <= skill <= 1):
            raise DataError(f"--skill takes numbers from 0 (the reader as it is) to 1, got {skill}")


def skilled_score(own: Floats, best: Floats, skill: float) -> float:
    """Expected mean score of a reader of skill s: ``(1 − s) · mean(own) + s · mean(max(own, best))``.

    Model of the reader: for each query, independently, it picks the best answer available with probability s, and else
    answers as before. Available are the outputs shown and its own answer, so skill never costs anything. The score is
    the exact expectation, linear in s, so nothing is sampled. ``own`` (n,) are the reader's scores, ``best`` (n,) those
    of the best output shown, 0 where nothing is shown.
    """
    return float((1 - skill) * own.mean() + skill * np.maximum(own, best).mean())

"""Probabilities given to the answers that are shown, and whether these answers are right."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metachain.calibration import expected_calibration_error, reliability
from metachain.selection import repeated

__all__ = ["Forecast", "calibration", "forecast"]


@dataclass(frozen=True, slots=True)
class Forecast:
    """Of the answers shown for some queries, with so many labels."""

    labels: int
    probability: NDArray[np.float64]
    """(m,) that an answer is right, in [0, 1]."""
    right: NDArray[np.bool_]
    """(m,) whether it is."""


def forecast(
    labels: int, answers: NDArray[np.integer], probability: NDArray[np.float64], truth: NDArray[np.integer]
) -> Forecast:
    """Take each answer once a query, however often it is shown for it.

    ``answers`` (n, shots) answer number of what is shown, -1 where nothing is; ``probability`` (n, shots) of these;
    ``truth`` (n,) the right answers.
    """
    once = (answers >= 0) & ~repeated(answers)
    return Forecast(labels, probability[once], (answers == truth[:, None])[once])


def calibration(forecasts: Sequence[Forecast]) -> list[dict[str, Any]]:
    """Whether probabilities are right; one row a label count with any, fewest first.

    ``{"labels", "ece", "n", "bins"}``: expected calibration error of n probabilities, and the bins of the reliability
    diagram, ``{"probability", "right", "n"}`` each, all as ``metachain.calibration`` has them.
    """
    rows = []
    for labels in sorted({one.labels for one in forecasts}):
        same = [one for one in forecasts if one.labels == labels]
        bins = reliability(
            np.concatenate([one.probability for one in same]), np.concatenate([one.right for one in same])
        )
        row = {"labels": labels, "ece": expected_calibration_error(bins), "n": sum(one.n for one in bins)}
        rows.append({**row, "bins": [asdict(one) for one in bins]})
    return [row for row in rows if row["n"]]

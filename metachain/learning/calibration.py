"""Calibration of probabilities: learned, applied and measured."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from metachain.learning.ranking import repeated

__all__ = ["BINS", "UNCALIBRATED", "Bin", "Calibration", "Forecast", "calibration", "expected_calibration_error"]
__all__ += ["calibrated", "forecast", "reliability"]

BINS = 10
FEWEST = 50
"""Minimum number of probabilities to learn a calibration from; with fewer, probabilities stay as they are."""
EDGE = 1e-4
"""Distance from 0 and 1 to which probabilities are clipped before the logit."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bin:
    """The n probabilities in one tenth of the unit interval: their mean, and the share of answers that were right."""

    probability: float
    right: float
    n: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """``σ(a + g logit p)`` in place of p, g ≥ 0 (Platt 1999, "Probabilistic Outputs for Support Vector Machines")."""

    intercept: float = 0.0
    slope: float = 1.0

    @classmethod
    def learn(cls, probability: Floats, right: NDArray[np.bool_]) -> Self:
        """Fit intercept a and slope g to n probabilities; ``right`` (n,) marks those that came true.

        Probabilities stay unchanged where n < 50, where all or none came true, and where g would be negative: a higher
        probability must not be calibrated to a lower one.
        """
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - takes half a second

        if len(right) < FEWEST or right.all() or not right.any():
            return cls()
        found = LogisticRegression(C=1e6).fit(_log_odds(probability)[:, None], right)
        slope = float(found.coef_[0, 0])
        return cls(float(found.intercept_[0]), slope) if slope >= 0 else cls()

    def of(self, probability: Floats) -> Floats:
        """Calibrate probabilities of any shape; 0 stays 0."""
        if self == UNCALIBRATED:
            return probability
        return np.where(probability > 0, expit(self.intercept + self.slope * _log_odds(probability)), 0.0)


UNCALIBRATED = Calibration()


@dataclass(frozen=True, slots=True)
class Forecast:
    """Probabilities of the answers shown for some queries, with a given number of labels."""

    labels: int
    probability: NDArray[np.float64]
    """(m,) probability that each answer is right, in [0, 1]."""
    right: NDArray[np.bool_]
    """(m,) marks answers that are right."""


def reliability(probability: Floats, right: NDArray[np.bool_]) -> tuple[Bin, ...]:
    """Reliability diagram (DeGroot & Fienberg 1983): ten bins of n probabilities in [0, 1], without empty bins."""
    place = np.minimum((probability * BINS).astype(int), BINS - 1)
    inside = [place == number for number in range(BINS)]
    return tuple(Bin(float(probability[b].mean()), float(right[b].mean()), int(b.sum())) for b in inside if b.any())


def expected_calibration_error(bins: tuple[Bin, ...]) -> float:
    """``Σ_b n_b |right_b - probability_b| / n``, in [0, 1] (Naeini, Cooper & Hauskrecht 2015); 0 without bins."""
    total = sum(one.n for one in bins)
    return sum(one.n * abs(one.right - one.probability) for one in bins) / total if total else 0.0


def forecast(
    labels: int, answers: NDArray[np.integer], probability: NDArray[np.float64], truth: NDArray[np.integer]
) -> Forecast:
    """Make a forecast in which each answer counts once for a query, even if several demonstrations carry it.

    ``answers`` (n, shots) answer numbers of the demonstrations shown, -1 for none; ``probability`` (n, shots) their
    probabilities; ``truth`` (n,) numbers of the right answers.
    """
    once = (answers >= 0) & ~repeated(answers)
    return Forecast(labels, probability[once], (answers == truth[:, None])[once])


def calibration(forecasts: Sequence[Forecast]) -> list[dict[str, Any]]:
    """Calibration error and reliability diagram for each number of labels, fewest first; without empty ones.

    Rows are ``{"labels", "ece", "n", "bins"}``: ``expected_calibration_error`` of n probabilities, and the bins of
    ``reliability``, ``{"probability", "right", "n"}`` each.
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


def calibrated(forecasts: Sequence[Forecast]) -> Calibration:
    """Calibration that is learned from forecasts; without any, probabilities stay as they are."""
    if not forecasts:
        return UNCALIBRATED
    probability, right = ([getattr(one, name) for one in forecasts] for name in ("probability", "right"))
    return Calibration.learn(np.concatenate(probability), np.concatenate(right))


def _log_odds(probability: Floats) -> Floats:
    return np.asarray(logit(np.clip(probability, EDGE, 1 - EDGE)))

"""The regression, solved for some past institutions."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from metachain.learning.index import SIMILARITY_DECIMALS
from metachain.learning.ridge.kin import kin_of

__all__ = ["FREQUENCY_FLOOR", "KINSHIP", "SHARE_FLOOR", "TEMPERING", "PooledRidge"]

SHARE_FLOOR = 0.02
FREQUENCY_FLOOR = 0.001
TEMPERING = 0.4
"""τ in [0, 1]: exponent of an answer's frequency; 0 keeps the frequent answers' advantage, 1 takes it away."""
KINSHIP = 0.8
"""Exponent of the lift of an answer's kin, beside its own."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PooledRidge:
    """Ridge regression of K answers on the text, learned from past institutions' demonstrations."""

    weights: NDArray[np.float32]
    """(d, K) weight of each component of a text's hybrid vector for each answer."""
    answers: NDArray[np.int64]
    """(K,) ascending answer numbers."""
    frequency: Floats
    """(K,) share of each answer among the demonstrations; the shares of more than K answers sum to less than 1."""

    def renumbered(self, answers: NDArray[np.int64]) -> Self:
        """Return the regression for a part of the pool, whose answer i was ``answers[i]`` (ascending) in the pool."""
        kept = np.isin(self.answers, answers)
        numbers = np.searchsorted(answers, self.answers[kept])
        return type(self)(self.weights[:, kept], numbers, self.frequency[kept])

    def lift(self, vectors: NDArray[np.float32], answers: tuple[str, ...]) -> Floats:
        """Lift of each answer by each text's words; (n, C), positive.

        ``l(x, y) = q(x, {y}) q(x, kin of y)^0.8``, ``q(x, Y) = (Σ_Y max(r(x, y), 0) + 0.02) / (Σ_Y f_y + 0.001)^0.4``.
        r is the regression's prediction for n hybrid ``vectors`` (n, d), f_y the frequency of y among the past
        demonstrations, 0 for answers that they don't give. ``answers`` (C,) are the pool's, and further ones of an
        institution's own after them. The frequency is divided out in part, because an institution with few labels may
        use other answers: logit adjustment (Menon et al. 2021, "Long-tail learning via logit adjustment", eq. 9) with τ
        = 0.4. Where answers are codes, the kin of y (``kin_of``) count too, because institutions differ most in the
        last character; else the second factor is 1.
        """
        share, frequency = np.zeros((len(vectors), len(answers))), np.zeros(len(answers))
        share[:, self.answers] = np.round(np.maximum(vectors @ self.weights, 0), SIMILARITY_DECIMALS)
        frequency[self.answers] = self.frequency
        kin = kin_of(answers)
        own = _quotient(share, frequency)
        return own if kin is None else own * _quotient(share @ kin, kin @ frequency) ** KINSHIP


def _quotient(share: Floats, frequency: Floats) -> Floats:
    return np.asarray((share + SHARE_FLOOR) / (frequency + FREQUENCY_FLOOR) ** TEMPERING)

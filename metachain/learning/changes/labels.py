"""Labels in the order of time, as the detector of changes reads them."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["LabelsInTime"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


class LabelsInTime(Protocol):
    """k labels of one institution, the oldest first, over U answers."""

    @property
    def answers(self) -> Numbers:
        """(U,) answer numbers, ascending."""

    @property
    def place(self) -> Numbers:
        """(k,) place of each label's answer in ``answers``."""

    @property
    def age(self) -> Numbers:
        """(k,) ascending; equal for labels that came in together."""

    @property
    def kernel(self) -> NDArray[np.floating]:
        """(k, k) likeness of the labels' texts; greater for texts more alike."""

    def predictions(self, rows: NDArray[np.intp]) -> Floats:
        """Probability (n, U) of every answer to the text of each label of ``rows`` (n,), from the earlier ones."""

"""What all held-out institutions share: words, twins, transfer, and what is learned from some of the institutions."""

from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from metachain.baselines import bm25_weights, word_counts
from metachain.episode import Ground
from metachain.prior import learn_lesson, transfer_matrix
from metachain.selection import twins
from metachain.similarity import normalise_text
from metachain.study import Study
from metachain.transfer import redundancy, screening

__all__ = ["Bench"]

Rows = NDArray[np.intp]


class Bench:
    """Grounds for institutions that play the new one. Transfer is pairwise: measured once, read for every past."""

    def __init__(self, study: Study, words: csr_array, twin: NDArray[np.int64], transfer: NDArray[np.float64]) -> None:
        self.study = study
        """All institutions."""
        self._words, self._twin, self.transfer = words, twin, transfer
        """(S, S) from ``prior.transfer_matrix``."""
        self._kept: dict[tuple[int, ...], Ground] = {}

    @classmethod
    def of(cls, study: Study) -> Self:
        """Measure what is shared; every row of the pool must have been looked up in ``study``."""
        texts = [normalise_text(one.input) for one in study.pool.demonstrations]
        return cls(study, word_counts(texts), twins(study.pool.demonstrations), transfer_matrix(study))

    def ground(self, past: Rows) -> Ground:
        """What the institutions ``past`` (S,) teach, without queries; learned once for each set of institutions."""
        key = tuple(past.tolist())
        if key not in self._kept:
            self._kept[key] = self.learn(past)
        return self._kept[key]

    def learn(self, past: Rows) -> Ground:
        """The same, learned anew and not kept."""
        rows = np.flatnonzero(np.isin(self.study.pool.owner, past))
        return Ground(
            self.study,
            past,
            np.zeros(0, np.intp),
            redundancy(self.transfer, past),
            screening(self.transfer, past),
            learn_lesson(self.study, self.transfer, past),
            bm25_weights(self._words, rows),
            self._words,
            self._twin,
        )

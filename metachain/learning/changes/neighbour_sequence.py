"""Demonstrations of a past institution in the order of time, each predicted from the nearest of those before it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from metachain.learning.index import similarities
from metachain.learning.reply_profile import REPLY_TEMPERATURE, VOTERS

__all__ = ["NeighbourSequence", "neighbour_sequence"]

MISTAKEN = 0.05
"""Share of answers that the nearest texts don't tell, however near they are."""
REACH = 0.25
"""Distance at which a nearest text tells e times less."""
PSEUDO_COUNT = 0.5

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class NeighbourSequence:
    """k demonstrations, the oldest first, over the U answers that they give (``LabelsInTime``)."""

    answers: Numbers
    place: Numbers
    age: Numbers
    kernel: NDArray[np.float32]
    """(k, k) hybrid similarity."""

    def predictions(self, rows: NDArray[np.intp]) -> Floats:
        """Reply ``g`` of the 8 nearest earlier ones, mixed with the frequencies of their answers; (n, U), O(n²).

        ``p = c g + (1 - c) f``, where ``c = 0.95 exp((cov - 1) / 0.25)``, and f counts 0.5 more of each answer. Rows
        sum to 1. ``rows`` ascend.
        """
        age, place, n = self.age[rows], self.place[rows], len(rows)
        similarity = np.where(age < age[:, None], self.kernel[np.ix_(rows, rows)], -np.inf)
        near = np.argpartition(-similarity, min(VOTERS, n) - 1, axis=1)[:, :VOTERS]
        similarity = np.take_along_axis(similarity, near, axis=1)
        coverage = similarity.max(axis=1)
        has_earlier = np.isfinite(coverage)
        weights = np.zeros(similarity.shape)
        weights[has_earlier] = softmax(similarity[has_earlier].astype(float) / REPLY_TEMPERATURE, axis=1)
        reply = np.zeros((n, len(self.answers)))
        np.add.at(reply, (np.arange(n)[:, None], place[near]), weights)
        told = (1 - MISTAKEN) * np.exp((coverage - 1) / REACH)[:, None]
        return np.asarray(told * reply + (1 - told) * self._frequencies(age, place))

    def _frequencies(self, age: Numbers, place: Numbers) -> Floats:
        given = np.zeros((len(age) + 1, len(self.answers)))
        given[np.arange(len(age)) + 1, place] = 1
        counts = given.cumsum(axis=0)[np.searchsorted(age, age)] + PSEUDO_COUNT
        return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def neighbour_sequence(vectors: NDArray[np.float32], answer: Numbers, age: Numbers) -> NeighbourSequence:
    """Sequence of k demonstrations from hybrid ``vectors`` (k, d) and answer numbers (k,); ``age`` (k,) ascends."""
    answers, place = np.unique(answer, return_inverse=True)
    return NeighbourSequence(answers, place, age, similarities(vectors, vectors))

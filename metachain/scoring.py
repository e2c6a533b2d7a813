"""How well what is shown is answered: each reader's mean score by each metric."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from metachain.pool import Pool
from metachain.readers import READERS, Prompt

__all__ = ["EXACT_MATCH", "LabelScorer", "Scorer"]

EXACT_MATCH = "exact_match"

Rows = NDArray[np.intp]


class Scorer(Protocol):
    """Scores what a selector shows."""

    @property
    def metrics(self) -> Sequence[str]:
        """Names of the metrics, the main one first."""

    def __call__(self, query: Rows, shown: Rows) -> dict[str, dict[str, float]]:
        """Mean score in [0, 1] of each reader by each metric, both in order.

        ``query`` (n,) rows of the pool, n at least 1; ``shown`` (n, m) rows, best first, -1 where nothing is shown.
        """


@dataclass(frozen=True)
class LabelScorer:
    """Scores answers that are labels: right or wrong."""

    pool: Pool
    readers: Sequence[str]
    metrics: Sequence[str] = (EXACT_MATCH,)

    def __call__(self, query: Rows, shown: Rows) -> dict[str, dict[str, float]]:
        """Share of the queries that each reader answers right."""
        prompt, truth = Prompt.of(self.pool, query, shown), self.pool.answer[query]
        return {name: {EXACT_MATCH: float((READERS[name](prompt) == truth).mean())} for name in self.readers}

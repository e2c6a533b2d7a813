"""Measures of the demonstrations that a selector shows, whoever reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from metachain.evaluation.scorers import Scorer
from metachain.learning.pool import Pool

__all__ = ["ShownMeasures"]

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True)
class ShownMeasures:
    """Measures of the demonstrations shown for n queries."""

    best: Mapping[str, Floats]
    """(n,) score of the best output shown for each query, by metric; 0 where nothing is shown."""
    distinct: float
    """Mean number of distinct outputs."""
    shots: float
    """Mean number of demonstrations."""

    @classmethod
    def of(cls, pool: Pool, scorer: Scorer, query: Rows, shown: Rows) -> Self:
        """Measure ``shown`` (n, m), rows of the pool, -1 where nothing is shown, for queries (n,), n at least 1."""
        outputs = [set(pool.answer[rows[rows >= 0]].tolist()) for rows in shown]
        distinct = float(np.mean([len(one) for one in outputs]))
        return cls(scorer.best(query, shown), distinct, float((shown >= 0).sum(axis=1).mean()))

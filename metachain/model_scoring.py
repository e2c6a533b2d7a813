"""Scores of a model that is asked in place of the offline readers: every prompt once, all before the first score."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from metachain.metrics import METRICS
from metachain.pool import Pool
from metachain.readers import Prompt

__all__ = ["Answerer", "ModelScorer", "ShownPrompt", "prompts_of"]

Rows = NDArray[np.intp]
ShownPrompt = tuple[tuple[tuple[str, str], ...], str]
"""Demonstrations as (input, output) in prompt order, the best last, and the query."""


class Answerer(Protocol):
    """A model that answers prompts, and knows what that took."""

    @property
    def name(self) -> str:
        """What was asked for with ``--model``."""

    @property
    def calls(self) -> int:
        """How many calls were sent so far, by this object."""

    @property
    def tokens(self) -> int:
        """How many tokens they read and wrote."""

    def __call__(self, prompts: Sequence[ShownPrompt]) -> Sequence[str]:
        """Answer each prompt; all are given at once, each once."""


def prompts_of(pool: Pool, query: Rows, shown: Rows) -> list[ShownPrompt]:
    """Texts of the prompts for n queries (n,) with what is shown for them (n, m), best first, -1 for nothing."""
    known, rows = pool.demonstrations, Prompt.of(pool, query, shown).rows
    return [
        (tuple((known[row].input, known[row].output) for row in places if row >= 0), known[asked].input)
        for asked, places in zip(query.tolist(), rows.tolist(), strict=True)
    ]


class ModelScorer:
    """Scores what a model answered to prompts that it was asked beforehand."""

    def __init__(self, pool: Pool, metrics: tuple[str, ...], told: Mapping[ShownPrompt, str]) -> None:
        self._pool, self._metrics, self._told = pool, metrics, told

    @classmethod
    def asking(
        cls, pool: Pool, metrics: tuple[str, ...], choices: Iterable[tuple[Rows, Rows]], answerer: Answerer
    ) -> "ModelScorer":
        """Ask for the answers to all (query, shown), the same prompt once, however many selectors show it."""
        prompts = list(dict.fromkeys(one for choice in choices for one in prompts_of(pool, *choice)))
        return cls(pool, metrics, dict(zip(prompts, answerer(prompts), strict=True)))

    def __call__(self, query: Rows, shown: Rows, readers: Sequence[str]) -> dict[str, dict[str, float]]:
        """Mean over the queries of each metric; the model takes the place of the only reader."""
        truth = [self._pool.demonstrations[row].output for row in query]
        told = [self._told[prompt] for prompt in prompts_of(self._pool, query, shown)]
        (reader,) = readers
        return {
            reader: {
                name: float(np.mean([METRICS[name](*pair) for pair in zip(told, truth, strict=True)]))
                for name in self._metrics
            }
        }

"""Offline readers by name: each answers queries from the demonstrations shown, so that results can be compared."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from metachain.embedding.similarity import LEXICAL_DIMENSIONS
from metachain.learning.pool import Pool
from metachain.scoring.reader import last_best
from metachain.scoring.reader import vote as weighted_vote

__all__ = ["READERS", "Prompt"]

TIE = 1e-6
"""Similarities (float32) that differ by less count as equal."""

Floats = NDArray[np.floating]
Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Prompt:
    """Prompts of n queries with m demonstrations each, in prompt order: the best last."""

    pool: Pool
    query: Rows
    """(n,) rows of the pool."""
    rows: Rows
    """(n, m) rows of the pool, -1 where nothing is shown."""

    @classmethod
    def of(cls, pool: Pool, query: Rows, shown: Rows) -> "Prompt":
        """Make prompts of the rows that a selector shows, best first (n, m)."""
        return cls(pool, query, shown[:, ::-1])

    @cached_property
    def answers(self) -> Rows:
        """(n, m) answer numbers, -1 where nothing is shown."""
        return np.where(self.rows < 0, -1, self.pool.answer[self.rows])

    @cached_property
    def lexical(self) -> Floats:
        """(n, m) lexical similarity to the query, in [-1, 1]; meaningless where nothing is shown."""
        return self._cosine(slice(-LEXICAL_DIMENSIONS, None))

    @cached_property
    def dense(self) -> Floats:
        """(n, m) cosine of the dense embeddings to the query's, in [-1, 1]; meaningless where nothing is shown."""
        return self._cosine(slice(None, -LEXICAL_DIMENSIONS))

    def _cosine(self, part: slice) -> Floats:
        vectors = self.pool.vectors[:, part]
        cosine: Floats = 2 * np.einsum("nd,nmd->nm", vectors[self.query], vectors[self.rows])
        return cosine


def vote(prompt: Prompt) -> Rows:
    """Answer by a vote weighed by lexical similarity, as ``metachain.scoring.reader.vote``; (n,), -1 for none."""
    return weighted_vote(prompt.lexical, prompt.answers)


def majority(prompt: Prompt) -> Rows:
    """Answer with the most frequent answer shown; (n,), -1 for none.

    Of equally frequent ones, the nearest demonstration by hybrid similarity decides, then the one shown later.
    """
    answers = prompt.answers
    shown = answers >= 0
    often = ((answers[:, :, None] == answers[:, None, :]) & shown[:, None, :]).sum(axis=2)
    near = np.round((prompt.lexical + prompt.dense) / (2 * TIE)) * TIE
    return last_best(answers, np.where(shown, often + (near + 1) / 4, -1.0))


def copy(prompt: Prompt) -> Rows:
    """Answer with that of the demonstration shown last, the best by the selector; (n,), -1 for none."""
    return last_best(prompt.answers, (prompt.rows >= 0).astype(float))


def dense(prompt: Prompt) -> Rows:
    """Answer by a vote weighed by the cosine of dense embeddings; (n,), -1 for none."""
    return weighted_vote(prompt.dense, prompt.answers)


READERS: Mapping[str, Callable[[Prompt], Rows]] = {one.__name__: one for one in (vote, majority, copy, dense)}
"""Functions from prompts to answer numbers; the first is the default. All are deterministic."""

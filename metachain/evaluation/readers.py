"""Offline readers by name: each answers queries from what is shown, so that no conclusion hangs on one of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from metachain.embedding.similarity import LEXICAL_DIMENSIONS
from metachain.learning.pool import Pool
from metachain.scoring.reader import vote as weighted_vote

__all__ = ["READERS", "Prompt"]

TIE = 1e-6
"""Similarities (float32) that differ by less count as the same."""

Floats = NDArray[np.floating]
Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Prompt:
    """What is shown for n queries, m demonstrations each, in prompt order: the best last."""

    pool: Pool
    query: Rows
    """(n,) rows of the pool."""
    rows: Rows
    """(n, m) rows of the pool, -1 where nothing is shown."""

    @classmethod
    def of(cls, pool: Pool, query: Rows, shown: Rows) -> "Prompt":
        """Turn what a selector shows, best first (n, m), round."""
        return cls(pool, query, shown[:, ::-1])

    @cached_property
    def answers(self) -> Rows:
        """(n, m) answer numbers, -1 where nothing is shown."""
        return np.where(self.rows < 0, -1, self.pool.answer[self.rows])

    @cached_property
    def lexical(self) -> Floats:
        """(n, m) lexical similarity to the query, in [-1, 1]; of no meaning where nothing is shown."""
        return self._cosine(slice(-LEXICAL_DIMENSIONS, None))

    @cached_property
    def dense(self) -> Floats:
        """(n, m) cosine of the dense embeddings to the query's, in [-1, 1]; of no meaning where nothing is shown."""
        return self._cosine(slice(None, -LEXICAL_DIMENSIONS))

    def _cosine(self, part: slice) -> Floats:
        vectors = self.pool.vectors[:, part]
        cosine: Floats = 2 * np.einsum("nd,nmd->nm", vectors[self.query], vectors[self.rows])
        return cosine


def vote(prompt: Prompt) -> Rows:
    """The answer with most weight, by lexical similarity: what ``metachain.scoring.reader`` says; (n,), -1 for none."""
    return weighted_vote(prompt.lexical, prompt.answers)


def majority(prompt: Prompt) -> Rows:
    """The answer shown most often, or of several such the one whose demonstration is nearest; (n,), -1 for none.

    Nearest to the query by hybrid similarity; the later shown where those tie too.
    """
    answers = prompt.answers
    n, m = answers.shape
    if m == 0:
        return np.full(n, -1)
    shown = answers >= 0
    often = ((answers[:, :, None] == answers[:, None, :]) & shown[:, None, :]).sum(axis=2)
    near = np.round((prompt.lexical + prompt.dense) / (2 * TIE)) * TIE
    place = np.where(shown, often + (near + 1) / 4, -1.0)
    return np.asarray(answers[np.arange(n), _last_best(place)], np.intp)


def copy(prompt: Prompt) -> Rows:
    """The answer of the demonstration shown last, which the selector thought the best; (n,), -1 for none."""
    answers = prompt.answers
    n, m = answers.shape
    if m == 0:
        return np.full(n, -1)
    return np.asarray(answers[np.arange(n), _last_best((answers >= 0).astype(float))], np.intp)


def dense(prompt: Prompt) -> Rows:
    """The answer with most weight, by the cosine of dense embeddings, not lexical similarity; (n,), -1 for none."""
    return weighted_vote(prompt.dense, prompt.answers)


READERS: Mapping[str, Callable[[Prompt], Rows]] = {one.__name__: one for one in (vote, majority, copy, dense)}
"""From prompts to answer numbers; the first is the default. All are deterministic."""


def _last_best(score: Floats) -> Rows:
    """Place of the largest of each row (n, m), the last where several are."""
    best: Rows = score.shape[1] - 1 - score[:, ::-1].argmax(axis=1)
    return best

"""How well what is shown is answered: each reader's mean score by each metric."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from metachain.evaluation.readers import READERS, Prompt
from metachain.learning.pool import Pool
from metachain.scoring.metrics import METRICS, are_texts, bag_f1, suited_metric
from metachain.scoring.reader import answer

__all__ = ["Answerer", "LabelScorer", "ModelScorer", "Scorer", "ShownPrompt", "TextScorer", "prompts_of", "scorer_for"]

EXACT_MATCH = "exact_match"
WRITER = "vote"
"""The reader that writes texts of its own; the others answer with one of the outputs shown."""
REMEMBERED = 1 << 16

Rows = NDArray[np.intp]
Closeness = Callable[[Rows, Rows], NDArray[np.float64]]


class Scorer(Protocol):
    """Scores what a selector shows."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics, the main one first."""

    @property
    def closeness(self) -> Closeness | None:
        """How near the answers of rows (n, m) come to those of rows (n,), in [0, 1]; None for right or wrong."""

    def __call__(self, query: Rows, shown: Rows, readers: Sequence[str]) -> dict[str, dict[str, float]]:
        """Mean score in [0, 1] of each reader by each metric, both in order.

        ``query`` (n,) rows of the pool, n at least 1; ``shown`` (n, m) rows, best first, -1 where nothing is shown.
        """


def scorer_for(pool: Pool, metric: str | None = None) -> Scorer:
    """The scorer that suits a pool's outputs.

    Labels are right or wrong. Texts are scored by the metric that suits them (``rouge_l``, or ``span_f1`` for lists of
    spans) and by ``token_f1``. ``metric``, one of ``METRICS``, takes the place of these.
    """
    outputs = [one.output for one in pool.demonstrations]
    if are_texts(outputs):
        return TextScorer(pool, (metric,) if metric else (suited_metric(outputs), "token_f1"))
    return TextScorer(pool, (metric,), writes=False) if metric and metric != EXACT_MATCH else LabelScorer(pool)


class LabelScorer:
    """Scores answers that are labels: right or wrong."""

    metrics = (EXACT_MATCH,)
    closeness = None

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def __call__(self, query: Rows, shown: Rows, readers: Sequence[str]) -> dict[str, dict[str, float]]:
        """Share of the queries that each reader answers right."""
        prompt, truth = Prompt.of(self._pool, query, shown), self._pool.answer[query]
        return {name: {EXACT_MATCH: float((READERS[name](prompt) == truth).mean())} for name in readers}


class TextScorer:
    """Scores answers that are texts by named metrics.

    With ``writes`` the reader ``vote`` is ``metachain.scoring.reader.answer``, which writes texts of its own. What it
    wrote, and what each metric said, is remembered, as selectors often show the same.
    """

    def __init__(self, pool: Pool, metrics: tuple[str, ...], *, writes: bool = True) -> None:
        self.metrics = metrics
        self._pool, self._writes = pool, writes
        self._write = lru_cache(REMEMBERED)(self._write_anew)
        self._scored = {name: lru_cache(REMEMBERED)(METRICS[name]) for name in metrics}

    def __call__(self, query: Rows, shown: Rows, readers: Sequence[str]) -> dict[str, dict[str, float]]:
        """Mean over the queries of each metric between what a reader answers and the query's own output."""
        prompt = Prompt.of(self._pool, query, shown)
        truth = [self._pool.demonstrations[row].output for row in query]
        found = {}
        for reader in readers:
            told = self._answers(reader, prompt)
            found[reader] = {
                name: float(np.mean([score(*pair) for pair in zip(told, truth, strict=True)]))
                for name, score in self._scored.items()
            }
        return found

    def closeness(self, query: Rows, rows: Rows) -> NDArray[np.float64]:
        """Token F1 of the output of each of rows (n, m) with the query's (n,); 0 where a row is -1."""
        return bag_f1(self._pool.bags, self._pool.answer[query], np.where(rows < 0, -1, self._pool.answer[rows]))

    def _answers(self, reader: str, prompt: Prompt) -> list[str]:
        if reader == WRITER and self._writes:
            pairs = zip(prompt.query.tolist(), prompt.rows.tolist(), strict=True)
            return [self._write(query, tuple(row for row in rows if row >= 0)) for query, rows in pairs]
        numbers = READERS[reader](prompt).tolist()
        return [self._pool.answers[number] if number >= 0 else "" for number in numbers]

    def _write_anew(self, query: int, rows: tuple[int, ...]) -> str:
        known = self._pool.demonstrations
        return answer(known[query].input, [(known[row].input, known[row].output) for row in rows])


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

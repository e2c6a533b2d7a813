"""Scores of what a selector shows: by the offline readers, or by a model that answers all prompts beforehand."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from metachain.evaluation.readers import READERS, Prompt
from metachain.label_sets import LabelSets, label_sets
from metachain.learning.pool import Pool
from metachain.scoring.metrics import METRICS, Metric, are_texts, bag_f1, bag_overlap, set_bags, suited_metric
from metachain.scoring.reader import answer

__all__ = [
    "Answerer",
    "ExpectsAnswers",
    "LabelScorer",
    "ModelScorer",
    "Scorer",
    "ShownPrompt",
    "TextScorer",
    "prompts_of",
    "scorer_for",
]

EXACT_MATCH = "exact_match"
MICRO_F1 = "micro_f1"
WRITER = "vote"
"""The only reader that writes new texts; the others answer with one of the outputs shown."""
CACHED = 1 << 16
"""Texts written, and scores by each metric, that are kept."""

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Scores = dict[str, dict[str, Floats]]
"""(n,) scores of n queries in [0, 1], by reader and metric."""
Closeness = Callable[[Rows, Rows], Floats]
ShownPrompt = tuple[tuple[tuple[str, str], ...], str]
"""Demonstrations as (input, output) in prompt order, the best last, and the query."""


class Scorer(Protocol):
    """Scores what a selector shows."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics, the main one first."""

    @property
    def closeness(self) -> Closeness | None:
        """Function of rows (n,) and (n, m): similarity of their answers, in [0, 1]; None where answers are labels."""

    def __call__(self, query: Rows, shown: Rows, readers: Sequence[str]) -> Scores:
        """Return each reader's score of each query, in [0, 1], by each metric, both in order.

        ``query`` (n,) rows of the pool, n at least 1; ``shown`` (n, m) rows, best first, -1 where nothing is shown.
        """

    def best(self, query: Rows, shown: Rows) -> dict[str, Floats]:
        """Return the score (n,) of the best output shown for each query, by metric; 0 where nothing is shown."""


def scorer_for(pool: Pool, metric: str | None = None) -> Scorer:
    """Return the scorer that suits a pool's outputs.

    Labels are scored by exact match. Texts are scored by the metric that suits them (``rouge_l``, or ``span_f1`` for
    span lists) and by ``token_f1``, sets of labels as ``SetScorer`` says. A ``metric``, one of ``METRICS``, replaces
    these; of sets, ``exact_match`` and ``label_f1`` are among their own.
    """
    if (sets := label_sets(pool.separators)) and metric in (None, EXACT_MATCH, "label_f1"):
        return SetScorer(pool, sets)
    outputs = [one.output for one in pool.demonstrations]
    if are_texts(outputs):
        return TextScorer(pool, (metric,) if metric else (suited_metric(outputs), "token_f1"))
    return TextScorer(pool, (metric,), writes=False) if metric and metric != EXACT_MATCH else LabelScorer(pool)


def set_metrics(sets: LabelSets) -> dict[str, Metric]:
    """Metrics of answers that are sets of labels: ``exact_match`` of the sets, and their F1 (``label_f1``)."""

    def exact(prediction: str, reference: str) -> float:
        return float(sets.labels(prediction) == sets.labels(reference))

    def f1(prediction: str, reference: str) -> float:
        return bag_overlap(Counter(sets.labels(prediction)), Counter(sets.labels(reference)))

    return {EXACT_MATCH: exact, "label_f1": f1}


class SetScorer:
    """Scores sets of labels: ``exact_match`` of the whole set, ``micro_f1`` of all labels together, and ``label_f1``.

    The micro F1 is ``2 Σ |both| / Σ (|answer| + |right|)`` over the queries. Each query's score is its part of that, so
    that their mean is the micro F1; it may be above 1.
    """

    metrics = (EXACT_MATCH, MICRO_F1, "label_f1")

    def __init__(self, pool: Pool, sets: LabelSets) -> None:
        self._pool, self._sets = pool, sets
        self._f1 = set_metrics(sets)["label_f1"]

    def __call__(self, query: Rows, shown: Rows, readers: Sequence[str]) -> Scores:
        """Return each metric of each query, between each reader's answer and the query's own labels."""
        prompt = Prompt.of(self._pool, query, shown)
        truth = [self._pool.answers[number] for number in self._pool.answer[query].tolist()]
        answers = {name: READERS[name](prompt).tolist() for name in readers}
        said = {name: [self._pool.answers[one] if one >= 0 else "" for one in some] for name, some in answers.items()}
        return {name: set_values(self._sets, some, truth) for name, some in said.items()}

    def best(self, query: Rows, shown: Rows) -> dict[str, Floats]:
        """Return the metrics of the best output shown for each query, by its F1."""
        pool = self._pool
        truth = [pool.answers[number] for number in pool.answer[query].tolist()]
        said = []
        for right, rows in zip(truth, shown.tolist(), strict=True):
            outputs = sorted({pool.answers[pool.answer[row]] for row in rows if row >= 0})
            said.append(max(outputs, key=lambda one: self._f1(one, right), default=""))
        return set_values(self._sets, said, truth)

    def closeness(self, query: Rows, rows: Rows) -> Floats:
        """Return the (n, m) F1 of the sets of rows (n, m) with the query's (n,); 0 where a row is -1."""
        answer = self._pool.answer
        return bag_f1(self._bags, answer[query], np.where(rows < 0, -1, answer[rows]))

    @cached_property
    def _bags(self) -> csr_array:
        return set_bags([self._sets.labels(answer) for answer in self._pool.answers])


def set_values(sets: LabelSets, answers: Sequence[str], truth: Sequence[str]) -> dict[str, Floats]:
    """Scores (n,) of answers by the metrics of ``SetScorer``."""
    values = _values(set_metrics(sets), answers, truth)
    sizes = [len(sets.labels(one)) + len(sets.labels(other)) for one, other in zip(answers, truth, strict=True)]
    weight = np.array(sizes, float)
    micro = values["label_f1"] * weight / max(weight.mean(), 1e-9)
    return {EXACT_MATCH: values[EXACT_MATCH], MICRO_F1: micro, "label_f1": values["label_f1"]}


class LabelScorer:
    """Scores labels by exact match."""

    metrics = (EXACT_MATCH,)
    closeness = None

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def __call__(self, query: Rows, shown: Rows, readers: Sequence[str]) -> Scores:
        """Return 1 for each query that a reader answers right, else 0."""
        prompt, truth = Prompt.of(self._pool, query, shown), self._pool.answer[query]
        return {name: {EXACT_MATCH: (READERS[name](prompt) == truth).astype(float)} for name in readers}

    def best(self, query: Rows, shown: Rows) -> dict[str, Floats]:
        """Return 1 for each query whose right answer is among those shown, else 0."""
        answer = self._pool.answer
        right = (answer[shown] == answer[query][:, None]) & (shown >= 0)
        return {EXACT_MATCH: right.any(axis=1).astype(float)}


class TextScorer:
    """Scores texts by named metrics.

    With ``writes`` the reader ``vote`` is ``metachain.scoring.reader.answer``, which writes new texts. Its texts and
    their scores are cached, because selectors often show the same demonstrations.
    """

    def __init__(self, pool: Pool, metrics: tuple[str, ...], *, writes: bool = True) -> None:
        self.metrics = metrics
        self._pool, self._writes = pool, writes
        self._write = lru_cache(CACHED)(self._write_anew)
        self._scored = {name: lru_cache(CACHED)(METRICS[name]) for name in metrics}

    def __call__(self, query: Rows, shown: Rows, readers: Sequence[str]) -> Scores:
        """Return each metric of each query, between each reader's answer and the query's own output."""
        prompt = Prompt.of(self._pool, query, shown)
        truth = [self._pool.demonstrations[row].output for row in query]
        return {reader: _values(self._scored, self._answers(reader, prompt), truth) for reader in readers}

    def best(self, query: Rows, shown: Rows) -> dict[str, Floats]:
        """Return the highest value of each metric between an output shown for a query and the query's own output."""
        known = self._pool.demonstrations
        found: dict[str, Floats] = {name: np.zeros(len(query)) for name in self.metrics}
        for place, (asked, rows) in enumerate(zip(query.tolist(), shown.tolist(), strict=True)):
            outputs = {known[row].output for row in rows if row >= 0}
            for name, score in self._scored.items():
                found[name][place] = max((score(one, known[asked].output) for one in outputs), default=0.0)
        return found

    def closeness(self, query: Rows, rows: Rows) -> Floats:
        """Return the (n, m) token F1 of the outputs of rows (n, m) with the query's (n,); 0 where a row is -1."""
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


class Answerer(Protocol):
    """A model that answers prompts and counts its calls and tokens."""

    @property
    def name(self) -> str:
        """Name of the model, as given to ``--model``."""

    @property
    def calls(self) -> int:
        """Number of calls that this object has sent."""

    @property
    def tokens(self) -> int:
        """Number of tokens read and written by these calls."""

    def __call__(self, prompts: Sequence[ShownPrompt]) -> Sequence[str]:
        """Answer all prompts, which are distinct, in their order."""


@runtime_checkable
class ExpectsAnswers(Protocol):
    """An answerer that wants the right answers beforehand, to warn where the first ones are nearly all wrong."""

    def expect(self, references: Mapping[ShownPrompt, str], metric: Metric, *, sets: bool = False) -> None:
        """Take the right answer to each prompt, the metric of an answer, and whether answers are sets of labels."""


def prompts_of(pool: Pool, query: Rows, shown: Rows) -> list[ShownPrompt]:
    """Return the prompts of queries (n,) with the rows shown for them (n, m), best first, -1 where nothing is shown."""
    known, rows = pool.demonstrations, Prompt.of(pool, query, shown).rows
    return [
        (tuple((known[row].input, known[row].output) for row in places if row >= 0), known[asked].input)
        for asked, places in zip(query.tolist(), rows.tolist(), strict=True)
    ]


class ModelScorer:
    """Scores the answers of a model, which was asked beforehand."""

    def __init__(self, pool: Pool, metrics: tuple[str, ...], answers: Mapping[ShownPrompt, str]) -> None:
        self._pool, self._answers = pool, answers
        self._metrics = metrics

    @classmethod
    def asking(
        cls, pool: Pool, metrics: tuple[str, ...], choices: Iterable[tuple[Rows, Rows]], answerer: Answerer
    ) -> "ModelScorer":
        """Ask for the answers to all (query, shown); a prompt that several selectors show is asked once."""
        right: dict[ShownPrompt, str] = {}
        for query, shown in choices:
            for prompt, row in zip(prompts_of(pool, query, shown), query.tolist(), strict=True):
                right.setdefault(prompt, pool.demonstrations[row].output)
        if isinstance(answerer, ExpectsAnswers):
            sets = label_sets(pool.separators)
            metric = set_metrics(sets)["label_f1"] if sets else METRICS[metrics[0]]
            answerer.expect(right, metric, sets=sets is not None)
        prompts = list(right)
        return cls(pool, metrics, dict(zip(prompts, answerer(prompts), strict=True)))

    def __call__(self, query: Rows, shown: Rows, readers: Sequence[str]) -> Scores:
        """Return each metric of each query, under the name of the only reader."""
        truth = [self._pool.demonstrations[row].output for row in query]
        answers = [self._answers[prompt] for prompt in prompts_of(self._pool, query, shown)]
        (reader,) = readers
        sets = label_sets(self._pool.separators)
        if sets and MICRO_F1 in self._metrics:
            return {reader: set_values(sets, answers, truth)}
        return {reader: _values({name: METRICS[name] for name in self._metrics}, answers, truth)}


def _values(metrics: Mapping[str, Metric], answers: Sequence[str], truth: Sequence[str]) -> dict[str, Floats]:
    pairs = list(zip(answers, truth, strict=True))
    return {name: np.array([score(*pair) for pair in pairs]) for name, score in metrics.items()}

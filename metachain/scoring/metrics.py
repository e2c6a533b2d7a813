"""Metrics, ``(prediction, reference) -> [0, 1]``, and the overlap of bags of words that most of them count."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, wraps
from math import nan
from numbers import Real
from statistics import median
from types import MappingProxyType, SimpleNamespace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from metachain.embedding.similarity import normalise_text
from metachain.errors import DataError
from metachain.normal_form import label_form, visible
from metachain.scoring.scripts import WORD, word_count
from metachain.scoring.spans import are_span_lists, parse_spans

__all__ = [
    "METRICS",
    "Metric",
    "are_texts",
    "bag_f1",
    "bag_overlap",
    "checked_metric",
    "exact_match",
    "label_f1",
    "paired_f1",
    "rouge_l",
    "set_bags",
    "span_f1",
    "suited_metric",
    "token_f1",
    "word_bags",
    "words",
]

Metric = Callable[[str, str], float]
"""A function of an answer and the right answer; returns a score in [0, 1]."""
T = TypeVar("T")
SPAN_SHARE = 0.9
"""Least share of span lists among outputs that are scored as span lists."""
TEXT_WORDS = 3
"""Least median number of words (``scripts.word_count``) of outputs that count as texts."""
SLACK = 1e-9
"""Rounding error that a metric may have above 1 or below 0."""
_WORD = re.compile(WORD)
_BETWEEN_LABELS = re.compile(r"[,;|\n]")
_AROUND_LABELS = " \t\r\"'`[](){}.*-•"


def exact_match(prediction: str, reference: str) -> float:
    """1 where both are equal in the form in which outputs are compared (``Demonstration.label``); else 0."""
    return float(label_form(prediction) == label_form(reference))


def label_f1(prediction: str, reference: str) -> float:
    """F1 of the two sets of labels; two empty sets score 1.

    Commas, semicolons, bars and line breaks separate labels. Order, case, and quotes, brackets, bullets and full stops
    around a label don't count. A single label scores 1 or 0. The mean over pairs is the example-based F1 of multi-label
    learning (Godbole & Sarawagi 2004; Tsoumakas, Katakis & Vlahavas 2010).
    """
    return bag_overlap(Counter(_labels(prediction)), Counter(_labels(reference)))


def token_f1(prediction: str, reference: str) -> float:
    """F1 of the two bags of lower-case words (Rajpurkar et al. 2016, "SQuAD", section 6.1); two empty bags score 1.

    Words are runs of letters and digits, in scripts without blanks single characters; unlike SQuAD's own script,
    articles count.
    """
    return bag_overlap(Counter(words(prediction)), Counter(words(reference)))


def span_f1(prediction: str, reference: str) -> float:
    """F1 of the two multisets of ``(text, type)`` in ``text [Type]; text [Type]``; none against none scores 1.

    Case and white space don't count. A text of another form counts as one span without a type, so it matches only
    itself.
    """
    return bag_overlap(_spans(prediction), _spans(reference))


@lru_cache(maxsize=1 << 14)
def rouge_l(prediction: str, reference: str) -> float:
    """ROUGE-L F-measure (Lin 2004, "ROUGE", equations 2-4 with beta 1) of lower-case words, not stemmed.

    Computed by the library rouge-score, but its words are those of ``words``, in any script. Two texts without a word
    score 1. A pair of notes of 200 words takes milliseconds, so the last 16,384 pairs are cached.
    """
    if not words(prediction) and not words(reference):
        return 1.0
    return float(_rouge_scorer().score(reference, prediction)["rougeL"].fmeasure)


METRICS: Mapping[str, Metric] = MappingProxyType(
    {"exact_match": exact_match, "label_f1": label_f1, "rouge_l": rouge_l, "span_f1": span_f1, "token_f1": token_f1}
)
"""All metrics by name."""


def suited_metric(outputs: Sequence[str]) -> str:
    """Name the metric that suits outputs: ``span_f1`` for span lists, ``rouge_l`` for texts, else ``exact_match``.

    Outputs are span lists where at least 90 % of the non-blank ones list spans or say none, and at least one lists a
    span. ``are_texts`` defines texts.
    """
    if are_span_lists(outputs, SPAN_SHARE):
        return "span_f1"
    return "rouge_l" if are_texts(outputs) else "exact_match"


def are_texts(outputs: Sequence[str]) -> bool:
    """Tell texts (span lists among them) from labels, which are short and recur; blank outputs don't count.

    Outputs are texts where more than half of the distinct ones occur only once and, besides, either the median one has
    at least 3 words or at least 90 % are span lists. A long label that recurs is thus a label, and so are a few codes
    that do not recur.
    """
    known = [normalise_text(output) for output in outputs if output.strip()]
    counts = Counter(known)
    if 2 * sum(count == 1 for count in counts.values()) <= len(counts):
        return False
    return median(map(word_count, known)) >= TEXT_WORDS or are_span_lists(known, SPAN_SHARE)


def checked_metric(metric: Callable[[str, str], object], name: str = "") -> Metric:
    """Wrap a metric so that any value but a finite number in [0, 1] raises a DataError with its name and the value.

    True and False are 1 and 0. Errors of the metric itself pass through.
    """
    named = name or getattr(metric, "__name__", type(metric).__name__)

    @wraps(metric, updated=())
    def checked(prediction: str, reference: str) -> float:
        value = metric(prediction, reference)
        number = float(value) if isinstance(value, Real) else nan
        if not -SLACK <= number <= 1 + SLACK:
            raise DataError(f"the metric {named!r} must give a finite number in [0, 1], it gave {str(value)[:80]}")
        return min(max(number, 0.0), 1.0)

    return checked


def words(text: str) -> list[str]:
    """Runs of letters and digits, in lower case; each character of a script without blanks (``scripts``)."""
    return _WORD.findall(visible(text).lower())


def bag_overlap(one: Counter[T], other: Counter[T]) -> float:
    """F1 of two bags: twice the size of their overlap over the sum of their sizes, in [0, 1]; 1 for two empty bags."""
    both = one.total() + other.total()
    return 2 * (one & other).total() / both if both else 1.0


def word_bags(texts: Sequence[str]) -> csr_array:
    """(n, V) ones for the words of n texts; a repeated word has further columns, so that products count overlaps."""
    column: dict[tuple[str, int], int] = {}
    places, ends = [], [0]
    for text in texts:
        seen: Counter[str] = Counter()
        for word in words(text):
            seen[word] += 1
            places.append(column.setdefault((word, seen[word]), len(column)))
        ends.append(len(places))
    return csr_array((np.ones(len(places)), places, ends), shape=(len(texts), max(1, len(column))))


def set_bags(sets: Sequence[Iterable[str]]) -> csr_array:
    """(n, L) ones for the labels of n sets, each of distinct labels."""
    column: dict[str, int] = {}
    places, ends = [], [0]
    for labels in sets:
        places += [column.setdefault(label, len(column)) for label in labels]
        ends.append(len(places))
    return csr_array((np.ones(len(places)), places, ends), shape=(len(sets), max(1, len(column))))


def bag_f1(bags: csr_array, one: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n, m) ``bag_overlap`` of texts ``one`` (n,) with texts ``others`` (n, m); 0 where ``others`` is negative.

    Both hold row numbers of ``bags``, from ``word_bags``.
    """
    known, place = np.unique(others, return_inverse=True)
    length = np.asarray(bags.sum(axis=1)).ravel()
    common = (bags[one] @ bags[np.maximum(known, 0)].T).toarray()
    both = length[one][:, None] + length[np.maximum(known, 0)]
    f1 = np.where(both == 0, 1.0, 2 * common / np.maximum(both, 1))
    f1[:, known < 0] = 0
    return np.take_along_axis(f1, place.reshape(others.shape), axis=1)


def paired_f1(bags: csr_array, one: NDArray[np.integer], other: NDArray[np.integer]) -> NDArray[np.float64]:
    """(n,) F1 of bags ``one`` (n,) and ``other`` (n,), rows of ``bags``; none is empty."""
    length = np.asarray(bags.sum(axis=1)).ravel()
    common = np.asarray(bags[one].multiply(bags[other]).sum(axis=1)).ravel()
    return np.asarray(2 * common / (length[one] + length[other]))


def _labels(text: str) -> set[str]:
    found = (normalise_text(one.strip(_AROUND_LABELS)) for one in _BETWEEN_LABELS.split(text))
    return set(filter(None, found))


def _spans(text: str) -> Counter[tuple[str, str]]:
    spans = parse_spans(text)
    if spans is None:
        return Counter([(normalise_text(text), "")])
    return Counter((normalise_text(one.text), normalise_text(one.type)) for one in spans)


@lru_cache(maxsize=1)
def _rouge_scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer  # noqa: PLC0415 - takes more than a second

    return RougeScorer(["rougeL"], tokenizer=SimpleNamespace(tokenize=words))

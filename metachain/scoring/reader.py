"""The offline reader: answers a query from the demonstrations shown to it, and from nothing else.

It stands in for a language model, so that everything runs without a key. It is deterministic, and the same for every
selector that is compared. The form of the outputs shown decides how it answers: labels by a vote, span lists by tagging
the query, texts by extraction from the query or by copying, whichever answers the demonstrations themselves better.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from metachain.embedding.similarity import lexical_vectors
from metachain.normal_form import label_form
from metachain.scoring.extractive import extract_or_copy, split_sentences
from metachain.scoring.scripts import word_count
from metachain.scoring.spans import mark_inputs, tag_spans

__all__ = ["LABEL_WORDS", "READER_TEMPERATURE", "answer", "last_best", "show_texts", "vote"]

READER_TEMPERATURE = 0.2
LABEL_WORDS = 8
"""Most words (``scripts.word_count``) of a label; a longer output is a text, unless it recurs."""


def vote(
    similarity: NDArray[np.floating], answers: NDArray[np.integer], temperature: float = READER_TEMPERATURE
) -> NDArray[np.intp]:
    """Similarity-weighted vote over the answers of the demonstrations shown.

    ``similarity`` (n, m): similarity of m demonstrations to each of n queries, in [-1, 1]; ``answers`` (n, m): answer
    numbers, negative where nothing is shown. Each demonstration weighs ``exp(similarity / temperature)`` (a
    Nadaraya-Watson classifier). The answer with the largest weight wins; of equal ones, the one shown later. Returns
    (n,) answer numbers, -1 where nothing was shown.
    """
    shown = answers >= 0
    weight = np.where(shown, np.exp((similarity - 1) / temperature), 0.0)
    same = answers[:, :, None] == answers[:, None, :]
    return last_best(answers, np.where(shown, np.round((same * weight[:, None, :]).sum(axis=2), 12), -1.0))


def last_best(answers: NDArray[np.integer], score: NDArray[np.floating]) -> NDArray[np.intp]:
    """Return the answer with the largest score in each row (n, m); of equal ones, the last; (n,), -1 for no columns."""
    n, m = answers.shape
    if m == 0:
        return np.full(n, -1)
    return np.asarray(answers[np.arange(n), m - 1 - score[:, ::-1].argmax(axis=1)], np.intp)


def answer(query: str, demonstrations: Sequence[tuple[str, str]]) -> str:
    """Answer one query from ``(input, output)`` pairs in prompt order.

    ``tag_spans`` answers with span lists (``metachain.scoring.spans.mark_inputs``),
    ``metachain.scoring.extractive.extract_or_copy`` with texts (``show_texts``), and ``vote`` with one of all other
    outputs, by lexical similarity. Empty where there are no demonstrations or the query is blank.
    """
    if not demonstrations or not query.strip():
        return ""
    if mark_inputs(demonstrations):
        return tag_spans(query, demonstrations)
    inputs, outputs = zip(*demonstrations, strict=True)
    if show_texts(outputs):
        return extract_or_copy(query, [pair for pair in demonstrations if pair[1].strip()])
    labels = [label_form(output) for output in outputs]
    names = sorted(set(labels))
    vectors = lexical_vectors([query, *inputs])
    numbers = np.array([[names.index(label) for label in labels]])
    return str(names[vote(vectors[:1] @ vectors[1:].T, numbers)[0]])


def show_texts(outputs: Sequence[str]) -> bool:
    """Tell texts from labels in a few outputs: one is long, and more than half of the distinct ones occur only once.

    An output is long with more than 8 words, or with two sentences of two words or more. Blank outputs don't count.
    """
    counts = Counter(filter(None, map(label_form, outputs)))
    once = sum(count == 1 for count in counts.values())
    return 2 * once > len(counts) and any(_is_long(output) for output in counts)


def _is_long(output: str) -> bool:
    sentences = [one for one in split_sentences(output) if word_count(one) > 1]
    return word_count(output) > LABEL_WORDS or len(sentences) > 1

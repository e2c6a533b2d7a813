"""The offline reader: answers a query from the demonstrations shown to it, and from nothing else.

It stands in for a language model where none is at hand, is deterministic, and is the same for every selector that is
compared.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from metachain.similarity import lexical_vectors

__all__ = ["READER_TEMPERATURE", "answer", "vote"]

READER_TEMPERATURE = 0.2


def vote(
    similarity: NDArray[np.floating], answers: NDArray[np.integer], temperature: float = READER_TEMPERATURE
) -> NDArray[np.intp]:
    """Similarity-weighted vote over the answers of the demonstrations shown.

    ``similarity`` (n, m): of each of m demonstrations to each of n queries, in [-1, 1]; ``answers`` (n, m): answer
    numbers, negative where nothing is shown. Each demonstration weighs ``exp(similarity / temperature)`` (a
    Nadaraya-Watson classifier); the answer with most weight wins, the later-shown one where two tie. Returns (n,)
    answer numbers, -1 where nothing was shown.
    """
    n, m = answers.shape
    if m == 0:
        return np.full(n, -1)
    shown = answers >= 0
    weight = np.where(shown, np.exp((similarity - 1) / temperature), 0.0)
    same = answers[:, :, None] == answers[:, None, :]
    total = np.where(shown, np.round((same * weight[:, None, :]).sum(axis=2), 12), -1.0)
    last_best = m - 1 - total[:, ::-1].argmax(axis=1)
    return np.asarray(answers[np.arange(n), last_best], np.intp)


def answer(query: str, demonstrations: Sequence[tuple[str, str]]) -> str:
    """Answer one query from ``(input, output)`` pairs in prompt order; the empty string where there are none."""
    if not demonstrations:
        return ""
    inputs, outputs = zip(*demonstrations, strict=True)
    names = sorted(set(outputs))
    vectors = lexical_vectors([query, *inputs])
    numbers = np.array([[names.index(output) for output in outputs]])
    return str(names[vote(vectors[:1] @ vectors[1:].T, numbers)[0]])

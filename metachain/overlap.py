"""Words, and how much two bags of them have in common."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

__all__ = ["bag_f1", "bag_overlap", "word_bags", "words"]

T = TypeVar("T")
_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """Runs of letters and digits, in lower case."""
    return _WORD.findall(text.lower())


def bag_overlap(one: Counter[T], other: Counter[T]) -> float:
    """F1 of two bags: twice what they share over all they hold, in [0, 1]; 1 where both are empty."""
    both = one.total() + other.total()
    return 2 * (one & other).total() / both if both else 1.0


def word_bags(texts: Sequence[str]) -> csr_array:
    """(n, V): 1 for each word of a text, a second occurrence apart from the first, so that products count overlaps."""
    column: dict[tuple[str, int], int] = {}
    places, ends = [], [0]
    for text in texts:
        seen: Counter[str] = Counter()
        for word in words(text):
            seen[word] += 1
            places.append(column.setdefault((word, seen[word]), len(column)))
        ends.append(len(places))
    return csr_array((np.ones(len(places)), places, ends), shape=(len(texts), max(1, len(column))))


def bag_f1(bags: csr_array, one: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.float64]:
    """``bag_overlap`` of the words of texts (n,) and of their others (n, m); 0 where negative; (n, m).

    Both are places in ``bags``, which ``word_bags`` made.
    """
    known, place = np.unique(others, return_inverse=True)
    length = np.asarray(bags.sum(axis=1)).ravel()
    common = (bags[one] @ bags[np.maximum(known, 0)].T).toarray()
    both = length[one][:, None] + length[np.maximum(known, 0)]
    f1 = np.where(both == 0, 1.0, 2 * common / np.maximum(both, 1))
    f1[:, known < 0] = 0
    return np.take_along_axis(f1, place.reshape(others.shape), axis=1)

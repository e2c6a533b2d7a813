"""Ranking of candidate demonstrations: pure functions over arrays of n queries and m candidates."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["at_places", "distinct", "maximal_marginal_relevance", "nearest_first", "plausible_answers", "repeated"]

Floats = NDArray[np.floating]


def nearest_first(similarity: Floats, k: int) -> NDArray[np.intp]:
    """Positions of the k largest of each row (n, m), largest first, the earlier first where two tie; (n, min(k, m))."""
    return np.argsort(-similarity, axis=1, kind="stable")[:, :k]


def at_places(values: NDArray[Any], places: NDArray[np.intp], none: float) -> NDArray[Any]:
    """Values (n, m) at places (n, k), and ``none`` where a place is -1; (n, k)."""
    return np.where(places < 0, none, np.take_along_axis(values, places, axis=1))


def repeated(keys: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Mark, in each row (n, m), every key that also occurs further left."""
    order = np.argsort(keys, axis=1, kind="stable")
    ordered = np.take_along_axis(keys, order, axis=1)
    again = np.zeros(keys.shape, bool)
    again[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    marked = np.zeros(keys.shape, bool)
    np.put_along_axis(marked, order, again, axis=1)
    return marked


def distinct(
    rows: NDArray[np.integer], similarity: Floats, twin: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Candidate rows (n, m) and their similarity, with -1 and -inf for no row and for a twin of one further left.

    ``twin`` (n, m) are the rows' numbers from ``Pool.twin``, and undefined where there is no row.
    """
    dropped = repeated(np.where(rows < 0, -1, twin)) | (rows < 0)
    return np.where(dropped, -1, rows), np.where(dropped, -np.inf, similarity).astype(np.float32)


def plausible_answers(fits: NDArray[np.float64], answer: NDArray[np.integer]) -> NDArray[np.float64]:
    """Normalise the fits of candidates' answers to probabilities over the distinct answers of a text's candidates.

    ``fits`` (n, m), positive; ``answer`` (n, m) answer number of each candidate, negative where there is none.
    Returns (n, m): the probability of each candidate's answer, 0 where there is none.
    """
    there = answer >= 0
    total = np.where(there & ~repeated(answer), fits, 0.0).sum(axis=1, keepdims=True)
    return np.where(there, fits, 0.0) / np.where(total == 0, 1, total)


def maximal_marginal_relevance(
    relevance: Floats, candidates: NDArray[np.float32], k: int, diversity: float = 0.5
) -> NDArray[np.intp]:
    """Pick k of m candidates, each near the query and far from those picked.

    ``relevance`` (n, m) cosine to each query; ``candidates`` (n, m, d) unit vectors; ``diversity`` is 1 - λ. Returns
    positions (n, min(k, m)), in order of picking. Carbonell & Goldstein 1998, with λ = 0.5 by default, as in LangChain.
    """
    n, m = relevance.shape
    everyone = np.arange(n)
    picked = np.zeros((n, min(k, m)), np.intp)
    redundancy = np.full((n, m), -np.inf)
    taken = np.zeros((n, m), bool)
    for turn in range(picked.shape[1]):
        utility = (1 - diversity) * relevance - diversity * redundancy if turn else relevance
        picked[:, turn] = np.where(taken, -np.inf, utility).argmax(axis=1)
        taken[everyone, picked[:, turn]] = True
        likeness = np.einsum("nd,nmd->nm", candidates[everyone, picked[:, turn]], candidates)
        redundancy = np.maximum(redundancy, likeness)
    return picked

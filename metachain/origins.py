"""Whose demonstrations were shown to whom, and how well institutions answer for each other: for the report."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metachain.pool import Pool

__all__ = ["MOST_TOLD", "origins", "transfer_told"]

MOST_TOLD = 200
"""Institutions up to which a matrix of all of them is told."""
DECIMALS = 4


def origins(shown: Iterable[tuple[str, int, NDArray[np.intp]]], pool: Pool) -> list[dict[str, Any]]:
    """Share of the demonstrations that each institution was shown at each label count, by whose they are.

    ``shown`` is the institution, the label count and rows (n, shots) of the pool, -1 for none. Shares of one row sum
    to 1, but for rounding; who was shown nothing has none. An institution's own labels count under its own name.
    """
    counts: dict[tuple[int, str], NDArray[np.int64]] = defaultdict(lambda: np.zeros(len(pool.institutions), np.int64))
    for institution, labels, rows in shown:
        counts[labels, institution] += np.bincount(pool.owner[rows[rows >= 0]], minlength=len(pool.institutions))
    return [
        {"institution": institution, "labels": labels, "shares": _shares(found, pool.institutions)}
        for (labels, institution), found in sorted(counts.items())
    ]


def transfer_told(transfer: NDArray[np.float64], institutions: Sequence[str]) -> dict[str, Any]:
    """The transfer matrix (S, S) as JSON: row u asks and column s answers."""
    return {"institutions": list(institutions), "rows": np.round(transfer, DECIMALS).tolist()}


def _shares(found: NDArray[np.int64], institutions: Sequence[str]) -> dict[str, float]:
    shares = np.round(found / max(found.sum(), 1), DECIMALS).tolist()
    return {name: share for name, share, count in zip(institutions, shares, found, strict=True) if count}

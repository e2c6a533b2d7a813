"""The guard: leave one institution out, try every arm, and let learning in only where it pays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metachain.learning.neighbours import Rows
from metachain.learning.pool import Pool

__all__ = [
    "ALIKE",
    "FEWEST",
    "TRANSFER_ITEMS",
    "Draw",
    "draws",
    "rehearsals_beside",
    "rng_for",
    "split",
    "transfer_items",
]
TRANSFER_ITEMS = 220


def rng_for(name: str, *seeds: int) -> np.random.Generator:
    """Random state that belongs to an institution's name, so that the presence of others changes nothing."""
    return np.random.default_rng([*name.encode(), *seeds])


def transfer_items(pool: Pool, institution: int) -> Rows:
    """Rows of an institution that its row of the transfer matrix is measured on; up to 220, drawn by its name."""
    return rng_for(pool.institutions[institution]).permutation(pool.rows[institution])[:TRANSFER_ITEMS]


def split(pool: Pool, institution: int, labels: int, queries: int, *seeds: int) -> tuple[Rows, Rows]:
    """Rows of an institution that plays the new one: labels, and queries that share no text with any of them.

    At most ``labels`` rows (and half of the institution's), at most ``queries``, drawn by its name and ``seeds``.
    """
    shuffled = rng_for(pool.institutions[institution], *seeds).permutation(pool.rows[institution])
    held = min(labels, len(shuffled) // 2)
    support, rest = shuffled[:held], shuffled[held:]
    return support, rest[~np.isin(pool.text[rest], pool.text[support])][:queries]


FEWEST = 2
"""Institutions that a rehearsal beside those unlike it takes at least, and that learning does."""
ALIKE = 0.6
"""Transfer from which two institutions are said to answer as one."""
LABELS = (0, 4, 16)
SEEDS = (0, 1)
QUERIES = 60


@dataclass(frozen=True, slots=True)
class Draw:
    """Rows of a past institution that plays the new one."""

    institution: int
    labels: int
    """Labels that are meant; an institution with few demonstrations gives fewer."""
    support: Rows
    """(k,)."""
    query: Rows
    """(n,), rows of other texts than the support's."""


def draws(pool: Pool, institution: int) -> list[Draw]:
    """Every rehearsal of one institution of a pool; none where it has too few demonstrations, or too few texts.

    Supports are nested: the 4 labels are the first of the 16.
    """
    made = []
    for seed in SEEDS:
        support, query = split(pool, institution, max(LABELS), QUERIES, seed)
        if len(support) and len(query):
            made += [Draw(institution, k, support[:k], query) for k in LABELS]
    return made


def rehearsals_beside(
    pool: Pool, institution: int, others: Rows, agreement: NDArray[np.float64]
) -> list[tuple[Draw, Rows]]:
    """Every draw of one institution beside all ``others`` (m,), and beside those unlike it where two or more are.

    ``agreement`` (m,) in [0, 1] is how well each of them and the institution answer each other's inputs.
    """
    unlike = others[agreement < ALIKE]
    companies = [others, unlike] if FEWEST <= len(unlike) < len(others) else [others]
    return [(draw, company) for draw in draws(pool, institution) for company in companies]

"""Held-out episodes: a past institution takes the place of the target; the others are its training institutions."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from metachain.learning.pool import Pool

__all__ = ["ALIKE_TRANSFER", "FEWEST", "LABELS", "QUERIES", "SEEDS", "TRANSFER_ITEMS", "Episode", "all_episodes"]
__all__ += ["episodes_beside", "episodes_of", "rng_for", "split", "transfer_items"]

Rows = NDArray[np.intp]

TRANSFER_ITEMS = 220
"""Maximum number of an institution's demonstrations for its row of the transfer matrix."""
FEWEST = 2
"""Minimum number of institutions for learning, and of dissimilar ones for an episode with these only."""
ALIKE_TRANSFER = 0.6
"""Mutual transfer, in [0, 1], from which two institutions count as answering alike."""
LABELS = (0, 4, 16)
"""Numbers of labels in episodes."""
SEEDS = (0, 1)
QUERIES = 60
"""Maximum number of queries in an episode."""


@dataclass(frozen=True, slots=True)
class Episode:
    """One past institution, by number, held out as the target: its labels and queries as rows of a pool."""

    institution: int
    labels: int
    """Nominal number of labels; ``support`` has fewer for an institution with few demonstrations."""
    support: Rows
    """(k,) rows of its labels."""
    query: Rows
    """(n,) rows of its queries; no text of the support is among them."""
    past: Rows
    """(S,) numbers of its training institutions, without itself."""

    def taught(self, labels: int) -> Self:
        """Return the episode with the first ``labels`` labels only."""
        return replace(self, labels=labels, support=self.support[:labels])


def rng_for(name: str, *seeds: int) -> np.random.Generator:
    """Random state seeded by an institution's name, so that it doesn't depend on which others are present."""
    return np.random.default_rng([*name.encode(), *seeds])


def transfer_items(pool: Pool, institution: int) -> Rows:
    """Rows of an institution for its row of the transfer matrix: at most 220, drawn by its name."""
    return rng_for(pool.institutions[institution]).permutation(pool.rows[institution])[:TRANSFER_ITEMS]


def split(pool: Pool, institution: int, labels: int, queries: int, *seeds: int) -> tuple[Rows, Rows]:
    """Split rows of an institution into labels, and queries that share no text with any label.

    At most ``labels`` labels (and half of its rows), at most ``queries`` queries, drawn by its name and ``seeds``.
    """
    shuffled = rng_for(pool.institutions[institution], *seeds).permutation(pool.rows[institution])
    support, rest = np.split(shuffled, [min(labels, len(shuffled) // 2)])
    return support, rest[~np.isin(pool.text[rest], pool.text[support])][:queries]


def episodes_of(pool: Pool, institution: int, past: Rows) -> list[Episode]:
    """Episodes of one institution that learns from the institutions ``past``: each number of labels, two supports.

    Supports are random and nested: the 4 labels are the first of the 16. Empty with too few demonstrations or texts.
    """
    found = []
    for seed in SEEDS:
        support, query = split(pool, institution, max(LABELS), QUERIES, seed)
        if len(support) and len(query):
            found += [Episode(institution, labels, support[:labels], query, past) for labels in LABELS]
    return found


def episodes_beside(pool: Pool, institution: int, others: Rows, agreement: NDArray[np.float64]) -> list[Episode]:
    """Episodes of one institution that learns from all ``others`` (m,), and from dissimilar ones only.

    ``agreement`` (m,) in [0, 1] is the mean transfer between each of them and the institution, both ways. The second
    kind is there because a new institution may resemble none in the library; it needs two dissimilar institutions.
    """
    unlike = others[agreement < ALIKE_TRANSFER]
    companies = [others, unlike] if FEWEST <= len(unlike) < len(others) else [others]
    return [replace(one, past=past) for one in episodes_of(pool, institution, others) for past in companies]


def all_episodes(pool: Pool, transfer: NDArray[np.float64], past: Rows) -> list[Episode]:
    """``episodes_beside`` of each of the institutions ``past``; the others among them are its training institutions.

    ``transfer`` (S, S) from ``prior.transfer_matrix``. Empty for fewer than two institutions.
    """
    found = []
    for number in past if len(past) > 1 else ():
        others = past[past != number]
        agreement = (transfer[number, others] + transfer[others, number]) / 2
        found += episodes_beside(pool, int(number), others, agreement)
    return found

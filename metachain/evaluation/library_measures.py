"""Measures of a library: agreement of institutions, excess transfer, and accuracy in held-out episodes (rehearsals).

Every number is a mean over institutions; each institution is held out in turn. Groups of institutions are never read.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from metachain.learning.episodes import LABELS, QUERIES, SEEDS, Episode, rng_for, split, transfer_items
from metachain.learning.guard import ARMS, NEAREST, arm_scores, best_arm
from metachain.learning.index import similarities
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.pool import Pool
from metachain.learning.prior import rows_to_look_up, transfer_matrix
from metachain.learning.ranking import nearest_first
from metachain.learning.transfer import transfer_row
from metachain.progress import Progress, silent
from metachain.scoring.reader import vote

__all__ = ["LADDER", "MINIMUM_DEMONSTRATIONS", "MOST_LABELS", "Agreement", "Rehearsals", "agreement"]
__all__ += ["count_ways_of_answering", "excess_transfer", "halves", "neighbour_table_for", "rehearse"]

MINIMUM_DEMONSTRATIONS = 10
"""An institution with fewer can't show what it has in common with others."""
NEAR_IDENTICAL = 0.95
"""Hybrid similarity from which two texts count as near-identical."""
ALIKE_ANSWERS = 0.75
"""Two institutions that answer this share of near-identical texts alike follow one way of answering."""
ENOUGH_PAIRS = 5
MOST_LABELS = 32
"""Of an institution, for which neighbours are looked up."""
PERMUTATIONS = 20
LADDER = (4, 8, 16, 32, 64, 128, 256, 512, 1024)
SHOTS = 8
DECIMALS = 5
"""Decimals of scores; further ones only settle ties between arms."""

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Agreement:
    """Near-identical texts (similarity of 0.95 or more) of two institutions, and the agreement of their answers."""

    pairs: NDArray[np.int64]
    """(S, S) number of pairs of near-identical texts; symmetric, zero diagonal."""
    alike: NDArray[np.int64]
    """(S, S) number of these pairs with the same answer."""

    @property
    def differing(self) -> Floats:
        """Share of each institution's pairs that are answered differently; (S,), nan where it has too few pairs."""
        pairs = self.pairs.sum(axis=1)
        share = 1 - self.alike.sum(axis=1) / np.maximum(pairs, 1)
        return np.where(pairs >= ENOUGH_PAIRS, share, np.nan)


@dataclass(frozen=True)
class Rehearsals:
    """Share of queries answered right with each institution held out; nan for one with too few demonstrations."""

    learned: Floats
    """(S, len(LABELS)) by the arm that scores best for the other institutions."""
    nearest: Floats
    """(S, len(LABELS)) by plain nearest neighbours among the other institutions and its labels."""
    own: Floats
    """(S, len(LADDER)) by nearest neighbours among its own 4, 8, 16 … 1024 labels only; nan beyond half of its rows."""
    half: Floats
    """(S,) by nearest neighbours among half of its own demonstrations."""
    arms: Rows
    """(S, 2) number of the arm that scores best for the others, without labels and with labels; -1 for nan."""

    @classmethod
    def none(cls, institutions: int) -> Self:
        """Make the rehearsals of a library in which no institution can be held out; all nan."""
        scores, own = np.full((institutions, len(LABELS)), np.nan), np.full((institutions, len(LADDER)), np.nan)
        return cls(scores, scores, own, np.full(institutions, np.nan), np.full((institutions, 2), -1, np.intp))


def neighbour_table_for(pool: Pool, progress: Progress = silent) -> NeighbourTable:
    """Look up the neighbours of every row that the measures need."""
    rows = [rows_to_look_up(pool), *(transfer_items(pool, number) for number in range(len(pool.institutions)))]
    for number in range(len(pool.institutions)):
        for support, query in halves(pool, number):
            rows += [support[:MOST_LABELS], query]
    return NeighbourTable.of(pool, np.unique(np.concatenate(rows)), progress)


def agreement(table: NeighbourTable) -> Agreement:
    """Compare the answers of institutions to near-identical texts.

    Each of an institution's items is compared with the nearest text of every other institution.
    """
    pool, everyone = table.pool, np.arange(len(table.pool.institutions))
    pairs = np.zeros((len(everyone), len(everyone)), np.int64)
    alike = np.zeros_like(pairs)
    for number in range(len(everyone)):
        items = transfer_items(pool, number)
        near = table.near(items, everyone)
        same_text = near.similarity[:, :, 0] >= NEAR_IDENTICAL
        same_answer = pool.answer[near.rows[:, :, 0]] == pool.answer[items][:, None]
        pairs[number] = same_text.sum(axis=0)
        alike[number] = (same_text & same_answer).sum(axis=0)
    np.fill_diagonal(pairs, 0)
    np.fill_diagonal(alike, 0)
    return Agreement(pairs + pairs.T, alike + alike.T)


def count_ways_of_answering(found: Agreement) -> int:
    """Count the ways of answering: institutions that answer 75 % of near-identical texts alike count once.

    They are average-linkage clusters of the share answered differently (Sokal & Michener 1958). Two institutions with
    fewer than 5 near-identical texts count as different, because nothing shows that they agree.
    """
    count = len(found.pairs)
    if count < 2:
        return count
    apart = np.where(found.pairs >= ENOUGH_PAIRS, 1 - found.alike / np.maximum(found.pairs, 1), 1.0)
    np.fill_diagonal(apart, 0.0)
    return int(fcluster(linkage(squareform(apart), "average"), 1 - ALIKE_ANSWERS, "distance").max())


def excess_transfer(table: NeighbourTable) -> Floats:
    """Transfer from the best other institution to each institution, beyond chance; (S,) in [-1, 1].

    ``max_s P[u, s]`` less the mean of the same maximum over 20 random permutations of u's answers: a permutation null
    (Fisher 1935) that keeps the frequency of each answer of u. nan for institutions of fewer than 10 demonstrations,
    and where there is no other institution.
    """
    pool, everyone = table.pool, np.arange(len(table.pool.institutions))
    excess = np.full(len(everyone), np.nan)
    for number in range(len(everyone)) if len(everyone) > 1 else ():
        if len(pool.rows[number]) < MINIMUM_DEMONSTRATIONS:
            continue
        items = transfer_items(pool, number)
        profile, answer = table.profile(items, everyone[everyone != number]), pool.answer[items]
        rng = rng_for(pool.institutions[number])
        chance = [transfer_row(profile, rng.permutation(answer)).max() for _ in range(PERMUTATIONS)]
        excess[number] = transfer_row(profile, answer).max() - np.mean(chance)
    return excess


def rehearse(table: NeighbourTable, progress: Progress = silent, transfer: Floats | None = None) -> Rehearsals:
    """Hold out every institution of 10 demonstrations or more with 0, 4 and 16 labels, two random supports each.

    Queries, up to 60, share no text with the half of its demonstrations that labels are drawn from. So all numbers of
    an institution are measured on the same queries. ``transfer`` (S, S) saves measuring it again.
    """
    count = len(table.pool.institutions)
    arms = np.full((count, len(LABELS), len(ARMS)), np.nan)
    own = np.full((count, len(LADDER) + 1), np.nan)
    transfer = transfer_matrix(table) if transfer is None else transfer
    for number in range(count):
        progress("rehearsing", number, count)
        split_twice = halves(table.pool, number)
        if count > 1 and split_twice:
            scores = [_arms_right(table, number, support, query, transfer) for support, query in split_twice]
            arms[number] = np.mean(scores, axis=0)
            own[number] = np.mean([_own_right(table.pool, support, query) for support, query in split_twice], axis=0)
    progress("rehearsing", count, count)
    learned, chosen = _crossfitted(arms)
    nearest, own = np.round(arms[:, :, ARMS.index(NEAREST)], DECIMALS), np.round(own, DECIMALS)
    return Rehearsals(np.round(learned, DECIMALS), nearest, own[:, :-1], own[:, -1], chosen)


def halves(pool: Pool, institution: int) -> list[tuple[Rows, Rows]]:
    """For each seed, half of an institution's rows as labels, in random order, and queries with other texts.

    Empty for an institution that is too small, or without such queries.
    """
    size = len(pool.rows[institution])
    if size < MINIMUM_DEMONSTRATIONS:
        return []
    found = [split(pool, institution, size // 2, QUERIES, seed) for seed in SEEDS]
    return found if all(len(query) for _, query in found) else []


def _arms_right(table: NeighbourTable, institution: int, support: Rows, query: Rows, transfer: Floats) -> Floats:
    """Share of queries that every arm answers right with 0, 4 and 16 labels; (len(LABELS), len(ARMS))."""
    everyone = np.arange(len(table.pool.institutions))
    others = everyone[everyone != institution]
    episodes = [Episode(institution, labels, support[:labels], query, others) for labels in LABELS]
    return np.stack([arm_scores(table, episode, transfer) for episode in episodes])


def _own_right(pool: Pool, support: Rows, query: Rows) -> Floats:
    """Share of queries answered right by a vote of the 8 nearest own labels; (len(LADDER) + 1,).

    Among the first 4, 8, 16 … 1024 labels (nan where there are fewer), and among all.
    """
    similarity = similarities(pool.vectors[query], pool.vectors[support])
    answer, truth = pool.answer[support], pool.answer[query]
    right = []
    for labels in (*LADDER, len(support)):
        first = nearest_first(similarity[:, :labels], SHOTS)
        voted = vote(np.take_along_axis(similarity, first, axis=1), answer[first])
        right.append((voted == truth).mean() if labels <= len(support) else np.nan)
    return np.array(right)


def _crossfitted(arms: Floats) -> tuple[Floats, Rows]:
    """Score (S, len(LABELS)) of each institution by the arm that scores best for the others, and that arm (S, 2).

    As in the guard, one arm is chosen for no labels and one for some labels. An institution's own scores do not choose
    its arm, so its score is unbiased.
    """
    learned, chosen = np.full(arms.shape[:2], np.nan), np.full((len(arms), 2), -1, np.intp)
    held_out = np.flatnonzero(~np.isnan(arms[:, 0, 0]))
    for number in held_out:
        others = held_out[held_out != number]
        for some, places in enumerate(([0], list(range(1, len(LABELS))))):
            best = ARMS.index(best_arm([arms[other, place] for other in others for place in places]))
            learned[number, places] = arms[number, places, best]
            chosen[number, some] = best
    return learned, chosen

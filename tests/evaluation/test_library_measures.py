"""What a library shows about itself, each number against a slow and obvious re-computation."""

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import oracles
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from oracles import SEEDS, BagOfWords, briefly, hospitals

from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import hybrid_vectors, lexical_vectors
from metachain.evaluation.library_measures import (
    LADDER,
    Agreement,
    Rehearsals,
    agreement,
    count_ways_of_answering,
    excess_transfer,
    neighbour_table_for,
    rehearse,
)
from metachain.learning.episodes import LABELS, Episode, rng_for, split
from metachain.learning.guard import ARMS, NEAREST, SURENESS, arm_scores
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.pool import make_pool
from metachain.learning.prior import transfer_matrix


def study_of(demonstrations: list[Demonstration]) -> NeighbourTable:
    """Study some demonstrations with the tiny encoder."""
    texts = [one.input for one in demonstrations]
    return neighbour_table_for(
        make_pool(demonstrations, hybrid_vectors(BagOfWords().encode(texts), lexical_vectors(texts)))
    )


@pytest.fixture(scope="module")
def study() -> NeighbourTable:
    """Five hospitals of two systems with forty demonstrations each, and one that is too small to play."""
    return study_of([*hospitals(5, 40), Demonstration("small", "xray chest ward a", "code 0", "id 0")])


def test_agreement_is_that_of_the_nearest_text(study: NeighbourTable) -> None:
    """Two institutions' near-identical texts, and how many of them are answered alike, both ways round."""
    pool, found = study.pool, agreement(study)
    expected = np.zeros((6, 6, 2), int)
    for u, s in product(range(6), range(6)):
        for item in pool.rows[u] if u != s else []:
            h = [round(float(pool.vectors[item] @ pool.vectors[other]), 5) for other in pool.rows[s]]
            nearest = pool.rows[s][int(np.argmax(h))]
            if max(h) >= 0.95:
                expected[u, s] += (1, pool.answer[nearest] == pool.answer[item])
                expected[s, u] += (1, pool.answer[nearest] == pool.answer[item])
    assert (found.pairs == expected[:, :, 0]).all()
    assert (found.alike == expected[:, :, 1]).all()
    for u in range(6):
        pairs, alike = expected[u].sum(axis=0)
        assert found.differing[u] == pytest.approx(1 - alike / pairs)


@given(SEEDS, st.integers(2, 7))
@briefly
def test_distinct_counts_what_merging_step_by_step_leaves(seed: int, count: int) -> None:
    """The two clusters that differ least on average are merged until every two differ in more than a quarter."""
    rng = np.random.default_rng(seed)
    pairs = rng.integers(0, 40, (count, count))
    pairs = np.triu(pairs, 1) + np.triu(pairs, 1).T
    alike = np.triu(rng.integers(0, pairs + 1), 1)
    alike += alike.T
    apart = [[1 - alike[i, j] / pairs[i, j] if pairs[i, j] >= 5 else 1.0 for j in range(count)] for i in range(count)]
    clusters = [[one] for one in range(count)]
    while len(clusters) > 1:
        near = {
            (a, b): np.mean([apart[i][j] for i in clusters[a] for j in clusters[b]])
            for a, b in combinations(range(len(clusters)), 2)
        }
        close = [apart_by for apart_by in near.values() if apart_by <= 0.25]
        assume(len(set(close)) == len(close))  # of two that are as close, either may be merged first
        a, b = min(near, key=lambda pair: near[pair])
        if near[a, b] > 0.25:
            break
        clusters[a] += clusters.pop(b)
    assert count_ways_of_answering(Agreement(pairs, alike)) == len(clusters)


def test_systems_are_distinct_and_strangers_count_each(study: NeighbourTable) -> None:
    """Hospitals of one system count once; one of which nothing near-identical is known counts on its own."""
    assert count_ways_of_answering(agreement(study)) == 3
    assert count_ways_of_answering(Agreement(np.zeros((4, 4), int), np.zeros((4, 4), int))) == 4
    assert [count_ways_of_answering(Agreement(np.zeros((n, n), int), np.zeros((n, n), int))) for n in (0, 1)] == [0, 1]


def test_excess_transfer_is_the_best_others_less_chance(study: NeighbourTable) -> None:
    """Each institution's best other, less the mean of the best when its answers are dealt at random twenty times."""
    pool, found = study.pool, excess_transfer(study)
    for u in range(5):
        name = pool.institutions[u]
        items = rng_for(name).permutation(pool.rows[u])[:220]
        others = [s for s in range(6) if s != u]
        told = oracles.replies(study.near(items, others), pool.answer)
        rng = rng_for(name)
        dealt = [pool.answer[items].tolist(), *(rng.permutation(pool.answer[items]).tolist() for _ in range(20))]
        best = []
        for answers in dealt:
            of_each = []
            for s in range(len(others)):
                weight = [np.exp((text.coverage[s] - 1) / 0.25) for text in told]
                right = [text.shares[s].get(answer, 0.0) for text, answer in zip(told, answers, strict=True)]
                of_each.append(np.dot(weight, right) / sum(weight))
            best.append(max(of_each))
        assert found[u] == pytest.approx(best[0] - np.mean(best[1:]))
        assert found[u] > 0.3
    assert np.isnan(found[5])


def test_own_labels_alone_vote_by_nearness(study: NeighbourTable) -> None:
    """With 4, 8, 16 labels and with half of all, the eight nearest of them vote; more than half are not had."""
    pool, found = study.pool, rehearse(study)
    for u in range(5):
        right: dict[int, list[bool]] = {}
        for seed in (0, 1):
            support, query = split(pool, u, 20, 60, seed)
            for labels in (4, 8, 16, 20):
                for row in query:
                    h = [float(pool.vectors[row] @ pool.vectors[one]) for one in support[:labels]]
                    near = sorted(range(labels), key=lambda place: (-round(h[place], 5), place))[:8]
                    answers = [int(pool.answer[support[place]]) for place in near]
                    told = oracles.vote([h[place] for place in near], answers)
                    right.setdefault(labels, []).append(told == pool.answer[row])
        assert found.own[u, :3] == pytest.approx([np.mean(right[labels]) for labels in (4, 8, 16)], abs=1e-6)
        assert found.half[u] == pytest.approx(np.mean(right[20]), abs=1e-6)
        assert np.isnan(found.own[u, 3:]).all()


def test_learned_is_the_arm_that_was_best_at_the_others(study: NeighbourTable) -> None:
    """Without labels and with some, each institution is scored by the arm with the best mean at all other ones."""
    pool, found, transfer = study.pool, rehearse(study), transfer_matrix(study)
    table = np.zeros((5, 2, 3, len(ARMS)))
    for u, seed in product(range(5), (0, 1)):
        support, query = split(pool, u, 20, 60, seed)
        past = np.array([s for s in range(6) if s != u])
        for place, labels in enumerate(LABELS):
            draw = Episode(u, labels, support[:labels], query, past)
            table[u, seed, place] = arm_scores(study, draw, transfer)
    for u in range(5):
        mean = table[[v for v in range(5) if v != u]].mean(axis=(0, 1))
        chosen = [int(means.round(9).argmax()) for means in (mean[0], *[mean[1:].mean(axis=0)] * 2)]
        learned = [table[u, :, place, chosen[place]].mean() for place in range(3)]
        assert found.learned[u] == pytest.approx(learned, abs=2 * SURENESS)
        assert found.nearest[u] == pytest.approx(table[u, :, :, ARMS.index(NEAREST)].mean(axis=0), abs=2 * SURENESS)


def test_who_is_too_small_does_not_play(study: NeighbourTable) -> None:
    """An institution of fewer than ten demonstrations has no rehearsals; all are empty for nobody."""
    found, none = rehearse(study), Rehearsals.none(2)
    for name in ("learned", "nearest", "own", "half"):
        assert np.isnan(getattr(found, name)[5]).all()
        assert np.isnan(getattr(none, name)).all()
        assert getattr(none, name).shape == (2, *getattr(found, name).shape[1:])
    assert none.own.shape == (2, len(LADDER))


def test_groups_are_never_read(study: NeighbourTable) -> None:
    """Without its metadata the same library measures the same."""
    bare = study_of([replace(one, metadata={}) for one in study.pool.demonstrations])
    assert (agreement(bare).alike == agreement(study).alike).all()
    assert np.array_equal(excess_transfer(bare), excess_transfer(study), equal_nan=True)

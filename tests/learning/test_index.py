"""Nearest neighbours within each institution, against looking at every one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import SEEDS, SIZES, briefly, random_pool, unit_vectors

from metachain.learning.index import InstitutionIndex
from metachain.learning.pool import Pool, make_pool


def brute_force(pool: Pool, vector: np.ndarray, institution: int, r: int) -> list[tuple[float, int]]:
    """Similarity, to five decimals, and row of an institution's r nearest; the lower row where two tie."""
    known = [
        (-round(sum(float(a) * float(b) for a, b in zip(vector, pool.vectors[row], strict=True)), 5), row)
        for row in range(len(pool.owner))
        if pool.owner[row] == institution
    ]
    return [(-h, row) for h, row in sorted(known)[:r]]


@given(SEEDS, SIZES, st.integers(1, 9))
@briefly
def test_neighbours_are_those_of_brute_force(seed: int, sizes: list[int], r: int) -> None:
    """Of every institution the r most similar rows come back, nearest first, and -1 where it has fewer."""
    pool, asked = random_pool(seed, sizes), unit_vectors(seed + 1, 3)
    near = InstitutionIndex(pool).nearest(asked, r)
    assert near.rows.shape == near.similarity.shape == (3, len(sizes), r)
    for text in range(3):
        for s in range(len(sizes)):
            expected = brute_force(pool, asked[text], s, r)
            there = near.rows[text, s] >= 0
            assert there.tolist() == [place < len(expected) for place in range(r)]
            assert np.allclose(near.similarity[text, s][there], [h for h, _ in expected], atol=2e-5)
            found = near.similarity[text, s][there]
            distinct = len(set(np.round([h for h, _ in expected], 4))) == len(expected)
            assert (np.diff(found) <= 0).all()
            assert not distinct or near.rows[text, s][there].tolist() == [row for _, row in expected]
            assert np.isneginf(near.similarity[text, s][~there]).all()


def test_ties_go_to_the_lower_row() -> None:
    """Rows with the same vector come in their order, wherever they stand in the matrix product."""
    pool = random_pool(0, [30])
    alike = make_pool(pool.demonstrations, np.repeat(pool.vectors[:1], 30, axis=0))
    near = InstitutionIndex(alike).nearest(pool.vectors[:7], 8)
    assert near.rows[:, 0].tolist() == [list(range(8))] * 7


def test_texts_asked_together_are_answered_as_alone() -> None:
    """How many texts are asked at once changes no similarity and no row."""
    pool, asked = random_pool(3, [9, 12]), unit_vectors(4, 40)
    index = InstitutionIndex(pool)
    together = index.nearest(asked, 5)
    for text in range(40):
        alone = index.nearest(asked[text : text + 1], 5)
        assert np.allclose(alone.similarity[0], together.similarity[text], atol=1.1e-5)
        assert np.array_equal(alone.rows[0], together.rows[text])


def test_the_presence_of_others_changes_nothing() -> None:
    """An institution's neighbours are the same whether others are in the index or not."""
    pool, asked = random_pool(5, [6, 8, 9]), unit_vectors(6, 4)
    rows = pool.rows[1]
    alone = make_pool([pool.demonstrations[row] for row in rows], pool.vectors[rows])
    among, by_itself = InstitutionIndex(pool).nearest(asked, 4), InstitutionIndex(alone).nearest(asked, 4)
    assert np.array_equal(among.rows[:, 1], rows[by_itself.rows[:, 0]])
    assert np.array_equal(among.similarity[:, 1], by_itself.similarity[:, 0])


@given(SEEDS, SIZES, st.integers(1, 9))
@briefly
def test_a_large_pool_is_searched_at_half_precision(seed: int, sizes: list[int], r: int) -> None:
    """The same number of rows of each institution, similarities right to a few ten-thousandths, nearest first."""
    pool, asked = random_pool(seed, sizes), unit_vectors(seed + 1, 3)
    exact, near = InstitutionIndex(pool).nearest(asked, r), InstitutionIndex(pool, large=1).near(asked, r)
    there = near.rows >= 0
    assert np.array_equal(there, exact.rows >= 0)
    assert np.allclose(near.similarity[there], exact.similarity[there], atol=2e-3)
    assert np.isneginf(near.similarity[~there]).all()
    texts, institutions, _ = np.nonzero(there)
    assert np.array_equal(pool.owner[near.rows[there]], institutions)
    own = np.einsum("ed,ed->e", pool.vectors[near.rows[there]], asked[texts])
    assert np.allclose(near.similarity[there], own, atol=2e-3)
    for text in near.similarity.reshape(-1, r):
        assert (text[:-1] >= text[1:]).all()


def test_ties_in_a_large_pool_go_to_the_lower_row() -> None:
    """Rows with the same vector come in their order at half precision too."""
    pool = random_pool(0, [6])
    alike = make_pool(pool.demonstrations, np.repeat(pool.vectors[:1], 6, axis=0))
    near = InstitutionIndex(alike, large=1).near(pool.vectors[:2], 6)
    assert near.rows[:, 0].tolist() == [list(range(6))] * 2


WIDE = [2, 40, 150, 300]
"""Rows of institutions: few, where a product of matrices sums in an order of its own, and many."""
DIMENSIONS = 896


def wide_pool(seed: int, sizes: list[int]) -> Pool:
    """Make an institution for each size, with random vectors as long as those of the product."""
    return make_pool(random_pool(seed, sizes).demonstrations, unit_vectors(seed, sum(sizes), DIMENSIONS))


@pytest.mark.parametrize("large", [1, 10_000], ids=["large", "small"])
@pytest.mark.parametrize("together", [1, 3, 16, 17, 100, 600])
def test_a_label_has_the_same_neighbours_whatever_else_is_asked(large: int, together: int) -> None:
    """To the last bit, however many labels are read together; the others decide nothing."""
    pool, asked = wide_pool(9, WIDE), unit_vectors(10, 600, DIMENSIONS)
    index = InstitutionIndex(pool, large=large)
    whole, some = index.nearest_of_each(asked, 5), index.nearest_of_each(asked[-together:], 5)
    assert np.array_equal(some.rows, whole.rows[-together:])
    assert some.similarity.tobytes() == whole.similarity[-together:].tobytes()
    exact = index.nearest(asked, 5)
    assert np.allclose(whole.similarity, exact.similarity, atol=1.1e-5)
    assert (whole.rows == exact.rows).mean() > 0.999


def test_ties_among_labels_neighbours_go_to_the_lower_row() -> None:
    """Rows with the same vector come in their order in a product of matrices too, also after better ones have come."""
    pool = wide_pool(0, [300])
    vectors = np.repeat(pool.vectors[:1], 300, axis=0)
    vectors[[200, 250]] = asked = unit_vectors(1, 1, DIMENSIONS)
    near = InstitutionIndex(make_pool(pool.demonstrations, vectors), large=1).nearest_of_each(asked, 8)
    assert near.rows[0, 0].tolist() == [200, 250, 0, 1, 2, 3, 4, 5]


def test_no_label_has_no_neighbours() -> None:
    """Nothing asked is nothing found, in a large pool and in a small one."""
    for large in (1, 100):
        near = InstitutionIndex(random_pool(7, [3, 5]), large=large).nearest_of_each(unit_vectors(8, 1)[:0], 4)
        assert near.rows.shape == near.similarity.shape == (0, 2, 4)


def test_take_and_flat_only_rearrange() -> None:
    """``take`` keeps the texts and institutions named, and ``flat`` lays institutions side by side."""
    near = InstitutionIndex(random_pool(7, [3, 5, 2])).nearest(unit_vectors(8, 4), 4)
    taken = near.take(np.array([2, 0]), [2, 1])
    assert np.array_equal(taken.rows, near.rows[[2, 0]][:, [2, 1]])
    assert np.array_equal(taken.similarity, near.similarity[[2, 0]][:, [2, 1]])
    rows, similarity = near.flat()
    assert np.array_equal(rows[1], np.concatenate(near.rows[1]))
    assert np.array_equal(similarity[1], np.concatenate(near.similarity[1]))

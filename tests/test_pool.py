"""Demonstrations as arrays, in an order of their own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import BagOfWords, briefly, hospitals

from metachain.errors import DataError
from metachain.pool import Pool, make_pool

MADE = hospitals(3, 6)
VECTORS = BagOfWords().encode([one.input for one in MADE])


def same(one: Pool, other: Pool) -> bool:
    """Whether two pools hold the same, byte for byte."""
    arrays = ("vectors", "owner", "answer")
    return (
        one.demonstrations == other.demonstrations
        and (one.institutions, one.answers) == (other.institutions, other.answers)
        and all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in arrays)
    )


@given(st.permutations(range(len(MADE))))
@briefly
def test_the_order_of_coming_changes_nothing(order: list[int]) -> None:
    """However demonstrations are ordered, the pool is the same, byte for byte."""
    assert same(make_pool([MADE[i] for i in order], VECTORS[order]), make_pool(MADE, VECTORS))


def test_each_row_keeps_what_belongs_to_it() -> None:
    """Owner, answer and vector of every row are those of its demonstration."""
    pool = make_pool(MADE, VECTORS)
    for row, one in enumerate(pool.demonstrations):
        assert pool.institutions[pool.owner[row]] == one.institution
        assert pool.answers[pool.answer[row]] == one.output
        assert np.array_equal(pool.vectors[row], VECTORS[MADE.index(one)])


def test_rows_are_the_institutions_own() -> None:
    """Every row belongs to one institution, and ``rows`` says to which."""
    pool = make_pool(MADE, VECTORS)
    for number, rows in enumerate(pool.rows):
        assert rows.tolist() == [row for row in range(len(MADE)) if pool.owner[row] == number]


def test_further_answers_have_a_number() -> None:
    """An answer that no demonstration gives can be asked for, and numbers are in alphabetical order."""
    pool = make_pool(MADE, VECTORS, ["a further answer", "code 1"])
    assert pool.answers[0] == "a further answer"
    assert pool.answers.count("code 1") == 1
    assert list(pool.answers) == sorted(pool.answers)


def test_a_vector_too_few_is_an_error() -> None:
    """Demonstrations and vectors that don't match are refused, with both numbers named."""
    with pytest.raises(DataError, match="18 demonstrations but 17 vectors"):
        make_pool(MADE, VECTORS[1:])


def test_an_empty_pool() -> None:
    """No demonstrations make a pool without institutions."""
    pool = make_pool([], VECTORS[:0])
    assert (pool.institutions, pool.rows, pool.answers) == ((), (), ())

"""Demonstrations as arrays, in an order of their own."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import BagOfWords, briefly, hospitals, note_writers

from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import lexical_vectors
from metachain.errors import DataError
from metachain.learning.pool import Pool, Stacked, make_pool, taken

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


def test_each_institution_gives_the_answers_of_its_rows() -> None:
    """``gives`` says of every institution and answer whether any of its demonstrations has it."""
    pool = make_pool(MADE, VECTORS, ["a further answer"])
    expected = [
        [any((one.institution, one.output) == (name, answer) for one in MADE) for answer in pool.answers]
        for name in pool.institutions
    ]
    assert pool.gives.tolist() == expected


def test_further_answers_have_a_number() -> None:
    """Answers that are given have the first numbers, in their order, and others follow in alphabetical order."""
    pool = make_pool(MADE, VECTORS, ["code 1", "a further answer"])
    others = sorted({one.output for one in MADE} - {"code 1"})
    assert pool.answers == ("code 1", "a further answer", *others)
    assert make_pool(MADE, VECTORS).answers == tuple(sorted({one.output for one in MADE}))


@pytest.mark.parametrize("made", [MADE, note_writers(2, 6)], ids=["labels", "texts"])
def test_answering_is_making_it_with_further_answers(made: list[Demonstration]) -> None:
    """Numbers for further answers are added at the end, with all that follows from them."""
    vectors = BagOfWords().encode([one.input for one in made])
    pool = make_pool(made, vectors)
    answers = (*pool.answers, "a further answer", "another")
    found, expected = pool.answering(answers), make_pool(made, vectors, answers)
    assert same(found, expected)
    assert found.gives.tolist() == expected.gives.tolist()
    assert (found.meaning is None) == (expected.meaning is None) == (made is MADE)
    if found.meaning is not None and expected.meaning is not None:
        every = np.arange(len(answers))
        assert found.meaning.shape == expected.meaning.shape
        assert np.array_equal(found.meaning[every], expected.meaning[every])


@pytest.mark.parametrize("made", [MADE, note_writers(3, 6)], ids=["labels", "texts"])
def test_a_pool_followed_by_another_is_both(made: list[Demonstration]) -> None:
    """Rows, institutions and answers of another follow, and say the same as before; what is text is decided before."""
    first, last = made[0].institution, made[-1].institution
    rest, own = [one for one in made if one.institution != first], [one for one in made if one.institution == first]
    pool = make_pool(rest, BagOfWords().encode([one.input for one in rest]))
    more = make_pool(own, BagOfWords().encode([one.input for one in own]), pool.answers)
    both, count = pool.followed_by(more), len(rest)
    assert both.demonstrations == pool.demonstrations + more.demonstrations
    assert (both.institutions[-1], both.institutions[-2]) == (first, last)
    assert both.rows[-1].tolist() == list(range(count, len(made)))
    assert [both.answers[number] for number in both.answer] == [one.output for one in both.demonstrations]
    assert np.array_equal(both.vectors, np.concatenate([pool.vectors, more.vectors]))
    assert both.answers[: len(pool.answers)] == pool.answers
    assert (both.meaning is None) == (pool.meaning is None)
    every = np.arange(len(both.answers))
    assert both.meaning is None or np.array_equal(both.meaning[every], lexical_vectors(both.answers))
    notes = [replace(one, output=f"a long note that nobody else has written, {one.input}") for one in own]
    odd = make_pool(notes, more.vectors, pool.answers)
    assert (pool.followed_by(odd).meaning is None) == (pool.meaning is None)


def test_a_vector_too_few_is_an_error() -> None:
    """Demonstrations and vectors that don't match are refused, with both numbers named."""
    with pytest.raises(DataError, match="18 demonstrations but 17 vectors"):
        make_pool(MADE, VECTORS[1:])


def test_an_empty_pool() -> None:
    """No demonstrations make a pool without institutions."""
    pool = make_pool([], VECTORS[:0])
    assert (pool.institutions, pool.rows, pool.answers) == ((), (), ())


def test_labels_have_no_meaning_beside_themselves() -> None:
    """Where demonstrations are answered with labels, an answer is right or wrong."""
    assert make_pool(MADE, VECTORS).meaning is None
    assert make_pool([], VECTORS[:0]).meaning is None


def test_texts_have_the_meaning_of_their_letters() -> None:
    """Where answers are texts each has the unit vector of its character n-grams, further answers too."""
    made = note_writers(2, 6)
    pool = make_pool(made, BagOfWords().encode([one.input for one in made]), ["a further note"])
    assert pool.meaning is not None
    for answer, row in zip(pool.answers, pool.meaning, strict=True):
        assert np.array_equal(row, lexical_vectors([answer])[0])
    assert np.allclose(np.linalg.norm(pool.meaning, axis=1), 1)


def test_bags_are_the_words_of_each_answer() -> None:
    """In the order of the answers' numbers, further ones too; of a pool without answers there are none."""
    pool = make_pool(MADE, VECTORS, ["code 1 code 1"])
    bags = pool.bags.toarray()
    assert len(bags) == len(pool.answers)
    assert bags.sum(axis=1).tolist() == [len(answer.split()) for answer in pool.answers]
    assert (bags[pool.answers.index("code 1 code 1")] * bags[pool.answers.index("code 1")]).sum() == 2
    assert make_pool([], VECTORS[:0]).bags.shape[0] == 0


def test_further_answers_decide_nothing() -> None:
    """Whether answers are texts is said by the demonstrations alone, not by what else has a number."""
    notes = [f"a long note that nobody else has written, number {number}" for number in range(50)]
    assert make_pool(MADE, VECTORS, notes).meaning is None


@briefly
@given(st.lists(st.integers(0, 4), min_size=2, max_size=4), st.integers(0, 2**16))
def test_rows_are_those_of_the_whole(sizes: list[int], seed: int) -> None:
    """Rows of any shape, of two arrays or of more, stacked one on the other, are those of all in one."""
    rng = np.random.default_rng(seed)
    parts = [rng.random((size + (place == 0), 3), np.float32) for place, size in enumerate(sizes)]
    whole = np.concatenate(parts)
    stacked: Stacked | np.ndarray = parts[0]
    for part in parts[1:]:
        stacked = Stacked(stacked, part)
    assert stacked.shape == whole.shape
    assert len(stacked) == len(whole)
    for shape in ((5,), (2, 3), (0,), ()):
        rows = rng.integers(len(whole), size=shape)
        assert np.array_equal(stacked[np.asarray(rows)], whole[rows])


def test_numbers_are_taken_as_rows_are() -> None:
    """One number a row, too; where there is none something stands, and nothing is changed in place."""
    first, further = np.array([7, 8]), np.array([9])
    found = taken(np.array([[2, 0], [1, -1]]), first, further)
    assert found[0].tolist() == [9, 7]
    assert found[1, 0] == 8
    found[:] = 0
    assert (first.tolist(), further.tolist()) == ([7, 8], [9])
    with pytest.raises(IndexError):
        taken(np.array([3]), first, further)

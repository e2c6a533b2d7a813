"""The offline reader votes, and answers from the demonstrations alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import briefly
from oracles import vote as slow_vote

from metachain.reader import answer, vote


@given(
    st.integers(0, 9).flatmap(
        lambda m: st.lists(
            st.tuples(
                st.lists(st.sampled_from([-1.0, -0.3, 0.0, 0.25, 0.5, 0.9, 1.0]), min_size=m, max_size=m),
                st.lists(st.integers(-1, 3), min_size=m, max_size=m),
            ),
            min_size=1,
            max_size=5,
        )
    ),
    st.sampled_from([0.05, 0.2, 1.0]),
)
@briefly
def test_the_vote_weighs_each_answer_by_similarity(
    rows: list[tuple[list[float], list[int]]], temperature: float
) -> None:
    """Of each query the answer with the largest sum of ``exp(similarity / temperature)`` wins, the later of two."""
    similarity = np.array([one for one, _ in rows])
    answers = np.array([one for _, one in rows], int)
    expected = [slow_vote(h, y, temperature) for h, y in rows]
    assert vote(similarity, answers, temperature).tolist() == expected


def test_the_later_of_two_answers_that_tie_wins() -> None:
    """What stands nearer the question decides a tie."""
    assert vote(np.array([[0.5, 0.5]]), np.array([[1, 0]])).tolist() == [0]
    assert vote(np.array([[0.5, 0.5]]), np.array([[0, 1]])).tolist() == [1]


def test_many_weak_votes_beat_one_strong() -> None:
    """The vote sums: three demonstrations at 0.8 outweigh one at 0.9, one at 0.8 doesn't."""
    assert vote(np.array([[0.8, 0.8, 0.8, 0.9]]), np.array([[0, 0, 0, 1]])).tolist() == [0]
    assert vote(np.array([[0.8, 0.9]]), np.array([[0, 1]])).tolist() == [1]


@pytest.mark.parametrize("m", [0, 3])
def test_nothing_shown_is_no_answer(m: int) -> None:
    """A query to which nothing is shown gets answer -1, whatever similarity stands in the empty places."""
    assert vote(np.full((2, m), -np.inf), np.full((2, m), -1)).tolist() == [-1, -1]


def test_the_reader_answers_with_an_output_it_was_shown() -> None:
    """The answer is that of the most alike demonstrations."""
    shown = [("xray chest", "0324"), ("mri brain", "0611"), ("mri spine", "0612")]
    assert answer("MRI  of the brain", shown) == "0611"
    assert answer("chest xray 2 views", shown) == "0324"


def test_the_reader_knows_nothing_without_demonstrations() -> None:
    """Without demonstrations the answer is empty."""
    assert answer("mri brain", []) == ""


@given(st.permutations([("xray chest", "a"), ("mri brain", "b"), ("mri spine", "c"), ("visit", "a")]))
@briefly
def test_order_decides_nothing_but_ties(shown: list[tuple[str, str]]) -> None:
    """Where no two answers tie, the order in which demonstrations are shown doesn't change the answer."""
    assert answer("mri of the brain", shown) == "b"

"""Choosing by similarity and plausibility, against doing it candidate by candidate."""

from math import inf

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import SEEDS, briefly

from metachain.data.demonstration import Demonstration
from metachain.learning.ranking import nearest_first, plausible_answers, repeated
from metachain.selection.selection import Chosen, Selection


@given(
    st.lists(st.lists(st.sampled_from([0.1, 0.5, 0.9, -inf]), min_size=4, max_size=4), min_size=1), st.integers(0, 6)
)
@briefly
def test_nearest_first_is_a_stable_sort(rows: list[list[float]], k: int) -> None:
    """The k largest come first, the earlier of two that tie before the later."""
    expected = [sorted(range(4), key=lambda place: (-row[place], place))[:k] for row in rows]
    assert nearest_first(np.array(rows), k).tolist() == expected


@given(st.lists(st.lists(st.integers(-1, 3), min_size=5, max_size=5), min_size=1))
@briefly
def test_repeated_marks_all_but_the_first(rows: list[list[int]]) -> None:
    """A key is marked where it stands further left already."""
    assert repeated(np.array(rows)).tolist() == [[key in row[:place] for place, key in enumerate(row)] for row in rows]


@given(SEEDS, st.integers(0, 8))
@briefly
def test_plausibility_is_a_distribution_over_the_candidates_answers(seed: int, m: int) -> None:
    """``p`` is proportional to how well answers fit, over those on offer, and sums to 1 over them.

    An answer that several candidates give counts once; what is said to fit where there is no answer, not at all.
    """
    rng = np.random.default_rng(seed)
    by_number, answer = rng.uniform(0.001, 1, size=(3, 4)), rng.integers(-1, 4, size=(3, m))
    fits = np.array([[known[y] if y >= 0 else 1e9 for y in row] for known, row in zip(by_number, answer, strict=True)])
    found = plausible_answers(fits, answer)
    assert found.shape == answer.shape
    for row, several, known in zip(found, answer.tolist(), by_number.tolist(), strict=True):
        assert np.allclose(row, oracles.plausible(known, several))
        by_answer = {y: p for y, p in zip(several, row, strict=True) if y >= 0}
        assert sum(by_answer.values()) == pytest.approx(1 if by_answer else 0)


def test_repeated_and_missing_answers_share_nothing() -> None:
    """By hand: 3 against 1 are three quarters and one, however often the 3 is given; nobody's answer is no share."""
    fits, answer = np.array([[3.0, 7.0, 1.0, 3.0, 3.0], [5.0] * 5]), np.array([[2, -1, 0, 2, 2], [-1] * 5])
    assert plausible_answers(fits, answer).tolist() == [[0.75, 0.0, 0.25, 0.75, 0.75], [0.0] * 5]


def test_a_selection_lists_its_demonstrations_in_prompt_order() -> None:
    """``demonstrations`` are those of ``chosen``, in their order."""
    one, other = Demonstration("a", "x", "1"), Demonstration("a", "y", "2")
    chosen = tuple(Chosen(which, 1.0, 0.5, 0.5, "why") for which in (one, other))
    assert Selection("b", "query", chosen, "nearest").demonstrations == (one, other)

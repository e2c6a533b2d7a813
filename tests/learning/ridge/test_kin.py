"""Kin of codes."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metachain.learning.ridge.kin import kin_of

CODES = st.lists(st.text("0123A.", min_size=1, max_size=6), min_size=1, max_size=8, unique=True)


def are_kin(one: str, other: str) -> bool:
    """True if the two answers are kin."""
    found = kin_of((one, other))
    return found is not None and bool(found.toarray().all())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0351", "0352"),
        ("0351", "035"),
        ("E11.65", "E11.9"),
        ("E11.65", "E11"),
        ("e11.65", "E11.69"),
        ("99213", "99214"),
        ("J45-901", "J45-909"),
    ],
)
def test_codes_that_share_all_but_the_last_character_of_the_shorter_are_kin(one: str, other: str) -> None:
    """Signs between and letter case do not count."""
    assert are_kin(one, other)
    assert are_kin(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [("0351", "0361"), ("E11.9", "E10.9"), ("12", "13"), ("urgent", "urgenz"), ("level 1", "level 2"), ("0351", "351")],
)
def test_other_answers_have_no_kin(one: str, other: str) -> None:
    """Short numbers, words and phrases are no codes."""
    assert kin_of((one, other)) is None


@given(CODES)
def test_it_is_what_comparing_every_pair_finds(answers: list[str]) -> None:
    """It is symmetric, and each answer is kin to itself."""
    bare = [answer.replace(".", "").casefold() for answer in answers]

    def expected(i: int, j: int) -> bool:
        one, other = bare[i], bare[j]
        codes = all(len(code) >= 3 and any(sign.isdigit() for sign in code) for code in (one, other))
        shared = min(len(one), len(other)) - 1
        return i == j or (codes and one[:shared] == other[:shared])

    found = kin_of(tuple(answers))
    for i, j in product(range(len(answers)), repeat=2):
        assert (i == j if found is None else bool(found[[i]].toarray()[0, j])) == expected(i, j)

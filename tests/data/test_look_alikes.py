"""Names and labels that may be two spellings of one."""

import pytest

from metachain.data.look_alikes import look_alike_groups, look_alike_key, look_alikes_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hill View", "hill view"),
        ("St. Anne's", "st-annes"),
        ("0360", "360"),
        ("J45.9", "j459"),
        ("x-ray", "xray"),
        ("casa", "с\u0430s\u0430"),
        ("ΑΒ ward", "AB ward"),
        ("Jürgen", "Jurgen"),
        ("lab 007", "lab 7"),
    ],
)
def test_look_alikes_have_one_key(one: str, other: str) -> None:
    """Case, blanks, punctuation, leading zeros, accents and letters of other scripts make no difference."""
    assert look_alike_key(one) == look_alike_key(other) != ""
    assert look_alike_groups([one, other, "something else"]) == (tuple(sorted((one, other))),)


@pytest.mark.parametrize(
    ("one", "other"), [("B+", "B-"), ("B+", "B"), ("<5", ">5"), ("360", "36"), ("100", "1"), ("-7", "7"), ("0", "00 1")]
)
def test_what_says_something_else_does_not_look_alike(one: str, other: str) -> None:
    """Signs and zeros inside a number count."""
    assert look_alike_key(one) != look_alike_key(other)


def test_a_name_is_not_like_itself() -> None:
    """The others are told, not the same name in another form; punctuation alone is like nothing."""
    assert look_alikes_of("hill view", ["Hill View", "hill\u00a0view", "hill-view", "vale"]) == (
        "Hill View",
        "hill-view",
    )
    assert look_alike_groups(["!", "?", "…"]) == ()

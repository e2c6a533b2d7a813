"""Numbers and lists in words."""

import pytest

from metachain.reporting.wording import duration, listed, percent, points, score, share, whole


@pytest.mark.parametrize(
    ("change", "text"),
    [(0.2134, "+21.3 %"), (-0.05, "−5.0 %"), (0.0, "0.0 %"), (-0.00001, "0.0 %"), (None, "–"), (float("nan"), "–")],
)
def test_percent(change: float | None, text: str) -> None:
    """A change has its sign, nothing has none, and what is unknown is a dash."""
    assert percent(change) == text


def test_share() -> None:
    """A share has one decimal and no sign."""
    assert (share(0.184), share(0.0), share(1.0)) == ("18.4 %", "0.0 %", "100.0 %")


def test_points() -> None:
    """Points have their sign and one decimal."""
    assert (points(1.34), points(-0.26), points(-0.04)) == ("+1.3", "−0.3", "0.0")


def test_score() -> None:
    """Scores have three decimals; differences have their sign."""
    assert (score(0.5), score(0.1234, signed=True), score(-0.1, signed=True)) == ("0.500", "+0.123", "−0.100")


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.21, "4.2 s"), (59.97, "1 min 0 s"), (192, "3 min 12 s"), (7500, "2 h 5 min")]
)
def test_duration(seconds: float, text: str) -> None:
    """A time span is told in the units that fit it."""
    assert duration(seconds) == text


def test_whole() -> None:
    """Thousands are set apart."""
    assert whole(1234567) == "1\u202f234\u202f567"


@pytest.mark.parametrize(
    ("words", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), ([1, 2, 3], "1, 2 and 3")]
)
def test_listed(words: list[object], text: str) -> None:
    """A list reads like a sentence."""
    assert listed(words) == text

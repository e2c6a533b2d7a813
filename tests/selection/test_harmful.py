"""Misleading demonstrations: blamed for what they do, not for what their institution answers."""

import numpy as np

from metachain.selection.harmful import Exposure, misleading, suspects

BAD, GOOD = ("h1", "bad"), ("h1", "good")


def exposures(bad_effect: float, queries: int = 12) -> list[Exposure]:
    """Each query answered with and without the bad one, which is right half of the time."""
    made = []
    for number in range(queries):
        right = float(number % 2)
        base = 0.8 + 0.2 * (number % 3) / 2
        made.append(Exposure(f"q{number}", (GOOD, ("h2", f"{number}")), (1.0, 0.0), base))
        made.append(Exposure(f"q{number}", (GOOD, BAD), (1.0, right), max(base + bad_effect, 0.0)))
    return made


def test_what_lowers_the_score_wherever_it_is_shown_is_named() -> None:
    """With its effect, and for how many queries it was shown."""
    found = misleading(exposures(-0.6))
    assert list(found) == [BAD]
    assert found[BAD].effect < -0.25
    assert found[BAD].effect + 4 * found[BAD].deviation < 0
    assert found[BAD].queries == 12


def test_what_changes_nothing_is_not_named() -> None:
    """Nor what was shown for few queries."""
    assert misleading(exposures(0.0)) == {}
    assert misleading(exposures(-0.6, queries=4)) == {}
    assert misleading([]) == {}
    assert misleading([Exposure("q", (), (), 1.0)]) == {}


def test_a_demonstration_is_not_blamed_for_a_wrong_answer_that_explains_the_score() -> None:
    """Where the score is what copying the last one earns, nobody misleads."""
    rng = np.random.default_rng(1)
    keys = [("h1", str(number)) for number in range(6)]
    made = []
    for number in range(60):
        for _ in range(3):
            order = rng.permutation(6)[:3]
            worth = tuple(float(place < 3) for place in order)
            made.append(Exposure(f"q{number}", tuple(keys[place] for place in order), worth, worth[-1]))
    assert misleading(made) == {}


def test_suspects_come_the_likeliest_first() -> None:
    """After one query already, and only those that seem to do harm."""
    found = suspects(exposures(-0.6, queries=1))
    assert found[0] == BAD
    assert GOOD not in found


def test_the_difficulty_of_a_query_does_not_count() -> None:
    """One that is shown for hard queries only is not blamed."""
    made = [Exposure(f"q{number}", (BAD,), (1.0,), 0.0) for number in range(10)]
    made += [Exposure(f"e{number}", (GOOD,), (1.0,), 1.0) for number in range(10)]
    assert misleading(made) == {}

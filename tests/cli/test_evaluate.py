"""How the command's options are read."""

import pytest

from metachain.cli.evaluate import (
    listed_names,
    listed_parts,
    listed_past,
    listed_readers,
    listed_seeds,
    listed_skills,
    whole_numbers,
)
from metachain.errors import DataError
from metachain.evaluation.ablation import ABLATIONS
from metachain.evaluation.readers import READERS


def test_whole_numbers_are_sorted_and_once() -> None:
    """Spaces are no matter."""
    assert whole_numbers("--labels", "8, 0,4,8", "0,4") == (0, 4, 8)
    with pytest.raises(DataError, match="--labels takes whole numbers separated by commas, such as 0,4; got '4,,8'"):
        whole_numbers("--labels", "4,,8", "0,4")


def test_seeds_are_a_count_or_a_list() -> None:
    """One number is how many, several are the seeds themselves."""
    assert listed_seeds("3", "0,4") == (0, 1, 2)
    assert listed_seeds("7,5", "0,4") == (5, 7)
    with pytest.raises(DataError, match="--seeds takes how many random supports"):
        listed_seeds("0", "0,4")


@pytest.mark.parametrize(
    ("text", "sizes"), [("all", ()), ("5, 10,all", (5, 10)), ("20,5", (5, 20)), (" all ,3", (3,)), ("all,all", ())]
)
def test_all_past_institutions_are_evaluated_anyway(text: str, sizes: tuple[int, ...]) -> None:
    """The word may stand among the numbers or be left out."""
    assert listed_past(text) == sizes


@pytest.mark.parametrize("text", ["", "5,,10", "half", "all 5"])
def test_a_past_that_is_no_number_is_refused(text: str) -> None:
    """The message names the option and shows what it takes."""
    with pytest.raises(DataError, match="--past takes whole numbers separated by commas, such as 5,10,20,all"):
        listed_past(text)


def test_skills_are_numbers_in_order_and_once() -> None:
    """Their range is the plan's matter."""
    assert listed_skills("1, 0,.25,1") == (0.0, 0.25, 1.0)
    with pytest.raises(DataError, match=r"--skill takes numbers separated by commas, such as 0,0\.5,1; got 'high'"):
        listed_skills("high")


def test_names_come_once_and_in_order() -> None:
    """For readers and parts to leave out the word all stands for every one; parts may be none."""
    assert listed_names("semantic, bm25,semantic") == ("semantic", "bm25")
    assert listed_readers("copy,vote") == ("copy", "vote")
    assert listed_readers(" all") == tuple(READERS)
    assert listed_parts("vote, text") == ("vote", "text")
    assert listed_parts("all ") == tuple(ABLATIONS)
    assert listed_parts("") == ()

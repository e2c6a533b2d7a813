"""A list of answers of which few are known is refused, unless somebody says that it is meant."""

from pathlib import Path

import pytest
from handmade import Tiny, demonstrations

from metachain.data.demonstration import Demonstration
from metachain.errors import DataError
from metachain.library.answer_lists import check_known
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE

OWN, PAST = ["0410", "0411"], [f"{number:04}" for number in range(300, 330)]


@pytest.mark.parametrize(
    ("listed", "own"),
    [
        (OWN, OWN),
        (["0410\u00a0", " 0411"], OWN),
        ([f"{number:04}" for number in range(5000)], OWN),
        ([f"{number:04}" for number in range(5000)], []),
        ([PAST[0], "a", "b", "c"], OWN),
        (["of its own kind"], ["of its own kind"]),
        ([], OWN),
    ],
)
def test_a_list_with_what_is_known_passes(listed: list[str], own: list[str]) -> None:
    """One known answer in ten is enough, and so is a long list with at least half of the known labels."""
    check_known("new", listed, own, PAST)
    check_known("new", ["anything"], [], [])


@pytest.mark.parametrize(
    ("listed", "complaint"),
    [
        (["410", "411", "300"], "3 answers for 'new', none known.*'300' looks like '0300'"),
        (["0410,heel", "0411,toe"], "none known: is it a CSV, or have zeros been lost"),
        (["0410; 0411"], "1 answers for 'new', none known"),
        ([f"x{number}" for number in range(60)] + ["0300"], "61 answers for 'new', only 1 known"),
        (["word " * 5000], "--force"),
    ],
)
def test_a_list_of_other_things_is_refused(listed: list[str], complaint: str) -> None:
    """The error counts, shows both sides and the likely cause, and stays short."""
    with pytest.raises(DataError, match=complaint) as caught:
        check_known("new", listed, OWN, PAST)
    assert len(str(caught.value)) < 600


def test_only_what_is_shared_counts_as_past(place: str | Path) -> None:
    """Labels that others don't share with the institution don't decide, so that no error tells of them."""
    with Library.open(place, Tiny()) as library:
        library.add(demonstrations())
        assert library.list_answers("new", ["of its own"]) == ("of its own",)
        library.add([Demonstration("h9", "ct", "code 1")], share=EVERYONE)
        with pytest.raises(DataError, match=r"labels are 'code 1'\."):
            library.list_answers("new", ["of its own"])
        assert library.list_answers("new\u200b", ["of its own"], force=True) == library.listed_answers("new")

"""Several answers of one institution to one text: which counts, and what is told of the others."""

from collections.abc import Iterator

import pytest
from handmade import Tiny

from metachain.data.demonstration import Demonstration
from metachain.learning.own_labels import Conflict, conflicts, current_labels, newest_first, read_own_labels
from metachain.library.library import Library

NAME = "st-marys"


def label(text: str, answer: str, id: str = "", **metadata: object) -> Demonstration:
    """A label of the institution."""
    return Demonstration(NAME, text, answer, id, metadata)


@pytest.fixture
def library(place: str) -> Iterator[Library]:
    """An empty library, in both engines."""
    with Library.open(place, Tiny()) as opened:
        yield opened


def current(library: Library) -> set[tuple[str, str]]:
    """Texts and answers that count."""
    return {(one.input, one.output) for one in current_labels(*read_own_labels(library, NAME))}


def test_the_newest_answer_to_a_text_counts(library: Library) -> None:
    """Whatever its id; the older ones are told, the newest of them first."""
    old, newer, newest = label("hip", "a", "3"), label("hip.", "b", "2"), label("HIP", "c", "1")
    for one in (old, newer, newest, label("knee", "a")):
        library.add([one])
    assert current(library) == {("HIP", "c"), ("knee", "a")}
    assert conflicts(library, NAME) == (Conflict(newest, (newer, old)),)
    assert len(library.demonstrations(NAME)) == 4


def test_an_older_label_that_agrees_is_no_conflict(library: Library) -> None:
    """The same answer to the same text, written in another way, counts beside the newest."""
    library.add([label("hip", "a")])
    library.add([label("hip.", "a")])
    assert current(library) == {("hip", "a"), ("hip.", "a")}
    assert conflicts(library, NAME) == ()


def test_what_is_to_be_kept_both_is(library: Library) -> None:
    """Neither supersedes the other, whichever of them says so."""
    for number, (first, second) in enumerate([(True, False), (False, True)]):
        library.add([label(f"text {number}", "a", keep_both=first)])
        library.add([label(f"text {number}", "b", keep_both=second)])
    assert len(current(library)) == 4
    assert conflicts(library, NAME) == ()


def test_answers_that_came_together_are_told_and_all_count(library: Library) -> None:
    """None is newer; the most frequent is the one for their text."""
    made = [label("hip", answer, f"id {number}") for number, answer in enumerate("abbc")]
    library.add(made)
    labels, numbers = read_own_labels(library, NAME)
    assert [labels[place].output for place in newest_first(labels, numbers)["hip"]][:2] == ["b", "b"]
    assert current(library) == {("hip", "a"), ("hip", "b"), ("hip", "c")}
    (found,) = conflicts(library, NAME)
    assert {one.output for one in found.others} == {"a", "c"}


def test_what_is_said_again_anew_is_the_newest(library: Library) -> None:
    """An import that comes twice changes nothing; an adaptation that says an old answer again does."""
    first, second = label("hip", "a"), label("hip.", "b")
    library.add([first])
    library.add([second])
    before = library.content_version()
    added = library.add([first, second])
    assert (added.stored, added.duplicates) == (0, 2)
    assert library.content_version() == before
    assert current(library) == {("hip.", "b")}
    revision = library.state(NAME)
    added = library.add([first], anew=True)
    assert (added.stored, added.duplicates) == (0, 1)
    assert current(library) == {("hip", "a")}
    assert library.state(NAME) != revision
    again = library.content_version()
    library.add([first], anew=True)
    assert library.content_version() == again


def test_dates_decide_where_all_have_one(library: Library) -> None:
    """An older year that is imported later supersedes nothing; where one has no date, the last that came in counts."""
    library.add([label("hip", "new", date="2024-05-01"), label("knee", "new", date="2024-05-01T08:00:00+02:00")])
    library.add([label("hip.", "old", date="2018"), label("knee.", "old", date="2018-05-01")])
    assert current(library) == {("hip.", "old"), ("knee", "new")}  # a year alone is no date
    library.add([label("KNEE", "newer", date="2024-05-01T07:00:00Z"), label("hip !", "last")])
    assert current(library) == {("hip !", "last"), ("KNEE", "newer")}


@pytest.mark.parametrize("date", [2018, "soon", "", None, ["2018-05-01"], "05/01/2018"])
def test_anything_else_is_no_date(date: object) -> None:
    """It stays in the metadata and orders nothing."""
    assert label("hip", "a", date=date).date is None


def test_an_institution_without_labels_has_no_conflict(library: Library) -> None:
    """Nor does one whose texts all have one answer; their order is not read."""
    assert conflicts(library, NAME) == ()
    library.add([label("hip", "a"), label("knee", "a")])
    assert read_own_labels(library, NAME)[1] == {}

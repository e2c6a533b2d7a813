"""Outcomes are stored completely, and an institution's revision counts the changes."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from metachain import Demonstration, Library
from metachain.errors import DataError, NotFoundError
from metachain.library import outcomes
from metachain.library.outcomes import Outcome
from metachain.library.sharing import EVERYONE

ONE = Outcome(
    id="run-1",
    origin="chain",
    institution="st-marys",
    input="chest {pain}",
    model="offline",
    shown=(("mercy", "a"), ("general", "b")),
    answer="urgent",
    input_tokens=12,
    output_tokens=1,
)


@pytest.fixture
def library(place: str) -> Iterator[Library]:
    """A new library."""
    with Library.open(place) as opened:
        yield opened


def test_an_outcome_comes_back(library: Library, place: str) -> None:
    """An outcome is read as it was stored, by another connection too."""
    library.outcomes.record([ONE])
    with Library.open(place) as again:
        assert again.outcomes.get("run-1") == ONE


def test_recording_an_id_again(library: Library) -> None:
    """An outcome with a known id replaces the earlier one."""
    library.outcomes.record([ONE])
    library.outcomes.record([replace(ONE, answer="later")])
    assert library.outcomes.of(origin="chain") == (replace(ONE, answer="later"),)


def test_outcomes_are_found(library: Library) -> None:
    """Outcomes are found by origin, institution, model and id."""
    collected = replace(ONE, id="call-1", origin="collected")
    elsewhere = replace(ONE, id="run-2", institution="general", model="ollama:llama3")
    library.outcomes.record([ONE, collected, elsewhere])
    assert library.outcomes.of(origin="collected") == (collected,)
    assert library.outcomes.of(origin="chain", institution="st-marys") == (ONE,)
    assert library.outcomes.of(origin="chain", model="ollama:llama3") == (elsewhere,)
    assert library.outcomes.by_id(["call-1", "no-such"]) == {"call-1": collected}


def test_scoring(library: Library) -> None:
    """Score, metric and correction are stored."""
    library.outcomes.record([ONE])
    scored = library.outcomes.score("run-1", 0.25, metric="token_f1", correction="later")
    assert scored == replace(ONE, score=0.25, metric="token_f1", correction="later")
    assert library.outcomes.get("run-1") == scored


@pytest.mark.parametrize("score", [7, -0.1, float("nan"), float("inf")])
def test_a_score_outside_the_unit_interval(library: Library, score: float) -> None:
    """A score outside [0, 1] is refused, and nothing changes."""
    library.outcomes.record([ONE])
    with pytest.raises(DataError, match="from 0 to 1"):
        library.outcomes.score("run-1", score)
    assert library.outcomes.get("run-1") == ONE


def test_an_unknown_id(library: Library) -> None:
    """The error names an unknown id."""
    with pytest.raises(NotFoundError, match="'run-9'"):
        library.outcomes.score("run-9", 1.0)


def test_a_lone_surrogate(library: Library) -> None:
    """Characters of an answer that can't be stored are replaced."""
    library.outcomes.record([replace(ONE, answer="a\ud800b")])
    assert library.outcomes.get("run-1").answer == "a?b"


def test_revision(library: Library) -> None:
    """The revision counts demonstrations, lists and feedback of that institution; answers change nothing."""
    assert library.revision("st-marys") == 0
    library.add([Demonstration("st-marys", "a", "x"), Demonstration("st-marys", "b", "x")], share=EVERYONE)
    assert library.revision("st-marys") == 1
    library.add([Demonstration("st-marys", "a", "x"), Demonstration("general", "c", "x")], share=EVERYONE)
    assert library.revision("st-marys") == 1
    library.list_answers("st-marys", ["x", "y"])
    assert library.revision("st-marys") == 2
    library.outcomes.record([replace(ONE, id="call-1", origin="collected")])
    assert library.revision("st-marys") == 2
    library.outcomes.record([ONE])
    library.outcomes.score("run-1", 1.0)
    assert library.revision("st-marys") == 3


def test_pages_of_scores(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores are read page by page, the latest first; corrected, unscored and collected answers are left out."""
    monkeypatch.setattr(outcomes, "OUTCOMES_A_PAGE", 2)
    for number in range(7):
        library.outcomes.record([replace(ONE, id=f"run-{9 - number}", score=0.5)])
    left_out = {"run-a": {}, "run-b": {"score": 1.0, "correction": "x"}, "run-c": {"score": 1.0, "origin": "collected"}}
    library.outcomes.record([replace(ONE, id=id, **given) for id, given in left_out.items()])
    library.outcomes.record([replace(ONE, id="run-d", score=1.0, institution="general")])
    found = [one.id for one in library.outcomes.latest_scored("st-marys")]
    assert found == [f"run-{number}" for number in range(3, 10)]
    together = [replace(ONE, id=f"at-once-{number}", score=0.5, scored_at=2**60) for number in range(5)]
    library.outcomes.record(together)
    assert [one.id for one in library.outcomes.latest_scored("st-marys")][:5] == [one.id for one in together[::-1]]


def test_prune(library: Library) -> None:
    """Answers from before a time are deleted; those with a score or a correction teach, and stay."""
    old = "2026-01-01T00:00:00Z"
    kept = {"scored": {"score": 0.0}, "corrected": {"correction": "x"}, "collected": {"origin": "collected"}}
    library.outcomes.record([replace(ONE, id=id, at=old, **given) for id, given in kept.items()])
    library.outcomes.record([replace(ONE, id="old", at=old), replace(ONE, id="new")])
    assert library.outcomes.prune(datetime(2026, 6, 1, tzinfo=UTC)) == 1
    assert set(library.outcomes.by_id([*kept, "old", "new"])) == {*kept, "new"}
    with pytest.raises(DataError, match="time zone"):
        library.outcomes.prune(datetime(2026, 6, 1))


def test_first_schema(tmp_path: Path) -> None:
    """A library of the first schema gets the missing tables and keeps its content."""
    path = tmp_path / "library.db"
    with Library.open(path) as opened:
        opened.add([Demonstration("st-marys", "a", "x")], share=EVERYONE)
    with sqlite3.connect(path) as old:
        old.execute("DROP TABLE outcomes")
        old.execute("DROP TABLE revisions")
        old.execute("PRAGMA user_version = 1")
    old.close()
    with Library.open(path) as opened:
        assert opened.counts() == {"st-marys": 1}
        opened.outcomes.record([ONE])
        assert opened.outcomes.get("run-1") == ONE

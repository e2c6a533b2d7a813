"""``metachain answers``, and a server that deletes old answers by itself."""

import asyncio
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from handmade import Tiny, demonstrations, learned_library, metachain
from server_process import PATIENCE, keys_of, serving
from sqlalchemy import text

from metachain.chains.service.retention import keep_answers
from metachain.library.database.engine import KEEPER, writing
from metachain.library.library import Library
from metachain.library.outcomes import Outcome
from metachain.timestamps import format_moment

WIDE = {"COLUMNS": "160"}


def answered(id: str, days: float, score: float | None = None) -> Outcome:
    """An answer that was given some days ago."""
    at = format_moment(datetime.now(UTC) - timedelta(days=days))
    return Outcome(id, "chain", "new", "a query", "m", (), "x", score=score, at=at)


@pytest.fixture
def place(tmp_path: Path) -> str:
    """A learned library with a new answer, two old ones, and an old one with a score."""
    made = learned_library(str(tmp_path / "h.db"), demonstrations())
    with Library.open(made, Tiny()) as library:
        library.outcomes.record([answered("new", 1), answered("old", 91), answered("older", 300)])
        library.outcomes.record([answered("scored", 300, 0.5)])
    return made


def ids(place: str) -> set[str]:
    """Ids of the answers that the library has."""
    with Library.open(place, Tiny()) as library:
        return {one.id for one in library.outcomes.of(origin="chain")}


def test_counts_and_prunes(place: str) -> None:
    """Answers without feedback go; those that teach stay."""
    told = metachain("answers", place, environment=WIDE).stdout
    assert [word for word in told.split() if word.isdecimal()] == ["4", "1"]
    told = metachain("answers", place, "--prune", "90d", environment=WIDE).stdout
    assert told.startswith("2 answers before ")
    assert ids(place) == {"new", "scored"}
    wrong = metachain("answers", place, "--prune", "soon")
    assert wrong.returncode
    assert "--prune" in wrong.stderr


@pytest.mark.parametrize("age", ["soon", "2026-01-01", "0d", "999999d", "90 d"])
def test_a_wrong_age_is_refused(place: str, age: str) -> None:
    """The server does not start."""
    keys_of(place, "new")
    told = metachain("serve", place, "--keep-answers", age)
    assert told.returncode
    assert "--keep-answers" in told.stderr
    assert len(ids(place)) == 4


def test_a_server_keeps_answers_for_a_time(place: str, tmp_path: Path) -> None:
    """It deletes the old ones soon after its start, and ends at once when told to."""
    with serving(place, tmp_path, "--keep-answers", "90d", learned=False) as server:
        end = time.monotonic() + PATIENCE
        while len(ids(place)) > 2 and time.monotonic() < end:
            time.sleep(0.1)
        assert ids(place) == {"new", "scored"}
        assert server.logged(lambda line: line["message"] == "answers pruned" and line["answers"] == 2)
        begun = time.monotonic()
        server.stop()
        assert time.monotonic() - begun < PATIENCE


@pytest.fixture
def library(place: str) -> Iterator[Library]:
    """The library, open."""
    with Library.open(place, Tiny()) as opened:
        yield opened


def test_a_fault_does_not_end_it(library: Library, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the answers are deleted the next time."""

    async def keep() -> None:
        keeping = asyncio.create_task(keep_answers(library, timedelta(days=90), every=0.05))
        while "answers not pruned" not in caplog.text:
            await asyncio.sleep(0.01)
        with writing(library._engine, KEEPER) as connection:
            connection.execute(text("DROP TRIGGER kept"))
        while "answers pruned" not in caplog.text:
            await asyncio.sleep(0.01)
        keeping.cancel()

    full = "SELECT RAISE(ABORT, 'database or disk is full')"
    with writing(library._engine, KEEPER) as connection:
        connection.execute(text(f"CREATE TRIGGER kept BEFORE DELETE ON outcomes BEGIN {full}; END"))
    with caplog.at_level(logging.INFO, "metachain"):
        asyncio.run(asyncio.wait_for(keep(), PATIENCE))
    assert {one.id for one in library.outcomes.of(origin="chain")} == {"new", "scored"}

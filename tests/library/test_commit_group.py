"""Group commit: what waits together is stored together, and a failure is its own alone."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from handmade import Tiny, demonstrations, learned_library
from sqlalchemy import Connection, event, text

from metachain.errors import DataError
from metachain.library.database.commit_group import CommitGroup
from metachain.library.library import Library

SECONDS = 30
Stored = Callable[[], set[str]]


@pytest.fixture
def library(place: str) -> Iterator[Library]:
    """A library in SQLite and in PostgreSQL."""
    with Library.open(learned_library(place, demonstrations()), Tiny()) as opened:
        yield opened


def counter(name: str) -> Callable[[Connection], str]:
    """Write that adds a counter, and returns its name."""

    def write(connection: Connection) -> str:
        connection.execute(text("INSERT INTO counters (name, number) VALUES (:name, 1)"), {"name": name})
        return name

    return write


def stored(library: Library) -> set[str]:
    """Names of the counters that were added."""
    with library._engine.connect() as connection:
        return {name for name in connection.execute(text("SELECT name FROM counters")).scalars() if name[0] == "w"}


def waiting_together(group: CommitGroup, library: Library, works: list[Callable[[Connection], str]]) -> list[object]:
    """Run writes that all wait for a first one; returns the result or the error of each."""
    holding, go = Event(), Event()

    def first(connection: Connection) -> None:
        holding.set()
        assert go.wait(SECONDS)

    def outcome(work: Callable[[Connection], str]) -> object:
        try:
            return group.run(work)
        except DataError as error:
            return str(error)

    with ThreadPoolExecutor(len(works) + 1) as pool:
        pool.submit(group.run, first)
        assert holding.wait(SECONDS)
        found = [pool.submit(outcome, work) for work in works]
        while len(group._waiting) < len(works):
            pass
        go.set()
        return [one.result(SECONDS) for one in found]


def test_what_waits_shares_a_transaction(library: Library) -> None:
    """Twelve writes that wait for one take one commit, and each gets its own result."""
    group, commits = CommitGroup(library._engine), []
    event.listen(library._engine, "commit", commits.append)
    names = [f"w{number}" for number in range(12)]
    assert waiting_together(group, library, [counter(name) for name in names]) == names
    assert len(commits) == 2
    assert stored(library) == set(names)


def test_a_failure_is_its_own_alone(library: Library) -> None:
    """The others of a group are stored, once; the one that fails raises its error and stores nothing."""

    def wrong(connection: Connection) -> str:
        counter("w wrong")(connection)
        raise DataError("this write is wrong")

    found = waiting_together(CommitGroup(library._engine), library, [counter("w1"), wrong, counter("w2")])
    assert found == ["w1", "this write is wrong", "w2"]
    assert stored(library) == {"w1", "w2"}


def test_one_alone_waits_for_nobody(library: Library) -> None:
    """Without others a write is stored on return, and a later one after a failure too."""
    group = CommitGroup(library._engine)
    assert group.run(counter("w1")) == "w1"
    with pytest.raises(ZeroDivisionError):
        group.run(lambda connection: 1 // 0)
    assert group.run(counter("w2")) == "w2"
    assert stored(library) == {"w1", "w2"}

"""What was acknowledged is kept whatever is killed, nothing is half stored, and readers see what was acknowledged."""

import re
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from handmade import Tiny, demonstrations, learned_library
from numpy.typing import NDArray
from sqlalchemy import delete, select, update
from writers import (
    COUNTY,
    FORGOTTEN,
    KINDS,
    Children,
    batch,
    children,
    doing,
    note,
    perform,
    present,
    told,
    wait_for,
    withdrawn,
)

from metachain.embedding.similarity import normalise_text
from metachain.errors import LibraryError, StorageError
from metachain.learning.unlearning import forget
from metachain.library.database.connect import open_engine
from metachain.library.database.engine import writing
from metachain.library.database.schema import embeddings
from metachain.library.library import Library
from metachain.library.sharing import Audience, Grant
from metachain.library.vectors import VectorFile

if TYPE_CHECKING:
    from benchmarks.common.postgres import PostgresServer

KILLS = 50
READERS = 8
NOTES = 30
WRITERS = 4
CRASHES = 4

Vectors = dict[str, NDArray[np.float32] | None]
"""By hash of their text; None for one that is lost."""


@pytest.fixture(scope="module")
def processes() -> Iterator[Children]:
    """Where processes come from that write or read."""
    with children() as made:
        yield made


def test_killed_at_any_moment_an_acknowledged_write_is_kept(place: str, processes: Children, tmp_path: Path) -> None:
    """Fifty writers die one after another: all they acknowledged is there, the call they died in whole or not at all.

    What they died in can be done again, and is then there once.
    """
    rng = np.random.default_rng(0)
    expected: Counter[str] = Counter()
    for writer in range(KILLS):
        said = tmp_path / f"writer {writer}"
        pid = processes.start("write", said, place, writer)
        wait_for(said, int(rng.integers(0, 9)))
        time.sleep(rng.uniform(0, 0.03))
        processes.kill(pid)
        done = len(doing(said))
        with Library.open(place, Tiny()) as library:
            assert all(present(library, writer, number) for number in range(done))
            present(library, writer, done)
            assert not any(present(library, writer, number) for number in range(done + 1, done + 1 + len(KINDS)))
            for number in range(max(0, done - done % len(KINDS)), done + 1):
                perform(library, writer, number)
                assert present(library, writer, number)
            expected += stored_by(writer, done + 1)
            assert library.counts() == expected
    with Library.open(place, Tiny()) as library:
        held = library.demonstrations(COUNTY)
        texts = [normalise_text(one.input) for one in held]
        np.testing.assert_allclose(library.vectors(held), Tiny().encode(texts), atol=1e-6)
    if "://" not in place:
        with closing(sqlite3.connect(place)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def stored_by(writer: int, calls: int) -> "Counter[str]":
    """How many demonstrations of each institution a writer's first calls store."""
    adds = [batch(writer, number // len(KINDS)) for number in range(calls) if KINDS[number % len(KINDS)] == "add"]
    corrections = sum(KINDS[number % len(KINDS)] == "feedback" for number in range(calls))
    return Counter(one.institution for added in adds for one in added) + Counter({COUNTY: corrections})


@contextmanager
def reading(processes: Children, program: str, place: str, folder: Path) -> Iterator[NDArray[np.int64]]:
    """Eight readers, all of them at work; they end without an error, after a whole round that began after the block.

    What the block puts first into the array is what it has acknowledged.
    """
    np.zeros(2, np.int64).tofile(folder / "told")
    acknowledged = told(folder / "told")
    said = [folder / f"reader {reader}" for reader in range(READERS)]
    pids = [processes.start(program, one, place, str(folder / "told")) for one in said]
    for one in said:
        wait_for(one, 1)
    yield acknowledged
    for one in said:
        wait_for(one, len(doing(one)) + 2)
    acknowledged[1] = 1
    assert [processes.wait(pid) for pid in pids] == [0] * READERS
    assert all(map(doing, said))


def test_eight_read_while_one_writes(place: str, processes: Children, tmp_path: Path) -> None:
    """While one process writes, eight read without an error, and each read has all that was acknowledged before it."""
    learned_library(place, demonstrations(3, 12))
    with reading(processes, "read", place, tmp_path) as acknowledged, Library.open(place, Tiny()) as library:
        for number in range(NOTES):
            library.add([note(2 * number), note(2 * number + 1)])
            acknowledged[0] = number + 1


def test_eight_read_while_one_forgets(place: str, processes: Children, tmp_path: Path) -> None:
    """What is forgotten, or shown no more, is in no read and in no selection that begins after the call returned."""
    learned_library(place, demonstrations(5, 12))
    with reading(processes, "avoid", place, tmp_path) as acknowledged, Library.open(place, Tiny()) as library:
        for number, one in enumerate(withdrawn(library)[:FORGOTTEN]):
            forget(library, institution=one.institution, demonstration=one.id)
            acknowledged[0] = number + 1
        library.sharing.state("h1", Grant(Audience("everyone"), "statistics"))
        acknowledged[0] = FORGOTTEN + 1


def test_several_write_at_once(place: str, processes: Children, tmp_path: Path) -> None:
    """Four processes make one library at the same moment and write to it in turn: all that they acknowledged is there.

    None of them fails, whoever is faster.
    """
    said = [tmp_path / f"writer {writer}" for writer in range(WRITERS)]
    pids = [processes.start("write", one, place, writer) for writer, one in enumerate(said)]
    for one in said:
        wait_for(one, 2 * len(KINDS) + 1)
    for pid in pids:
        processes.kill(pid)
    with Library.open(place, Tiny()) as library:
        for writer, one in enumerate(said):
            numbers = [number for number in range(len(doing(one))) if KINDS[number % len(KINDS)] != "save"]
            assert all(present(library, writer, number) for number in numbers)
        counted = [
            number for one in said for number in range(len(doing(one))) if KINDS[number % len(KINDS)] != "record"
        ]
        assert library.revision(COUNTY) >= len(counted)


def test_a_killed_database_keeps_what_it_acknowledged(
    start_postgres: "Callable[..., AbstractContextManager[PostgresServer]]", processes: Children, tmp_path: Path
) -> None:
    """PostgreSQL dies at any moment: the writer is told that it can't be reached, and nothing acknowledged is lost.

    A library that was open all the while goes on when the database is back.
    """
    rng = np.random.default_rng(0)
    with start_postgres(durable=True) as server:
        place = server.url(server.create_database())
        with Library.open(place, Tiny()) as library:
            for writer in range(CRASHES):
                said = tmp_path / f"writer {writer}"
                pid = processes.start("write", said, place, writer)
                wait_for(said, int(rng.integers(1, 9)))
                time.sleep(rng.uniform(0, 0.03))
                server.kill()
                assert processes.wait(pid) == 1
                done, complaint = said.read_text().partition("Traceback")[::2]
                assert re.search(r"StorageError: postgresql\+psycopg://metachain:\*\*\*@.*can't be reached", complaint)
                assert server.password not in complaint
                with pytest.raises(StorageError, match="can't be reached"):
                    library.counts()
                server.start()
                assert all(present(library, writer, number) for number in range(len(done)))
                perform(library, writer, len(done))
                assert present(library, writer, len(done))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda vectors: {key: vector[:5] for key, vector in vectors.items()},
        lambda vectors: {key: np.eye(1, 7 + place % 2)[0] for place, (key, _) in enumerate(sorted(vectors.items()))},
        lambda vectors: {key: np.eye(1, 7)[0] for key in vectors},
        lambda vectors: {min(vectors): np.eye(1, 7)[0]},
        lambda vectors: {key: 2 * vector for key, vector in vectors.items()},
        lambda vectors: {key: 0 * vector for key, vector in vectors.items()},
        dict.fromkeys,
    ],
    ids=["cut off", "of other sizes", "all of another size", "one of another size", "not unit", "zeroed", "lost"],
)
def test_damaged_embeddings_are_made_again(place: str, spoil: Callable[[Vectors], Vectors]) -> None:
    """Stored vectors are derived: what is damaged or lost is embedded again and stored, also beside new texts."""
    learned_library(place, demonstrations(3, 12))
    held = demonstrations(3, 12)
    with Library.open(place, Tiny()) as library:
        expected = library.vectors(held)
    engine = open_engine(place)
    with writing(engine) as connection:
        stored = {row.text_sha256: row.vector for row in connection.execute(select(embeddings))}
        for key, vector in spoil(stored).items():
            mine = embeddings.c.text_sha256 == key
            change = delete(embeddings) if vector is None else update(embeddings).values(vector=vector)
            connection.execute(change.where(mine))
    engine.dispose()
    encoder = Tiny()
    with Library.open(place, encoder) as library:
        found = library.vectors([*held, note(0)])
        np.testing.assert_array_equal(found[:-1], expected)
        encoder.seen.clear()
        np.testing.assert_array_equal(library.vectors([*held, note(0)]), found)
        assert encoder.seen == []


def damaged(content: bytes) -> Iterator[bytes]:
    """The content with one byte changed, each in turn and in two ways, and cut off at many places."""
    for place, byte in enumerate(content):
        for change in (0x01, 0x40):
            yield content[:place] + bytes([byte ^ change]) + content[place + 1 :]
    for place in range(0, len(content), 16):
        yield content[:place]


def test_a_damaged_file_of_vectors_is_none(tmp_path: Path) -> None:
    """Whichever byte of the file of vectors is wrong, or lost with all after it, it is read right or not at all."""
    path = tmp_path / "vectors.npz"
    keys, rows = np.array([f"{number:064x}" for number in range(3)], "S64"), np.eye(3, 4, dtype=np.float32)
    VectorFile(path, "tiny/1").write(keys, rows)
    for content in damaged(path.read_bytes()):
        path.write_bytes(content)
        found, held = VectorFile(path, "tiny/1").read()
        assert len(found) == 0 or (np.array_equal(found, keys) and np.array_equal(held, rows))


def test_a_damaged_artefact_is_refused(tmp_path: Path) -> None:
    """Whichever byte of a learned artefact's arrays is wrong or lost, they are read right or end in a LibraryError."""
    place, written = tmp_path / "hospitals.db", np.arange(3.0)
    with Library.open(place, Tiny()) as library:
        library.save("prior", {}, {"a": written})
        with closing(sqlite3.connect(place, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            (stored,) = connection.execute("SELECT arrays FROM artifacts").fetchone()
            for content in damaged(stored):
                connection.execute("UPDATE artifacts SET arrays = ?", [content])
                with suppress(LibraryError):
                    _, arrays = library.load("prior")
                    np.testing.assert_array_equal(arrays["a"], written)

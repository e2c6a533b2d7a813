"""Libraries of older schemas keep their content, and share nothing after the migration."""

import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from handmade import Tiny, demonstrations, metachain

from metachain.data.demonstration import Demonstration
from metachain.embedding.encoder import MiniLM
from metachain.embedding.similarity import normalise_text, text_sha256
from metachain.errors import DataError
from metachain.learning.posterior import adapt
from metachain.learning.prior import learn
from metachain.library.database.schema import SCHEMA_VERSION
from metachain.library.library import Library
from metachain.library.outcomes import Outcome
from metachain.library.sharing import EVERYONE

SECOND = """
CREATE TABLE demonstrations (institution TEXT NOT NULL, id TEXT NOT NULL, input TEXT NOT NULL, output TEXT NOT NULL,
    metadata JSON NOT NULL, PRIMARY KEY (institution, id));
CREATE TABLE embeddings (fingerprint TEXT NOT NULL, text_sha256 VARCHAR(64) NOT NULL, vector BLOB NOT NULL,
    PRIMARY KEY (fingerprint, text_sha256));
CREATE TABLE artifacts (name TEXT NOT NULL, header JSON NOT NULL, arrays BLOB NOT NULL, PRIMARY KEY (name));
CREATE TABLE outcomes (id TEXT NOT NULL, origin TEXT NOT NULL, institution TEXT NOT NULL, input TEXT NOT NULL,
    model TEXT NOT NULL, shown JSON NOT NULL, answer TEXT NOT NULL, metric TEXT NOT NULL, score FLOAT, correction TEXT,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, PRIMARY KEY (id));
CREATE INDEX outcomes_by_institution ON outcomes (institution, origin);
CREATE INDEX outcomes_by_model ON outcomes (model, origin);
CREATE TABLE revisions (institution TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (institution));
PRAGMA application_id = 1835232354;
PRAGMA user_version = 2;
"""
"""The schema as it was before rules."""
MADE = [
    *demonstrations(institutions=4, each=200),
    Demonstration("h9", "  Chest\tX-RAY ", "code 1", "own", {"patient": "p 7"}),
]
ANSWERED = Outcome("run 1", "chain", "h0", "a", "m", (("h1", "x"),), "b", score=0.5)
KILLED = """
import os, signal, sys
from sqlalchemy import Engine, event
from metachain.library.database.connect import open_engine
passed = 0

def after(_connection, _cursor, statement, *_rest):
    global passed
    passed += statement.startswith(("ALTER", "UPDATE", "CREATE", "PRAGMA user_version = "))
    if passed == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

event.listen(Engine, "after_cursor_execute", after)
open_engine(sys.argv[1])
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file of the second schema with something in every table."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(SECOND)
        connection.executemany(
            "INSERT INTO demonstrations VALUES (?, ?, ?, ?, ?)",
            [(one.institution, one.id, one.input, one.output, json.dumps(dict(one.metadata))) for one in MADE],
        )
        vector = Tiny().encode(["kept"])[0].tobytes()
        connection.execute("INSERT INTO embeddings VALUES ('tiny/1', ?, ?)", (sha256(b"kept").hexdigest(), vector))
        connection.execute("INSERT INTO artifacts VALUES ('answers of h0', '{\"answers\": [\"x\"]}', ?)", (_empty(),))
        shown = json.dumps([["h1", "x"]])
        row = ("run 1", "chain", "h0", "a", "m", shown, "b", "", 0.5, None, 0, 0)
        connection.execute("INSERT INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        connection.execute("INSERT INTO revisions VALUES ('h0', 7)")
    return path


def _empty() -> bytes:
    from io import BytesIO

    buffer = BytesIO()
    np.savez_compressed(buffer)
    return buffer.getvalue()


def check_all_there(path: Path) -> None:
    """Check that the library has all the content of the old file."""
    encoder = Tiny()
    with Library.open(path, encoder) as library:
        held = library.demonstrations()
        assert sorted(held, key=lambda one: one.key) == sorted(MADE, key=lambda one: one.key)
        assert {one.key: one.metadata for one in held} == {one.key: one.metadata for one in MADE}
        assert library.outcomes.of(origin="chain") == (ANSWERED,)
        assert library.listed_answers("h0") == ("x",)
        assert library.revision("h0") == 7
        library.vectors([Demonstration("h0", "kept", "x")])
        assert encoder.seen == []


def test_everything_is_there_afterwards(old: Path) -> None:
    """After the migration each text has its hash and each patient their key."""
    check_all_there(old)
    with closing(sqlite3.connect(old)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        found = connection.execute("SELECT institution, input, text_sha256, patient FROM demonstrations").fetchall()
    for institution, given, hashed, patient in found:
        assert hashed == sha256(normalise_text(given).encode()).hexdigest()
        assert patient == ("p 7" if institution == "h9" else None)


def test_nothing_is_shared_until_it_is_said(old: Path) -> None:
    """Nobody is shown anything before ``metachain share LIBRARY --all --with everyone``."""
    with Library.open(old, Tiny()) as library:
        assert library.sharing.grants() == {}
        assert library.shared_demonstrations("new") == ()
        with pytest.raises(DataError, match="have no rule that lets it learn from them"):
            learn(library)
        library.sharing.state_all({name: [EVERYONE] for name in library.institutions()})
        library.sharing.state_all({name: [] for name in library.institutions()})
        assert library.shared_demonstrations("new") == ()
    done = metachain("share", old, "--all", "--with", "everyone")
    assert done.returncode == 0, done.stderr
    with Library.open(old, Tiny()) as library:
        assert adapt(learn(library), library, "new").labels == 0
        assert len(library.shared_demonstrations("new")) == len(MADE)


@pytest.mark.parametrize("moment", [1, 2, 3, 5, 8, 12, 15])
def test_killed_in_the_middle(old: Path, moment: int) -> None:
    """A killed migration leaves the old schema intact, and the next opening migrates it."""
    done = subprocess.run([sys.executable, "-c", KILLED, old, str(moment)], check=False)
    assert done.returncode in {-signal.SIGKILL, 0}
    with closing(sqlite3.connect(old)) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert version == (2 if done.returncode else SCHEMA_VERSION)
    check_all_there(old)


def test_vectors_of_texts_that_were_cut_are_removed(tmp_path: Path) -> None:
    """Only texts that surely fitted into the window, and vectors of encoders that cut nothing, are kept."""
    encoder = MiniLM()
    short, long = Demonstration("a", "cast removal", "1"), Demonstration("a", "the ward was quiet " * 99, "2")
    path = tmp_path / "seventh.db"
    with Library.open(path, encoder) as library:
        library.add([short, long])
        kept, whole = library.vectors([short, long])
    cut = np.eye(384, dtype=np.float32)[0].tobytes()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE embeddings SET vector = ? WHERE length(text_sha256) = 64", (cut,))
        connection.execute(
            "UPDATE embeddings SET vector = ? WHERE text_sha256 = ?", (kept.tobytes(), text_sha256(short.input))
        )
        for name, text in ((encoder.fingerprint, "a query"), ("provider/model-3", long.input)):
            connection.execute("INSERT INTO embeddings VALUES (?, ?, ?)", (name, text_sha256(text), cut))
        connection.execute("PRAGMA user_version = 7")
    with Library.open(path, encoder) as library:
        with closing(sqlite3.connect(path)) as connection:
            left = set(connection.execute("SELECT fingerprint, text_sha256 FROM embeddings"))
        assert left == {
            (encoder.fingerprint, text_sha256(short.input)),
            ("provider/model-3", text_sha256(long.input)),
        }
        found = library.vectors([short, long])
    assert np.array_equal(found[0], kept)
    np.testing.assert_allclose(found[1], whole, rtol=0, atol=1e-6)

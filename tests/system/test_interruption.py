"""Ctrl-C and sudden death: what was acknowledged is kept, nothing is half stored, and running again finishes."""

import json
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from handmade import Tiny, demonstrations, jsonl, metachain

from metachain.data.demonstration import Demonstration
from metachain.library.embedding_cache import TEXTS_A_COMMIT
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE

MANY = 1100
"""More texts than are embedded in one go, and more rows than go into one INSERT."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long, distinct texts, so that SQLite writes some of them to disk before the transaction ends."""
    many = [
        Demonstration(f"h{number % 3}", f"{number} {'long ' * 900}", f"code {number % 4}") for number in range(MANY)
    ]
    return jsonl(tmp_path_factory.mktemp("data") / "many.jsonl", many)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A library that holds and has embedded three institutions already."""
    path = tmp_path / "hospitals.db"
    with Library.open(path, Tiny()) as opened:
        opened.add(demonstrations(), share=EVERYONE)
        opened.vectors(opened.demonstrations())
    return path


def held(library: Path) -> tuple[int, int]:
    """How many demonstrations and how many embeddings a sound library holds."""
    with closing(sqlite3.connect(library)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with Library.open(library, Tiny()) as opened:
        assert set(demonstrations()) <= set(opened.demonstrations())
    with closing(sqlite3.connect(library)) as connection:
        rows, vectors = (
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
            for table in ("demonstrations", "embeddings")
        )
    return rows, vectors


@pytest.mark.parametrize(
    ("moment", "rows", "pages"),
    [("insert:2", 24, 0), ("commit:1", 24, 0), ("embedding:0", 24 + MANY, 0), ("embedding:1024", 24 + MANY, 1)],
)
def test_sudden_death_while_adding(library: Path, data: Path, moment: str, rows: int, pages: int) -> None:
    """Killed at any moment, an add has stored all of its demonstrations or none, and whole pages of embeddings."""
    done = metachain("add", library, data, "--share", "everyone", stop=f"SIGKILL {moment}")
    assert done.returncode == -signal.SIGKILL
    if moment == "commit:1":
        assert Path(f"{library}-wal").exists()
    assert held(library) == (rows, 8 + pages * TEXTS_A_COMMIT)


@pytest.mark.parametrize(("moment", "rows", "pages"), [("insert:3", 24, 0), ("embedding:1024", 24 + MANY, 1)])
def test_ctrl_c_while_adding(library: Path, data: Path, moment: str, rows: int, pages: int) -> None:
    """Ctrl-C ends an add with status 130 and no traceback, as whole as sudden death; running again finishes it."""
    done = metachain("add", library, data, "--share", "everyone", stop=f"SIGINT {moment}")
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    assert held(library) == (rows, 8 + pages * TEXTS_A_COMMIT)
    again = metachain("add", library, data, "--share", "everyone")
    assert again.returncode == 0
    assert f"{24 + MANY - rows} demonstrations added to {library}" in again.stdout
    assert held(library) == (24 + MANY, 8 + MANY)


@pytest.mark.parametrize("moment", ["rehearsing:7", "commit:1"])
def test_ctrl_c_while_learning(library: Path, moment: str) -> None:
    """Ctrl-C ends learning with status 130 and the prior before it is still there; running again finishes."""
    with Library.open(library) as opened:
        opened.save("prior", {"before": True}, {})
    done = metachain("learn", library, stop=f"SIGINT {moment}")
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    with Library.open(library) as opened:
        assert opened.load("prior")[0] == {"before": True}
    if moment == "rehearsing:7":
        assert "what was stored is kept, run the command again" in done.stderr
        assert "learned from 3 institutions" in metachain("learn", library).stdout


def test_ctrl_c_while_evaluating(tmp_path: Path) -> None:
    """Ctrl-C ends an evaluation with status 130, an older result is left as it was, and running again finishes."""
    data = jsonl(tmp_path / "data.jsonl", demonstrations(3, 12))
    scores = tmp_path / "scores.json"
    scores.write_text("older")
    arguments = ("evaluate", data, "--labels", "0", "--seeds", "1", "--json", scores, "--cache", tmp_path / "cache.db")
    done = metachain(*arguments, stop="SIGINT evaluating:1")
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    assert scores.read_text() == "older"
    assert sorted(os.listdir(tmp_path)) == ["cache.db", "data.jsonl", "scores.json"]
    assert metachain(*arguments).returncode == 0
    assert json.loads(scores.read_text())["scores"]

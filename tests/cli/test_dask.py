"""Dask from the command line: the library is that of one process, and Ctrl-C leaves no worker and loses nothing."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from subprocess import CompletedProcess
from time import monotonic, sleep

import psutil
import pytest
from behind import rows
from distributed import Client, LocalCluster, Worker
from handmade import Tiny, demonstrations, jsonl, metachain
from provider_cases import CLIENTS_OWN

from metachain.cli.app import main
from metachain.data.demonstration import Demonstration
from metachain.data.synthetic import WorldSettings, generate_world
from metachain.library import embedding_cache
from metachain.library.embedding_cache import TEXTS_A_COMMIT
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE
from metachain.workers import local_cluster

pytestmark = pytest.mark.filterwarnings(*CLIENTS_OWN)

WORLD = generate_world(WorldSettings(institutions=6, systems=2, demonstrations=40, misleading=0))
HALF = len(WORLD) // 2
TOLD = "stopped; what was stored is kept, run the command again to go on"
QUICKLY = 15
"""Seconds in which a command ends, on a machine that is busy: Dask gives a task that is under way four."""
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
STORED = (
    "SELECT * FROM demonstrations ORDER BY institution, id",
    "SELECT * FROM embeddings ORDER BY fingerprint, text_sha256",
    "SELECT * FROM grants ORDER BY institution, number",
    "SELECT * FROM artifacts ORDER BY name",
    "SELECT id, origin, institution, input, model, shown, answer, metric, score FROM outcomes ORDER BY id",
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Two worker processes."""
    with local_cluster(2) as made:
        yield made


def done_by(cluster: LocalCluster) -> int:
    """How many tasks the workers have done."""

    def count(dask_worker: Worker) -> int:
        return dask_worker.state.executed_count

    with Client(cluster) as client:
        return sum(client.run(count).values())


def stored(place: str) -> list[list[str]]:
    """All that a library holds, without the times of day."""
    return [[TIME.sub("TIME", repr(row)) for row in rows(place, query, keeper="yes")] for query in STORED]


def test_a_library_is_that_of_one_process(
    cluster: LocalCluster, new_place: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is added, embedded, answered and learned on workers, in either engine; nothing is embedded here."""
    encoders: list[Tiny] = []
    monkeypatch.setattr("metachain.library.library.MiniLM", lambda: encoders.append(Tiny()) or encoders[-1])
    monkeypatch.setattr(embedding_cache, "TEXTS_A_COMMIT", 16)
    first, rest = (jsonl(tmp_path / f"{at}.jsonl", some) for at, some in enumerate((WORLD[:HALF], WORLD[HALF:])))

    def made(*further: str) -> str:
        place = new_place()
        for command in (
            ("add", place, str(first), "--share", "everyone", *further),
            ("add", place, str(rest), "--share", "everyone", "--no-embed"),
            ("learn", place, "--model", "offline", "--calls", "40", *further),
        ):
            monkeypatch.setattr(sys, "argv", ["metachain", *command])
            with pytest.raises(SystemExit) as ended:
                main()
            assert not ended.value.code
        return place

    before = done_by(cluster)
    there = made("--dask", cluster.scheduler_address)
    texts = len({one.input for one in WORLD})
    assert done_by(cluster) - before > texts // 16 + 40 / 2
    assert [one.seen for one in encoders if one.seen] == []
    assert stored(there) == stored(made())
    assert [len(some) > 0 for some in stored(there)] == [True] * len(STORED)


def interrupted(mark: object, moment: str, *arguments: object) -> CompletedProcess[str]:
    """Run a command on two workers until Ctrl-C at a moment, as a terminal sends it; none of its processes is left."""
    done = metachain(
        *arguments,
        *("--dask", "local:2"),
        stop=f"SIGINT+ {moment}",
        environment={"TINY_MARK": str(mark)},
        start_new_session=True,
    )
    assert done.returncode == 130
    assert TOLD in done.stderr
    assert "Traceback" not in done.stderr
    until = monotonic() + QUICKLY
    while left := [one for one in psutil.process_iter() if marked(one) == str(mark)]:
        assert monotonic() < until, left
        sleep(0.05)
    return done


def marked(process: psutil.Process) -> str:
    """Whose process it is, among those of ``interrupted``."""
    with suppress(psutil.Error):
        return process.environ().get("TINY_MARK", "")
    return ""


@pytest.mark.parametrize("new_place", ["sqlite"], indirect=True)
def test_ctrl_c_while_embedding(place: str, tmp_path: Path) -> None:
    """The vectors that had arrived are kept, and all demonstrations."""
    many = [Demonstration("h0", f"text {number}", "code") for number in range(3 * TEXTS_A_COMMIT)]
    interrupted(
        place, f"embedding:{TEXTS_A_COMMIT}", "add", place, jsonl(tmp_path / "many.jsonl", many), "--share", "everyone"
    )
    assert rows(place, "SELECT count(*) FROM demonstrations") == [(len(many),)]
    assert rows(place, "SELECT count(*) FROM embeddings") == [(TEXTS_A_COMMIT,)]


@pytest.mark.parametrize("new_place", ["postgresql"], indirect=True)
def test_ctrl_c_while_a_model_is_asked(place: str) -> None:
    """The answers that had arrived are kept, in PostgreSQL."""
    with Library.open(place, Tiny()) as library:
        library.add(WORLD[:HALF], share=EVERYONE)
    interrupted(place, "commit:30", "learn", place, "--model", "offline", "--calls", 200)
    ((kept,),) = rows(place, "SELECT count(*) FROM outcomes", keeper="yes")
    assert 10 < kept < 40


def test_ctrl_c_while_evaluating(tmp_path: Path) -> None:
    """An older result is left as it was."""
    scores = tmp_path / "scores.json"
    scores.write_text("older")
    data = jsonl(tmp_path / "data.jsonl", demonstrations(4, 24))
    options = ("--labels", "0,4", "--seeds", "1", "--json", scores, "--cache", tmp_path / "cache.db")
    interrupted(tmp_path, "evaluating:1", "evaluate", data, *options)
    assert scores.read_text() == "older"
    assert sorted(os.listdir(tmp_path)) == ["cache.db", "data.jsonl", "scores.json"]

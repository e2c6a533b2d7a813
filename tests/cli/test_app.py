"""The command line, run as a process."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from handmade import Tiny, demonstrations, jsonl, learned_library, metachain

from metachain import __version__
from metachain.data.demonstration import Demonstration
from metachain.library.library import Library

COMMANDS = (
    "add",
    "share",
    "group",
    "learn",
    "statistics",
    "forget",
    "adapt",
    "select",
    "ask",
    "label",
    "evaluate",
    "diagnose",
    "demo",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four institutions in two groups with twelve demonstrations each."""
    return jsonl(tmp_path_factory.mktemp("data") / "data.jsonl", demonstrations(4, 12))


def test_the_main_job_with_the_real_encoder(tmp_path: Path, data: Path) -> None:
    """Add, learn, adapt and select work one after the other on MiniLM, and the chosen come with their reasons."""
    library = tmp_path / "hospitals.db"
    support = jsonl(
        tmp_path / "support.jsonl", [{"input": one.input, "output": one.output} for one in demonstrations(1, 6)]
    )
    for arguments, said in (
        (("add", library, data, "--share", "everyone"), f"48 demonstrations added to {library}, 0 were there already"),
        (("learn", library), "learned from 4 institutions"),
        (("adapt", library, "new", support), "adapted to new with 6 labels"),
        (("select", library, "new", "radiograph of the liver", "-k", 3), "x-ray of the liver 0"),
    ):
        done = metachain(*arguments, tiny=False)
        assert done.returncode == 0, done.stderr
        assert said in done.stdout
    assert "similar, answer" in done.stdout
    assert "your own label" in done.stdout or "from h" in done.stdout


def test_evaluate_writes_what_it_promises(tmp_path: Path, data: Path) -> None:
    """Evaluate prints a table and a verdict, and writes JSON and a report."""
    scores, report = tmp_path / "scores.json", tmp_path / "report.html"
    arguments = (
        "evaluate",
        data,
        "--labels",
        "0,4",
        "--seeds",
        "1",
        "--protocol",
        "group",
        "--cache",
        tmp_path / "c.db",
    )
    done = metachain(*arguments, "--json", scores, "--report", report)
    assert done.returncode == 0, done.stderr
    assert "semantic" in done.stdout
    assert f"scores: {scores}" in done.stdout
    result = json.loads(scores.read_text())
    assert (result["dataset"], result["protocol"], result["seeds"]) == ("data.jsonl", "group", [0])
    assert "</html>" in report.read_text()


def test_evaluate_is_an_instrument(tmp_path: Path, data: Path) -> None:
    """Readers, a smaller past and each institution are printed and written; the main scores stay those without them."""
    scores = [tmp_path / "plain.json", tmp_path / "more.json"]
    arguments = ("evaluate", data, "--labels", "0,4", "--seeds", "1", "--selectors", "semantic,metachain")
    more = (
        "--readers",
        "all",
        "--past",
        "2,50,all",
        "--ablate",
        "vote,guard",
        "--per-institution",
        "--report",
        tmp_path / "report.html",
    )
    for path, options in zip(scores, ((), more), strict=True):
        done = metachain(*arguments, *options, "--json", path, "--cache", tmp_path / "c.db")
        assert done.returncode == 0, done.stderr
    for said in (
        "by reader",
        "by past institutions",
        "--past 50 left out",
        "each institution at 4 labels",
        "h3",
        "each part is worth",
    ):
        assert said in done.stdout
    plain, found = (json.loads(path.read_text()) for path in scores)
    assert [row for row in found["scores"] if "-" not in row["selector"]] == plain["scores"]
    assert [row for row in found["summary"] if "-" not in row["selector"]] == plain["summary"]
    assert [found[key] for key in ("harm", "calibration")] == [plain[key] for key in ("harm", "calibration")]
    assert list(found)[-7:] == ["harm", "transfer", "origins", "calibration", "ablation", "readers", "past"]
    assert {row["part"] for row in found["ablation"]} == {"vote", "guard"}
    assert list(found["readers"]) == ["majority", "copy", "dense"]
    assert [part["past"] for part in found["past"]] == [2]
    assert "Gain by past institutions" in (tmp_path / "report.html").read_text()


def test_ask_answers_offline(tmp_path: Path) -> None:
    """Ask prints the offline model's answer and nothing else."""
    library = learned_library(tmp_path / "x.db", demonstrations())
    done = metachain("ask", library, "new", "x-ray of the knee 0")
    assert (done.returncode, done.stdout.startswith("code ")) == (0, True), done.stderr


def test_help_names_every_command() -> None:
    """``python -m metachain``, the console script and no arguments at all show the same commands."""
    script = Path(sys.executable).with_name("metachain")
    shown = [
        metachain("--help", tiny=False).stdout,
        subprocess.run([script, "--help"], capture_output=True, text=True, check=True).stdout,
    ]
    without = metachain(tiny=False)
    for text in (*shown, without.stdout + without.stderr):
        assert all(command in text for command in COMMANDS)


def test_the_version_is_printed() -> None:
    """``--version`` prints the package's version and nothing else."""
    done = metachain("--version", tiny=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"metachain {__version__}\n", "")


def test_an_error_is_one_message_and_status_2(tmp_path: Path) -> None:
    """An error of ours goes to standard error without a traceback, and nothing goes to standard output."""
    done = metachain("learn", tmp_path / "nowhere.db")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: there is no library at ")
    assert "Traceback" not in done.stderr


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path, data: Path) -> None:
    """Where standard output is closed, as by ``| head -1``, the command ends without a traceback."""
    library = learned_library(tmp_path / "x.db", demonstrations())
    for arguments in (("add", library, data, "--share", "everyone"), ("select", library, "new", "knee"), ("--help",)):
        reading, writing = os.pipe()
        os.close(reading)
        done = metachain(*arguments, stdout=writing)
        os.close(writing)
        assert "Traceback" not in done.stderr
        assert "Exception" not in done.stderr
    with Library.open(library, Tiny()) as opened:
        assert opened.counts() == {"h0": 12, "h1": 12, "h2": 12, "h3": 12}


def test_a_terminal_of_another_encoding_is_served(tmp_path: Path) -> None:
    """Where the terminal can't show a character, its code is shown and the command ends well."""
    path = jsonl(tmp_path / "data.jsonl", demonstrations())
    library = tmp_path / "🏥.db"
    done = metachain("add", library, path, environment={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert r"\U0001f3e5.db" in done.stdout


def test_what_is_stored_can_not_steer_the_terminal(tmp_path: Path) -> None:
    """Markup, emoji codes and escape sequences in texts and names are shown as they are, or not at all."""
    odd = "[/b][red]:x: \x1b[31mknee\x07"
    texts = [Demonstration(f"[/h{place}]", odd, "[bold]\x1b[2J") for place in range(2)]
    library = learned_library(tmp_path / "[x].db", texts)
    assert "adapted to [/new] with 0 labels" in metachain("adapt", library, "[/new]").stdout
    shown = metachain("select", library, "[/new]", odd, "-k", 1, environment={"COLUMNS": "200"})
    assert shown.returncode == 0, shown.stderr
    assert "[/b][red]:x: \ufffd[31mknee\ufffd" in shown.stdout
    assert "from [/h" in shown.stdout
    assert "\x1b" not in shown.stdout


def test_two_processes_add_at_once(tmp_path: Path) -> None:
    """Two processes that fill the same new library at the same time both succeed, and all is stored once."""
    library = tmp_path / "x.db"
    shared = demonstrations(100, 12)
    halves = [jsonl(tmp_path / f"{half}.jsonl", shared[half * 400 : half * 400 + 800]) for half in range(2)]
    program = str(Path(__file__).parents[1] / "support" / "tiny_cli.py")
    running = [
        subprocess.Popen(
            [sys.executable, program, "add", library, half], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for half in halves
    ]
    for one in running:
        _, complaint = one.communicate(timeout=120)
        assert one.returncode == 0, complaint.decode()
    with Library.open(library, Tiny()) as opened:
        assert set(opened.demonstrations()) == set(shared)
        opened.vectors(opened.demonstrations())
        assert isinstance(opened.encoder, Tiny)
        assert opened.encoder.seen == []
    with closing(sqlite3.connect(library)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)

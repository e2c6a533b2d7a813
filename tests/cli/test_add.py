"""``metachain add``: what it prints, what it writes, and what it leaves for later."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from handmade import Tiny, demonstrations, jsonl, metachain, obey_permissions

from metachain.library.library import Library

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Run the command line as a process in an empty folder; status, standard output, standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        done = metachain(*arguments, cwd=tmp_path, environment={"COLUMNS": "300"})
        return done.returncode, done.stdout, done.stderr

    return run


def test_bad_rows_are_summed_up_and_written(command: Command, tmp_path: Path) -> None:
    """The first five reasons are shown, all are in a file of the data's name in the folder one is in."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    jsonl(folder / "data.jsonl", ["\x1b[31m", *demonstrations(), *[{"institution": "\x1b[31m"}] * 6])
    status, said, wrong = command("add", "x.db", folder / "data.jsonl")
    assert status == 3
    assert "7 of 31 rows of" in wrong
    assert "the other 24 are kept in the library" in wrong
    assert said.splitlines() == [
        "24 demonstrations added to x.db, 0 were there already",
        "7 row(s) rejected, written with their reasons to data.jsonl.rejected.jsonl",
        "  line 1: not JSON (Expecting value at column 1)",
        *[f"  line {number}: missing field(s) 'input', 'output'" for number in range(26, 30)],
        "  … and 2 more",
    ]
    lines = (tmp_path / "data.jsonl.rejected.jsonl").read_text().splitlines()
    assert [json.loads(line)["line"] for line in lines] == [1, *range(26, 32)]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["data.jsonl.rejected.jsonl", "elsewhere", "x.db"]


def test_rejected_rows_can_be_mended_and_added(command: Command, tmp_path: Path) -> None:
    """The records of rejected rows have our field names, so that they can be added once they are mended."""
    (tmp_path / "data.csv").write_text("text;code;ward\nx;1;w\ny;;w\n")
    options = ("--column", "input=text", "--column", "output=code", "--column", "metadata.ward=ward", "--rejected", "r")
    assert command("add", "x.db", "data.csv", "--institution", "a", *options, "--reject-at-most", "50%")[0] == 0
    record = json.loads((tmp_path / "r").read_text())["record"]
    assert record == {"input": "y", "metadata": {"ward": "w"}}
    jsonl(tmp_path / "mended.jsonl", [{**record, "output": "2"}])
    assert "1 demonstrations added" in command("add", "x.db", "mended.jsonl", "--institution", "a")[1]
    with Library.open(tmp_path / "x.db", Tiny()) as library:
        found = {(one.input, one.output, one.metadata["ward"]) for one in library.demonstrations("a")}
    assert found == {("x", "1", "w"), ("y", "2", "w")}


def test_strict_stores_and_writes_nothing(command: Command, tmp_path: Path) -> None:
    """With --strict a bad row is an error that names file and line, and there is no other file than the library."""
    jsonl(tmp_path / "data.jsonl", [*demonstrations(), "oops"])
    status, said, wrong = command("add", "x.db", "data.jsonl", "--strict")
    assert (status, said) == (2, "")
    assert "error: data.jsonl: 1 bad row(s), nothing was stored. Correct or remove:\n  line 25: not JSON" in wrong
    assert sorted(one.name for one in tmp_path.iterdir()) == ["data.jsonl", "x.db"]
    with Library.open(tmp_path / "x.db", Tiny()) as library:
        assert library.counts() == {}


def test_where_no_row_can_be_used_the_command_fails(command: Command, tmp_path: Path) -> None:
    """Rejected rows alone are an error, and they are written all the same."""
    jsonl(tmp_path / "data.jsonl", ["oops"] * 2)
    status, said, wrong = command("add", "x.db", "data.jsonl")
    assert (status, "2 row(s) rejected" in said) == (2, True)
    assert "error: none of the 2 row(s) of data.jsonl could be used" in wrong
    assert len((tmp_path / "data.jsonl.rejected.jsonl").read_text().splitlines()) == 2


def test_embedding_can_wait(command: Command, tmp_path: Path) -> None:
    """With --no-embed nothing is embedded; the next add of the same file embeds all of it."""
    jsonl(tmp_path / "data.jsonl", demonstrations())
    assert "embedding" not in command("add", "x.db", "data.jsonl", "--no-embed")[2]
    with Library.open(tmp_path / "x.db", Tiny()) as library:
        assert library.counts() == {"h0": 8, "h1": 8, "h2": 8}
    assert "24/24" in command("add", "x.db", "data.jsonl")[2]
    with Library.open(tmp_path / "x.db", Tiny()) as library:
        library.vectors(library.demonstrations())
        assert isinstance(library.encoder, Tiny)
        assert library.encoder.seen == []


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--strict", "--rejected", "r"], "--strict refuses the whole file and writes no rejected rows"),
        (["--rejected", "data.jsonl"], "--rejected would overwrite data.jsonl, which is read; name another file"),
        (["--rejected", "x.db"], "--rejected would overwrite x.db"),
        (["--rejected", "nowhere/r"], "can't write nowhere/r: "),
        (["--column", "text"], "--column takes FIELD=COLUMN"),
        (["--format", "xml"], "unknown format 'xml'; known: jsonl, csv, tsv, parquet, dataset"),
        (["--format", "csv"], "no column(s) 'institution', 'input', 'output'; it has: "),
        (["--share", "group:"], "an audience is everyone, nobody, group:NAME"),
    ],
)
def test_what_can_not_be_is_said_before_a_library_is_made(
    command: Command, tmp_path: Path, options: list[str], complaint: str
) -> None:
    """Options that contradict each other, or the file, are refused, and the folder is left as it was."""
    data = jsonl(tmp_path / "data.jsonl", demonstrations())
    before = data.read_bytes()
    status, said, wrong = command("add", "x.db", "data.jsonl", *options)
    assert (status, said) == (2, "")
    assert f"error: {complaint}" in wrong or f"data.jsonl: {complaint}" in wrong
    assert [one.name for one in tmp_path.iterdir()] == ["data.jsonl"]
    assert data.read_bytes() == before


@pytest.mark.skipif(sys.platform != "linux", reason="root gives up its rights by a call that only Linux has")
def test_what_may_not_be_read_or_written_is_named(tmp_path: Path) -> None:
    """A file without permission is an error; in a folder without it, a bad row is, and --rejected is the way out."""
    data, secret = jsonl(tmp_path / "data.jsonl", [*demonstrations(), "oops"]), jsonl(tmp_path / "secret.jsonl", [])
    folder = tmp_path / "read-only"
    folder.mkdir(0o555)
    secret.chmod(0)
    done = metachain("add", tmp_path / "x.db", secret, preexec_fn=obey_permissions, environment={"COLUMNS": "300"})
    assert (done.returncode, "secret.jsonl' is not readable" in done.stderr) == (2, True)
    where = {"cwd": folder, "preexec_fn": obey_permissions}
    done = metachain("add", tmp_path / "x.db", data, **where)
    assert (done.returncode, "can't write data.jsonl.rejected.jsonl: " in done.stderr) == (2, True)
    with Library.open(tmp_path / "x.db", Tiny()) as library:
        assert library.counts() == {}
    done = metachain("add", tmp_path / "x.db", data, "--rejected", tmp_path / "r", "--reject-at-most", "0.1", **where)
    assert (done.returncode, "24 demonstrations added" in done.stdout) == (0, True)

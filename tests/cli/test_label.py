"""``metachain label``, run as a process."""

import json
from pathlib import Path

import pytest
from handmade import demonstrations, jsonl, learned_library, metachain

from metachain.data.demonstration import Demonstration

WIDE = {"COLUMNS": "240"}
INPUTS = [f"x-ray of the {word}" for word in ("chest 0", "knee 0", "brain 1", "spine 0", "left wrist")]


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Four past institutions; ``new`` is adapted to, without labels."""
    return learned_library(tmp_path / "x.db", demonstrations(4, 12))


@pytest.fixture
def unlabelled(tmp_path: Path) -> Path:
    """Five inputs, one a line, with another field that is ignored."""
    return jsonl(tmp_path / "unlabelled.jsonl", [{"input": text, "note": 1} for text in INPUTS])


def test_suggestions_are_printed_and_written_to_be_filled_in(tmp_path: Path, library: Path, unlabelled: Path) -> None:
    """The table and the JSON Lines hold the same texts in the same order; filled in, they are what adapt takes."""
    target = tmp_path / "todo.jsonl"
    done = metachain("label", library, "new", unlabelled, "--budget", 3, "--json", target, environment=WIDE)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert [set(one) for one in records] == [{"institution", "input", "output"}] * 3
    assert {(one["institution"], one["output"]) for one in records} == {("new", "")}
    for place, one in enumerate(records, start=1):
        assert f"│ {place} │ {one['input']} " in done.stdout
    assert "past institutions" in done.stdout
    filled = jsonl(tmp_path / "filled.jsonl", [{**one, "output": "code 1"} for one in records])
    assert "adapted to new with 3 labels" in metachain("adapt", library, "new", filled).stdout
    again = metachain("label", library, "new", unlabelled, "--json", target)
    assert again.returncode == 0, again.stderr
    left = {json.loads(line)["input"] for line in target.read_text(encoding="utf-8").splitlines()}
    assert left == set(INPUTS) - {one["input"] for one in records}


def test_an_institution_never_adapted_to_is_served(tmp_path: Path, library: Path) -> None:
    """One that the library has never heard of is taken as without labels, and a demonstration file will do."""
    full = jsonl(tmp_path / "full.jsonl", [Demonstration("other", text, "code") for text in INPUTS])
    done = metachain("label", library, "brand new", full, "--budget", 2, environment=WIDE)
    assert done.returncode == 0, done.stderr
    assert "what brand new should label next" in done.stdout


def test_nothing_to_label_is_said(library: Path, unlabelled: Path) -> None:
    """A budget of 0 prints that there is nothing to suggest."""
    assert "nothing to suggest" in metachain("label", library, "new", unlabelled, "--budget", 0).stdout


def test_bad_lines_are_named(tmp_path: Path, library: Path) -> None:
    """Every bad line is named with its number and what is wrong with it, and nothing is printed or written."""
    lines = ['{"input": "fine"}', "{", '{"text": "no input"}', '{"input": "  "}', '{"input": 3}', "[]"]
    path, target = jsonl(tmp_path / "bad.jsonl", lines), tmp_path / "todo.jsonl"
    done = metachain("label", library, "new", path, "--json", target)
    assert (done.returncode, done.stdout, target.exists()) == (2, "", False)
    for said in (
        "line 2: not JSON",
        "line 3: missing field 'input'",
        "line 4: 'input' is blank",
        "line 5: 'input' must be a string, got a number",
        "line 6: expected an object, got a list",
    ):
        assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_missing_is_named(tmp_path: Path, library: Path, unlabelled: Path) -> None:
    """No file, an empty file, no library, no prior, a file to be overwritten: one message each, and status 2."""
    empty = jsonl(tmp_path / "empty.jsonl", [])
    plain = tmp_path / "plain.db"
    assert metachain("add", plain, jsonl(tmp_path / "d.jsonl", demonstrations()), "--share", "everyone").returncode == 0
    for arguments, said in (
        ((library, "new", tmp_path / "nowhere.jsonl"), "can't read"),
        ((library, "new", empty), "is empty: expected one"),
        ((tmp_path / "nowhere.db", "new", unlabelled), "there is no library at"),
        ((plain, "new", unlabelled), "the library holds no prior"),
        ((library, "new", unlabelled, "--json", unlabelled), "would overwrite"),
        ((library, "new", unlabelled, "--json", tmp_path / "no" / "x"), "does not exist"),
        ((library, " ", unlabelled), "'institution' is blank"),
    ):
        done = metachain("label", *arguments)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert done.stderr.startswith("error: ")
        assert said in done.stderr

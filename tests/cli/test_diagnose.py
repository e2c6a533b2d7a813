"""``metachain diagnose`` as a process."""

import json
from pathlib import Path

import pytest
from handmade import Tiny, demonstrations, metachain

from metachain.data.demonstration import Demonstration
from metachain.evaluation.conditions import RULES
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE


def library_of(path: Path, made: list[Demonstration]) -> Path:
    """Make a library that holds some demonstrations."""
    with Library.open(path, Tiny()) as library:
        library.add(made, share=EVERYONE)
    return path


def test_it_prints_ten_conditions_and_a_verdict(tmp_path: Path) -> None:
    """Each condition has its line, the verdict ends the output, and the JSON holds the same."""
    library, json_file = library_of(tmp_path / "x.db", demonstrations(5, 24)), tmp_path / "found.json"
    done = metachain("diagnose", library, "--json", json_file, environment={"COLUMNS": "100"})
    assert done.returncode == 0, done.stderr
    found = json.loads(json_file.read_text())
    assert [one["name"] for one in found["conditions"]] == [one.name for one in RULES]
    for one in found["conditions"]:
        (line,) = [line for line in done.stdout.splitlines() if line.startswith(f"│ {one['name']} ")]
        assert {True: " yes ", False: " no ", None: " can't tell "}[one["holds"]] in line
        assert one["side"] in line
    assert "5 institutions, 120 demonstrations" in done.stdout
    assert [one["labels"] for one in found["forecast"]] == [4, 16, 32]
    assert "forecast of the gain at a new institution" in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("│ 4 ")]
    assert f"{found['forecast'][0]['over_nearest']['mean']:+.1%}".rstrip("%") in line
    assert f"{found['verdict']}: {found['advice']}" in done.stdout
    assert f"diagnosis: {json_file}" in done.stdout
    assert "rehearsing" in done.stderr


@pytest.mark.parametrize("institutions", [0, 1, 2])
def test_small_libraries_end_well(tmp_path: Path, institutions: int) -> None:
    """A library of hardly anything is told not to bother."""
    done = metachain("diagnose", library_of(tmp_path / "x.db", demonstrations(institutions, 1)))
    assert done.returncode == 0, done.stderr
    assert "can't tell" in done.stdout
    assert "meta-learning does not pay: a single task" in done.stdout


def test_mistakes_are_one_message(tmp_path: Path) -> None:
    """No library, a senseless budget, or a JSON file over the library: status 2, and nothing is written."""
    library = library_of(tmp_path / "x.db", demonstrations(2, 2))
    before = library.read_bytes()
    for arguments, said in (
        ((tmp_path / "nowhere.db",), "there is no library at"),
        ((library, "--seconds", 0), "seconds must be a positive number"),
        ((library, "--json", library), "is given twice"),
    ):
        done = metachain("diagnose", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    assert library.read_bytes() == before

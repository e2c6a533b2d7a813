"""Several answers of one institution to one text, as the command line tells them."""

import json
from pathlib import Path

from handmade import Tiny, demonstrations, jsonl, learned_library, metachain

from metachain.data.demonstration import Demonstration
from metachain.library.library import Library

WIDE = {"COLUMNS": "300"}
OLD, NEW = Demonstration("new", "hip", "0320"), Demonstration("new", "hip.", "0324")


def test_adding_and_adapting_tell_of_conflicts(tmp_path: Path) -> None:
    """With the number and an example, at each command; a file without a conflict says nothing of any."""
    place = learned_library(str(tmp_path / "h.db"), demonstrations())
    old, new = jsonl(tmp_path / "old.jsonl", [OLD]), jsonl(tmp_path / "new.jsonl", [NEW])
    assert "several answers" not in metachain("add", place, old, environment=WIDE).stdout
    told = "1 text(s) of new have several answers: the newest counts. 'hip.' was '0320', and is '0324'. "
    assert told in metachain("add", place, new, environment=WIDE).stdout
    adapted = metachain("adapt", place, "new", new, environment=WIDE)
    assert told in adapted.stdout
    assert "with 1 labels" in adapted.stdout
    back = metachain("adapt", place, "new", old, environment=WIDE).stdout
    assert "'hip' was '0324', and is '0320'" in back


def test_both_can_be_kept(tmp_path: Path) -> None:
    """The mark stands in the metadata, so that exports carry it; both are then labels."""
    for command in ("add", "adapt"):
        place = learned_library(str(tmp_path / f"{command}.db"), demonstrations())
        target = ["new"] if command == "adapt" else []
        for one in (OLD, NEW):
            file = jsonl(tmp_path / "one.jsonl", [one])
            done = metachain(command, place, *target, file, "--keep-both", environment=WIDE)
            assert done.returncode == 0
            assert "several answers" not in done.stdout
        with Library.open(place, Tiny()) as library:
            assert [one.metadata for one in library.demonstrations("new") if one.input.startswith("hip")] == [
                {"keep_both": True}
            ] * 2


def test_the_advice_to_keep_both_works_for_what_is_stored(tmp_path: Path) -> None:
    """A file that comes again with the option marks its demonstrations; without it nothing changes."""
    place = learned_library(str(tmp_path / "h.db"), demonstrations())
    old, new = jsonl(tmp_path / "old.jsonl", [OLD]), jsonl(tmp_path / "new.jsonl", [NEW])
    for file in (old, new):
        metachain("add", place, file)
    again = metachain("add", place, new, "--keep-both", environment=WIDE).stdout
    assert "0 demonstrations added" in again
    assert "several answers" not in again
    assert "several answers" not in metachain("adapt", place, "new", new, environment=WIDE).stdout


def test_diagnose_counts_them(tmp_path: Path) -> None:
    """In the title and in the file."""
    place = learned_library(str(tmp_path / "h.db"), demonstrations())
    with Library.open(place, Tiny()) as library:
        for one in (OLD, NEW):
            library.add([one])
    done = metachain("diagnose", place, "--json", tmp_path / "found.json", environment=WIDE)
    assert "1 text(s) with several answers of one institution" in done.stdout
    assert json.loads((tmp_path / "found.json").read_text())["conflicts"] == 1

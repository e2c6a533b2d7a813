"""A library whose answers are sets of labels: stored, compared, listed, renamed and corrected in one form."""

from pathlib import Path

import pytest
from handmade import Tiny

from metachain.data.demonstration import Demonstration
from metachain.errors import DataError
from metachain.library.library import Library
from metachain.library.outcomes import Outcome


def opened(path: Path | str, separator: str = "") -> Library:
    """Open a library with a tiny encoder."""
    return Library.open(str(path), Tiny(), label_separator=separator)


def outputs(library: Library) -> list[str]:
    """All outputs in alphabetical order."""
    return sorted(one.output for one in library.demonstrations())


def test_the_same_set_in_another_order_is_the_same_demonstration(tmp_path: Path) -> None:
    """Order, duplicates and blanks don't count; a set without labels is refused."""
    with opened(tmp_path / "l.db", ";") as library:
        added = library.add([Demonstration("n", "fever", "R50;R05"), Demonstration("n", "fever", "R05 ; R50;;R05")])
        assert (added.stored, added.duplicates, outputs(library)) == (1, 1, ["R05; R50"])
        reasons: list[str] = []
        library.add([Demonstration("n", "rash", " ; ;")], refused=lambda _, reason: reasons.append(reason))
        assert "no label" in reasons[0]
    with opened(tmp_path / "l.db") as again:
        assert again.label_separator == ";"
        assert again.learned() == ()
        again.add([Demonstration("n", "rash", "B;A")])
        assert outputs(again) == ["A; B", "R05; R50"]


def test_a_library_that_is_filled_is_brought_into_the_form(tmp_path: Path) -> None:
    """Demonstrations and lists from before; another separator later is refused."""
    with opened(tmp_path / "l.db") as library:
        library.add([Demonstration("n", "fever", "R50;R05"), Demonstration("n", "fever", "R05; R50")])
        library.add([Demonstration("n", "rash", "L20")])
        library.list_answers("n", ["R50;R05", "L20"])
        assert len(outputs(library)) == 3
        library.separate_labels(";")
        assert outputs(library) == ["L20", "R05; R50"]
        assert library.listed_answers("n") == ("L20", "R05", "R50")
        library.separate_labels(";")
        with pytest.raises(DataError, match="separated by ';' already"):
            library.separate_labels("|")


def test_lists_look_alikes_and_renaming_know_the_labels(tmp_path: Path) -> None:
    """A list of labels is known by sets; look-alikes are labels; a renamed label is renamed in its sets."""
    with opened(tmp_path / "l.db", ";") as library:
        library.add([Demonstration("n", "fever", "R50;R05"), Demonstration("m", "cough", "r05")])
        assert library.list_answers("n", ["R50;R05"]) == ("R05", "R50")
        assert library.look_alikes().labels == (("R05", "r05"),)
        library.rename_label("r05", "R05")
        library.rename_label("R05", "A00")
        assert outputs(library) == ["A00", "A00; R50"]
        assert library.listed_answers("n") == ("A00", "R50")


def test_a_correction_is_stored_as_a_set(tmp_path: Path) -> None:
    """Feedback in another order says the same."""
    with opened(tmp_path / "l.db", ";") as library:
        library.outcomes.record([Outcome("1", "chain", "n", "fever", "m", (), "R05")])
        assert library.record_feedback("1", correction="R50;R05").correction == "R05; R50"
        assert outputs(library) == ["R05; R50"]
        with pytest.raises(DataError, match="no label"):
            library.record_feedback("1", correction=";;")


def test_without_a_separator_nothing_changes(tmp_path: Path) -> None:
    """Outputs with signs in them stay as they are."""
    with opened(tmp_path / "l.db") as library:
        library.add([Demonstration("n", "fever", "R50;R05"), Demonstration("n", "fever!", "R05; R50")])
        assert outputs(library) == ["R05; R50", "R50;R05"]
        assert library.label_sets is None

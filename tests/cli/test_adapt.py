"""``metachain adapt --answers``, run as a process."""

from pathlib import Path

import pytest
from handmade import Tiny, demonstrations, jsonl, learned_library, metachain

from metachain.learning.artifacts import load_posterior
from metachain.library.library import Library


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Four past institutions that give the codes 0 to 3; ``new`` is adapted to, without labels."""
    return learned_library(tmp_path / "x.db", demonstrations(4, 12))


def listed(library: Path) -> tuple[str, ...]:
    """The answers listed for ``new``."""
    with Library.open(library, Tiny()) as opened:
        return opened.listed_answers("new")


def test_answers_are_stored_before_adapting(tmp_path: Path, library: Path) -> None:
    """The posterior heeds the list; another list replaces it; adapting without one leaves it."""
    codes = tmp_path / "codes.txt"
    codes.write_text("code 1\ncode 1\n\ncode 2\n", encoding="utf-8")
    support = jsonl(tmp_path / "support.jsonl", [{"input": "x-ray of the knee 0", "output": "code 1"}])
    done = metachain("adapt", library, "new", support, "--answers", codes)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "2 answers listed for new"
    assert "adapted to new with 1 labels" in done.stdout
    assert listed(library) == ("code 1", "code 2")
    with Library.open(library, Tiny()) as opened:
        assert load_posterior(opened, "new").fit.listed is not None
    codes.write_text("code 3\n", encoding="utf-8")
    assert "1 answers listed for new" in metachain("adapt", library, "new", "--answers", codes).stdout
    assert "listed" not in metachain("adapt", library, "new").stdout
    assert listed(library) == ("code 3",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "can't read"),
        (b"\n\n", "is empty: expected one answer a line"),
        ("Hôpital général\ncaf".encode() + b"\xe9\n", "line 2 is not UTF-8"),
        (b"a\0b\n", "holds a NUL character"),
    ],
)
def test_a_bad_list_stores_nothing(tmp_path: Path, library: Path, content: bytes | None, said: str) -> None:
    """One message that names the file, status 2, and neither labels nor answers are stored."""
    codes = tmp_path / "codes.txt"
    if content is not None:
        codes.write_bytes(content)
    support = jsonl(tmp_path / "support.jsonl", [{"input": "x-ray of the knee 0", "output": "code 1"}])
    done = metachain("adapt", library, "new", support, "--answers", codes)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert "codes.txt" in done.stderr
    assert said in done.stderr
    assert listed(library) == ()
    with Library.open(library, Tiny()) as opened:
        assert "new" not in opened.institutions()

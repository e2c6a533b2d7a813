"""``metachain audit``, run as a process."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from handmade import Tiny, demonstrations, learned_library, metachain

from metachain.library.audit import AuditEntry
from metachain.library.library import Library
from metachain.timestamps import format_moment

WIDE = {"COLUMNS": "240"}
MADE = demonstrations(4, 12)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Four past institutions that have been learned from; ``new`` is adapted to."""
    return learned_library(tmp_path / "x.db", MADE)


@pytest.fixture
def filled(library: Path) -> Path:
    """It, with sixty selections of sixty days, the last one half a day ago."""
    with Library.open(library, Tiny()) as opened:
        opened.audit.record(
            AuditEntry(
                f"s-{day:02}",
                format_moment(datetime.now(UTC) - timedelta(days=60 - day, hours=-12)),
                f"asker {day % 2}",
                "",
                "nearest",
                ((f"h{day % 3}", f"id {day}"), ("h9", "nine")),
                1,
                "prior",
                model="m" if day < 2 else None,
            )
            for day in range(60)
        )
    return library


def test_select_and_ask_are_recorded(library: Path) -> None:
    """Each leaves one entry, that of ask with the model; with --no-audit none."""
    for arguments in (
        ("select", library, "new", "left knee", "--purpose", "coding"),
        ("ask", library, "new", "left knee"),
        ("select", library, "new", "left knee", "--no-audit"),
        ("ask", library, "new", "left knee", "--no-audit"),
    ):
        done = metachain(*arguments)
        assert done.returncode == 0, done.stderr
    done = metachain("audit", library, environment=WIDE)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if re.match(r"│ \d{4}-", line)]
    assert len(lines) == 2
    assert "new (coding)" in lines[0]
    assert "–/–/–" in lines[0]
    assert "metachain:offline" in lines[1]


def test_no_text_is_told(library: Path, tmp_path: Path) -> None:
    """Neither the table nor the file holds the query or what was shown; the file has every field."""
    metachain("ask", library, "new", "left {knee}")
    target = tmp_path / "audit.jsonl"
    printed = metachain("audit", library, environment=WIDE).stdout
    assert "1 selections" in metachain("audit", library, "--json", target).stdout
    [line] = target.read_text(encoding="utf-8").splitlines()
    with Library.open(library, Tiny()) as opened:
        [entry] = opened.audit.entries()
    assert AuditEntry(**{**json.loads(line), "shown": entry.shown}) == entry
    assert json.loads(line)["shown"] == [list(key) for key in entry.shown]
    for private in {"left {knee}", *(text for one in MADE for text in (one.input, one.output))}:
        assert private not in printed + line


def test_the_newest_are_printed_the_last_one_last(filled: Path) -> None:
    """Of many there is a note how many there are, and how to get all."""
    done = metachain("audit", filled, environment=WIDE)
    found = re.findall(r"s-\d\d", done.stdout)
    assert found == [f"s-{day}" for day in range(10, 60)]
    assert "the newest 50 of 60 selections; --json FILE writes all of them" in done.stdout


def test_what_is_asked_for(filled: Path) -> None:
    """By asker, source, time and model, also to standard output, where nothing else is written."""
    days = datetime.now(UTC) - timedelta(days=5)

    def found(*arguments: object) -> list[str]:
        done = metachain("audit", filled, "--json", "-", *arguments)
        assert done.returncode == 0, done.stderr
        return [json.loads(line)["id"] for line in done.stdout.splitlines()]

    assert found() == [f"s-{day:02}" for day in range(60)]
    assert found("--institution", "asker 1") == [f"s-{day:02}" for day in range(1, 60, 2)]
    assert found("--source", "h2") == [f"s-{day:02}" for day in range(2, 60, 3)]
    assert found("--since", days.isoformat()) == ["s-55", "s-56", "s-57", "s-58", "s-59"]
    assert found("--since", days.isoformat(), "--until", "2999-01-01", "--source", "h0") == ["s-57"]
    assert found("--model", "m") == ["s-00", "s-01"]
    assert found("--until", "2001-01-01") == []
    assert "no selections" in metachain("audit", filled, "--model", "other").stdout


def test_pruning(filled: Path) -> None:
    """By age in days or hours, or by date; it says how many went."""
    assert "30 selections before" in metachain("audit", filled, "--prune", "30d").stdout
    assert "20 selections before" in metachain("audit", filled, "--prune", f"{10 * 24}h").stdout
    assert "0 selections before" in metachain("audit", filled, "--prune", "2001-01-01").stdout
    assert (
        "10 selections before 2999-01-01T00:00:00+00:00" in metachain("audit", filled, "--prune", "2999-01-01").stdout
    )
    with Library.open(filled, Tiny()) as opened:
        assert not list(opened.audit.entries())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--since", "yesterday"], "--since must be a day or a moment such as 2027-12-31, got 'yesterday'"),
        (["--prune", "90"], "--prune must be an age such as 90d or 12h, or a day or a moment"),
        (["--prune", "999999d"], "--prune reaches back before the calendar begins: '999999d'"),
        (["--prune", "9d", "--source", "h0"], "--prune deletes by age alone; leave the other options out"),
        (["--json", "LIBRARY"], "which is read; name another file"),
        (["--json", "nowhere/audit.jsonl"], "nowhere does not exist or may not be written"),
    ],
)
def test_what_can_not_be(library: Path, arguments: list[str], complaint: str) -> None:
    """It is said in one line, and nothing changes."""
    before = library.read_bytes()
    done = metachain("audit", library, *(str(library) if one == "LIBRARY" else one for one in arguments))
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert complaint in done.stderr
    assert library.read_bytes() == before


def test_texts_that_would_steer_the_terminal(library: Path) -> None:
    """Names and ids with control characters are shown without them."""
    with Library.open(library, Tiny()) as opened:
        entry = AuditEntry(
            "s", format_moment(datetime.now(UTC)), "a\x1b[31m", "p\n", "nearest", (("h\x1b]0;", "i\x07"),), 1, "p"
        )
        opened.audit.record([entry])
    done = metachain("audit", library, environment=WIDE)
    assert done.returncode == 0, done.stderr
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", done.stdout)

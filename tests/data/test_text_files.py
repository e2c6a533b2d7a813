"""Reading of text files: other formats, truncated files, progress."""

import gzip
import os
import threading
from pathlib import Path

import pytest

from metachain.data.text_files import encoding_error, escaped, open_text
from metachain.errors import DataError
from metachain.progress import silent

Told = list[tuple[str, int, int]]


def read(path: Path, told: Told | None = None) -> list[str]:
    """All lines of a file."""
    progress = (lambda *what: told.append(what)) if told is not None else silent
    with open_text(path, progress, newline="\n") as file:
        return list(file)


def test_a_line_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    """A small compressed file may hold one; the lines before it are read."""
    path = tmp_path / "notes.jsonl.gz"
    with gzip.open(path, "wb") as file:
        file.write(b"first\n")
        for _ in range(65):
            file.write(b"a" * 1_000_000)
    assert path.stat().st_size < 200_000
    with open_text(path, silent, newline="\n") as lines:
        assert next(lines) == "first\n"
        with pytest.raises(DataError, match="line 2 has more than 64000000 characters"):
            next(lines)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"PAR1\x15\x04", "is a Parquet file; give --format parquet"),
        (b"PK\x03\x04\x14", "is an Excel workbook or another zip archive; save it as CSV"),
        (b"SQLite format 3\0", "is an SQLite file; export it as CSV"),
        ("{}".encode("utf-16-le"), "seems to be UTF-16 without a byte order mark; save it as UTF-8"),
        ("{}".encode("utf-16-be"), "seems to be UTF-16 without a byte order mark; save it as UTF-8"),
        (
            "{}".encode("utf-16") + b"x",
            "ends in the middle of a character: the file is incomplete or damaged; copy it again",
        ),
        (
            gzip.compress(os.urandom(9000))[:-4000],
            "can't be unpacked .*: the file is incomplete or damaged; copy it again",
        ),
        (
            gzip.compress(b"abc", mtime=0)[:-8] + b"\0" * 8,
            "can't be unpacked .CRC check failed.*: the file is incomplete or damaged",
        ),
        (b"\x1f\x8bnonsense", "can't be unpacked .*: the file is incomplete or damaged"),
    ],
)
def test_what_is_no_whole_text_file_is_named(tmp_path: Path, content: bytes, complaint: str) -> None:
    """Other formats and truncated files are DataErrors that name the file and give advice."""
    path = tmp_path / "data.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"data\.jsonl {complaint}"):
        read(path)


def test_progress_is_in_bytes(tmp_path: Path) -> None:
    """Progress reports the bytes read every thousand lines, and all of them at the end."""
    path, told = tmp_path / "data.txt", Told()
    path.write_text("x" * 99 + "\n" * 1 + ("y" * 99 + "\n") * 2499)
    assert len(read(path, told)) == 2500
    assert [stage for stage, _, _ in told] == ["reading (bytes)"] * 3
    assert 0 < told[0][1] < told[1][1] <= told[2][1] == told[2][2] == 250_000


def test_a_pipe_is_read(tmp_path: Path) -> None:
    """A pipe, such as ``<(zcat data.jsonl.gz)``, is read without progress."""
    path, told = tmp_path / "pipe", Told()
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(gzip.compress(b"a\nb\n", mtime=0),))
    writer.start()
    assert (read(path, told), told) == (["a\n", "b\n"], [])
    writer.join()


@pytest.mark.parametrize(("line", "what"), [("\udcf4", r"\xf4"), ("\ud83d", r"\ud83d"), ("ok é", ""), ("ok", "")])
def test_what_is_no_text_is_shown_escaped(line: str, what: str) -> None:
    """Undecodable bytes and lone surrogates are found and escaped; valid text stays unchanged."""
    assert escaped(line) == (what or line)
    assert (what in encoding_error(line)) if what else encoding_error(line) == ""

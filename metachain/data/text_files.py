"""Reading of text files: plain, gzip or zip, with or without a byte order mark, with undecodable bytes kept."""

import gzip
import io
import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from metachain.data.encodings import BYTE_ORDER_MARKS
from metachain.errors import DataError
from metachain.progress import Progress

__all__ = ["encoding_error", "escaped", "open_bytes", "open_text"]

LINES_A_REPORT = 1000
LONGEST_LINE = 64_000_000
"""Maximum characters of a line: a small compressed file may hold a line that fills the memory."""
STAGE = "reading (bytes)"
GZIP = b"\x1f\x8b"
ZIP = b"PK\x03\x04"
HARMLESS = 64 * 2**20
SWELLING = 500
"""Bytes that a file may always unpack to, and the multiple of its size that a larger one may."""
HIDDEN = re.compile(r"(^|/)(\.|__MACOSX/)")
WORKBOOK = re.compile(r"\[Content_Types\]\.xml$|xl/|mimetype$|META-INF/manifest\.xml$")
DAMAGED = "the file is incomplete or damaged; copy it again"
OTHER_FORMATS = {
    b"PAR1": "a Parquet file; give --format parquet",
    b"PK\x03\x04": "an Excel workbook or another zip archive; save it as CSV",
    b"SQLi": "an SQLite file; export it as CSV",
}
"""First four bytes of other formats, and the advice for each."""
SURROGATE = re.compile("[\ud800-\udfff]")
"""Lone surrogates, which stand for undecodable bytes; valid text has none."""


@contextmanager
def open_text(path: Path, progress: Progress, newline: str, encoding: str = "") -> Iterator[Iterator[str]]:
    """Lines of a text file, with their ends; gzip and zip are unpacked.

    Without ``encoding`` it is UTF-8, or that of the byte order mark. Undecodable bytes become lone surrogates
    (``encoding_error`` finds them). Raises DataError that names the file if it can't be read, is cut short, is not a
    text file, or has a line of more than 64,000,000 characters.
    """
    with open_bytes(path) as (packed, raw):
        start = packed.peek(4)[:4]
        if start in OTHER_FORMATS:
            raise DataError(f"{path} is {OTHER_FORMATS[start]}")
        marked = next((name for mark, name in BYTE_ORDER_MARKS if start.startswith(mark)), "utf-8")
        named = marked if encoding.lower() in ("", "utf-8", "utf8", "utf-16", "utf-32") else encoding
        if not encoding and named == "utf-8" and len(start) > 1 and (start[0] == 0) != (start[1] == 0):
            raise DataError(f"{path} seems to be UTF-16 without a byte order mark; save it as UTF-8")
        errors = "surrogatepass" if named.startswith(("utf-16", "utf-32")) else "surrogateescape"
        try:
            with io.TextIOWrapper(packed, named, errors, newline) as lines:
                yield _reported(path, lines, raw, progress)
        except UnicodeDecodeError:
            raise DataError(f"{path} ends in the middle of a character: {DAMAGED}") from None


@contextmanager
def open_bytes(path: Path) -> Iterator[tuple[io.BufferedReader, io.BufferedReader]]:
    """Bytes of a file, unpacked if it is gzip or a zip archive of one file; and the packed file, for progress.

    A file that unpacks to over 500 times its size is refused. Raises DataError that names the file.
    """
    try:
        with path.open("rb") as raw, ExitStack() as stack:
            yield _unpacked(path, raw, stack), raw
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise DataError(f"{path} can't be unpacked ({error}): {DAMAGED}") from None
    except OSError as error:
        raise DataError(f"can't read {path}: {error.strerror or error}") from None


def _reported(path: Path, lines: io.TextIOWrapper, raw: io.BufferedReader, progress: Progress) -> Iterator[str]:
    """The lines; the number of bytes read is reported, except for a pipe, which has no known size.

    Raises DataError for a line that is too long.
    """
    size = os.fstat(raw.fileno()).st_size if raw.seekable() else 0
    for number, line in enumerate(iter(partial(lines.readline, LONGEST_LINE + 1), ""), start=1):
        if len(line) > LONGEST_LINE:
            raise DataError(f"{path}: line {number} has more than {LONGEST_LINE} characters; cut its texts shorter")
        yield line
        if size and number % LINES_A_REPORT == 0:
            progress(STAGE, raw.tell(), size)
    if size:
        progress(STAGE, raw.tell(), size)


def _unpacked(path: Path, raw: io.BufferedReader, stack: ExitStack) -> io.BufferedReader:
    start = raw.peek(4)[:4]
    inner: Any = None
    if start[:2] == GZIP:
        inner = gzip.GzipFile(fileobj=raw)
    elif start == ZIP and raw.seekable():
        inner = _member(path, raw, stack)
    if inner is None:
        return raw
    size = os.fstat(raw.fileno()).st_size if raw.seekable() else 0
    return io.BufferedReader(_Bounded(inner, size, path), 2**17)


def _member(path: Path, raw: io.BufferedReader, stack: ExitStack) -> Any:
    """The only file of an archive; None for a workbook, which is an archive itself, and for no archive at all."""
    try:
        archive = stack.enter_context(zipfile.ZipFile(raw))
    except (zipfile.BadZipFile, ValueError):
        raw.seek(0)
        return None
    members = [one for one in archive.infolist() if not one.is_dir() and not HIDDEN.search(one.filename)]
    if any(WORKBOOK.match(one.filename) for one in archive.infolist()):
        raw.seek(0)
        return None
    if len(members) != 1:
        names = ", ".join(repr(one.filename[-60:]) for one in members[:5]) or "none"
        raise DataError(f"{path} holds {len(members)} files ({names}); unpack it and give one of them")
    try:
        return stack.enter_context(archive.open(members[0]))
    except (RuntimeError, NotImplementedError) as error:
        raise DataError(f"{path} can't be unpacked ({error}); unpack it and give the file in it") from None


class _Bounded(io.RawIOBase):
    """Unpacked bytes; a file that swells beyond measure is refused."""

    def __init__(self, inner: Any, size: int, path: Path) -> None:
        self.inner, self.size, self.path = inner, size, path
        self.read_so_far = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = int(self.inner.readinto(buffer))
        self.read_so_far += count
        if self.size and self.read_so_far > max(HARMLESS, SWELLING * self.size):
            raise DataError(
                f"{self.path} unpacks to more than {SWELLING} times its size, as a decompression bomb does; "
                "if it is meant, unpack it and give the file in it"
            )
        return count


def encoding_error(line: str) -> str:
    """Position of the first undecodable byte of a line, as an error text; "" if there is none."""
    found = None if line.isascii() else SURROGATE.search(line)
    if found is None:
        return ""
    return f"not UTF-8 ({escaped(found[0])} at character {found.start() + 1}); save the file as UTF-8"


def escaped(raw: str) -> str:
    r"""Text with undecodable parts escaped: a byte as ``\xf4``, a lone surrogate as ``\ud83d``."""
    return raw if raw.isascii() else SURROGATE.sub(_escape, raw)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"

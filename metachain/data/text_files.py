"""Reading of text files: plain or gzip, with or without a byte order mark, with undecodable bytes kept."""

import codecs
import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from metachain.errors import DataError
from metachain.progress import Progress

__all__ = ["encoding_error", "escaped", "open_text"]

LINES_A_REPORT = 1000
LONGEST_LINE = 64_000_000
"""Maximum characters of a line: a small compressed file may hold a line that fills the memory."""
STAGE = "reading (bytes)"
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
GZIP = b"\x1f\x8b"
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
def open_text(path: Path, progress: Progress, newline: str) -> Iterator[Iterator[str]]:
    """Lines of a text file in UTF-8 or the encoding of its byte order mark, with their ends; gzip is decompressed.

    Undecodable bytes become lone surrogates (``encoding_error`` finds them). Raises DataError that names the file if it
    can't be read, is cut short, is not a text file, or has a line of more than 64,000,000 characters.
    """
    try:
        with path.open("rb") as raw, _gunzipped(raw) as packed:
            start = packed.peek(4)[:4]
            if start in OTHER_FORMATS:
                raise DataError(f"{path} is {OTHER_FORMATS[start]}")
            encoding = next((name for mark, name in BYTE_ORDER_MARKS if start.startswith(mark)), "utf-8")
            if encoding == "utf-8" and len(start) > 1 and (start[0] == 0) != (start[1] == 0):
                raise DataError(f"{path} seems to be UTF-16 without a byte order mark; save it as UTF-8")
            errors = "surrogateescape" if encoding.startswith("utf-8") else "surrogatepass"
            with io.TextIOWrapper(packed, encoding, errors, newline) as lines:
                yield _reported(path, lines, raw, progress)
    except UnicodeDecodeError:
        raise DataError(f"{path} ends in the middle of a character: {DAMAGED}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
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


def _gunzipped(raw: io.BufferedReader) -> io.BufferedReader:
    if raw.peek(2)[:2] != GZIP:
        return raw
    return io.BufferedReader(gzip.GzipFile(fileobj=raw))


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

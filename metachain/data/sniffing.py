"""Format and encoding of a file, judged by its content; its name decides where the content says nothing."""

import io
import json
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metachain.data.arrow import is_dataset
from metachain.data.delimited import DELIMITERS
from metachain.data.demonstration import KNOWN_FIELDS
from metachain.data.encodings import detected_encoding
from metachain.data.header import delimiter_line
from metachain.data.templates import is_known_record, templates
from metachain.data.text_files import open_bytes

__all__ = ["Sniffed", "guess_format", "sniffed"]

SUFFIXES = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".parquet": "parquet", ".pq": "parquet",
    ".xlsx": "excel", ".xlsm": "excel", ".xlsb": "excel", ".xls": "excel", ".ods": "excel",
}  # fmt: skip
MAGIC = {b"PAR1": "parquet", b"PK\x03\x04": "excel", b"\xd0\xcf\x11\xe0": "excel"}
HEAD = 2**20
"""Bytes by which the format is judged."""
SCANNED = 2**30
"""Bytes by which the encoding is judged."""


@dataclass(frozen=True, slots=True)
class Sniffed:
    """Format and encoding of a file, and "packed" if it is gzip or a zip archive."""

    format: str
    encoding: str = ""
    packed: str = ""


def guess_format(path: Path) -> str:
    """Format of a path, by its name or by the content of a folder; JSON Lines if neither tells."""
    if is_dataset(path):
        return "dataset"
    names = path.suffixes[:-1] if path.suffix.lower() in (".gz", ".zip") else path.suffixes
    return SUFFIXES.get(names[-1].lower() if names else "", "jsonl")


def sniffed(path: Path, format: str | None = None, encoding: str = "", records: str = "") -> Sniffed:
    """Look into a file. ``format`` and ``encoding`` are kept if they are given.

    Raises DataError if it can't be read or unpacked. A pipe is not looked into.
    """
    named = guess_format(path)
    if named == "dataset" or path.is_dir():
        return Sniffed(format or named)
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        return Sniffed(format or named, encoding)
    with open_bytes(path) as (packed, raw):
        kind = "" if packed is raw else "packed"
        start = packed.peek(4)[:4]
        binary = MAGIC.get(start, "")
        if binary or format in ("parquet", "excel"):
            return Sniffed(format or binary, "", kind)
        if named in ("parquet", "excel") and (not start or b"\0" in start):
            return Sniffed(format or named, "", kind)
        head = packed.read(HEAD)
        encoding = encoding or detected_encoding(_chunks(head, packed))
    text = head.decode(encoding, errors="replace")
    if format:
        return Sniffed(format, encoding, kind)
    return Sniffed(_text_format(text, len(head) < HEAD, path, named, records), encoding, kind)


def _chunks(head: bytes, rest: io.BufferedReader) -> Iterator[bytes]:
    yield head
    done = len(head)
    while done < SCANNED and (chunk := rest.read(HEAD)):
        done += len(chunk)
        yield chunk


def _text_format(text: str, whole: bool, path: Path, named: str, records: str) -> str:
    lines = [line for line in text.lstrip("\ufeff").splitlines() if line.strip()][:200]
    if not lines:
        return named if named not in ("parquet", "excel") else "jsonl"
    if lines[0].lstrip()[0] in "{[" and (kind := _json_format(lines, whole, text, records)):
        return kind
    if named in ("csv", "tsv"):
        return named
    if any(line.lstrip()[0] in "{[" for line in lines[:20]) and named == "jsonl":
        return "jsonl"
    return "csv" if named != "jsonl" or _is_table(lines, path) else "jsonl"


def _json_format(lines: list[str], whole: bool, text: str, records: str) -> str:
    """``jsonl`` or ``json``; "" if it is neither, such as a CSV whose header begins with a bracket."""
    first = lines[0].strip()
    if len(lines) == 1 and not whole:
        signs = [sign for one in templates() for sign in one.document]
        return "json" if records or first[0] == "[" or any(f'"{sign}"' in text for sign in signs) else "jsonl"
    value: Any = None
    with suppress(ValueError, RecursionError):
        value = json.loads(first)
    if len(lines) == 1:
        return _single_line_format(first, value, records)
    if value is not None or (first[0] == "{" and len(first) > 1 and _mostly_objects(lines[1:9])):
        return "jsonl"
    inner = first[1:].lstrip()[:1]
    if first[0] == "{":
        return "json" if inner in ("", '"', "}") else ""
    return "json" if inner in ("", "{", "[", '"', "]") else ""


def _mostly_objects(lines: list[str]) -> bool:
    good = 0
    for line in lines:
        with suppress(ValueError, RecursionError):
            good += isinstance(json.loads(line), dict)
    return good * 2 >= len(lines)


def _single_line_format(first: str, value: Any, records: str) -> str:
    if isinstance(value, dict):
        document = records or any(one.fits_document(value) for one in templates())
        return "json" if document or _holds_records(value) else "jsonl"
    if isinstance(value, list):
        return "json" if not value or isinstance(value[0], dict) else "jsonl"
    return "json" if first[:1] == "[" and first[1:].lstrip()[:1] == "{" else "jsonl" if first[:1] == "{" else ""


def _holds_records(value: dict[str, Any]) -> bool:
    if KNOWN_FIELDS & set(value) or is_known_record(value):
        return False
    return any(isinstance(one, list) and one and isinstance(one[0], dict) for one in value.values())


def _is_table(lines: list[str], path: Path) -> bool:
    """True for lines that a delimiter divides alike, as the names of a header do."""
    if delimiter_line(lines[0]):
        return True
    if path.suffix.lower() in (".jsonl", ".ndjson", ".json") and len(lines) < 2:
        return False
    head = lines[:40]
    counts = {one: Counter(n for line in head if (n := line.count(one))).most_common(1) for one in DELIMITERS}
    alike = any(several and several[0][1] * 2 >= len(head) and several[0][1] > 1 for several in counts.values())
    known = {name.strip().strip('"').lower() for one in DELIMITERS for name in lines[0].split(one)} & KNOWN_FIELDS
    return alike or bool(known)

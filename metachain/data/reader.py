"""One reader for every file of demonstrations, inputs or answers."""

import shutil
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from metachain.data.arrow import dataset_rows, parquet_rows, saved_dataset
from metachain.data.columns import check_columns
from metachain.data.delimited import DELIMITERS, delimited_rows
from metachain.data.encodings import check_encoding
from metachain.data.fields import Fields
from metachain.data.json_documents import document_rows
from metachain.data.json_lines import json_rows
from metachain.data.reading import Findings, Reading
from metachain.data.rows import Row
from metachain.data.sniffing import sniffed
from metachain.data.text_files import open_bytes
from metachain.data.workbooks import workbook_rows
from metachain.errors import DataError
from metachain.progress import Progress, silent

__all__ = ["FORMATS", "rows_of_file"]

FORMATS = ("jsonl", "csv", "tsv", "parquet", "dataset", "json", "excel")


def rows_of_file(
    path: str | Path, reading: Reading | None = None, progress: Progress = silent, found: Findings | None = None
) -> Iterator[Row]:
    """Rows of a file in any known format. The first row is read at once, so that errors of the whole file come here.

    ``found`` is filled with what the reader found out. Raises DataError with the file's name if it can't be read, is
    cut short, is empty or lacks a column.
    """
    path, reading, found = Path(path), reading or Reading(), found if found is not None else Findings()
    if reading.format and reading.format not in FORMATS:
        raise DataError(f"unknown format {reading.format!r}; known: {', '.join(FORMATS)}")
    if reading.encoding:
        check_encoding(reading.encoding)
    check_columns(reading.columns)
    found.path = path
    rows = _rows(path, reading, progress, found)
    first = next(rows, None)
    if first is None:
        if found.left_out:
            raise DataError(f"{path}: all {found.left_out} row(s) are left out by a condition; give another --where")
        expected = (
            "at least one row" if found.format in ("csv", "tsv", "excel", "parquet", "dataset") else _expected(reading)
        )
        raise DataError(f"{path} is empty: expected {expected}")
    return chain([first], rows)


def _expected(reading: Reading) -> str:
    names = ", ".join(f'"{name}"' for name in reading.required)
    return f"one {{{names}}} object a line"


def _rows(path: Path, reading: Reading, progress: Progress, found: Findings) -> Iterator[Row]:
    try:
        piped = path.exists() and not path.is_dir() and not stat.S_ISREG(path.stat().st_mode)
    except OSError as error:
        raise DataError(f"can't read {path}: {error.strerror or error}") from None
    if piped:
        with _copied(path) as copy:
            yield from _renamed(_rows(copy, reading, progress, found), copy, path)
        return
    look = sniffed(path, reading.format, reading.encoding, reading.records)
    found.format, found.encoding, found.packed = look.format, look.encoding, look.packed
    if path.is_dir() and look.format != "dataset":
        raise DataError(f"can't read {path}: Is a directory; give a file, or a folder written by save_to_disk")
    if look.packed and look.format in ("parquet", "excel"):
        with _copied(path) as copy:
            yield from _renamed(_of_format(copy, look.format, reading, progress, found), copy, path)
        return
    yield from _of_format(path, look.format, reading, progress, found)


def _of_format(path: Path, kind: str, reading: Reading, progress: Progress, found: Findings) -> Iterator[Row]:
    fields = Fields(reading, found)
    if kind == "jsonl":
        return _objects(json_rows(path, progress=progress, encoding=found.encoding), fields)
    if kind == "json":
        return document_rows(path, fields, progress)
    if kind == "parquet":
        return parquet_rows(path, progress=progress, fields=fields)
    if kind == "dataset":
        return dataset_rows(saved_dataset(path), progress=progress, fields=fields)
    if kind == "excel":
        return workbook_rows(path, fields, progress)
    return delimited_rows(path, progress=progress, delimiters="\t" if kind == "tsv" else DELIMITERS, fields=fields)


def _objects(rows: Iterator[Row], fields: Fields) -> Iterator[Row]:
    """Rows of JSON Lines with our field names; the first object says which template they follow."""
    way, plain = None, False
    for row in rows:
        if row.record is None:
            yield row
            continue
        if way is None:
            way = fields.of_object(row.record)
            way.note(row.record)
            plain = way.is_plain
        if plain and isinstance(row.record, dict):
            way.cleaned(row.record)
            yield row
            continue
        for record in way.records(row.record):
            yield replace(row, record=record)


@contextmanager
def _copied(path: Path) -> Iterator[Path]:
    """An unpacked copy of a file or a pipe, as formats that are not read from front to back need it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="metachain-")))
        copy = folder / (path.stem if path.suffix.lower() in (".gz", ".zip") else path.name)
        with open_bytes(path) as (packed, _), copy.open("wb") as file:
            shutil.copyfileobj(packed, file, 2**20)
        yield copy


def _renamed(rows: Iterator[Row], copy: Path, path: Path) -> Iterator[Row]:
    """The rows; errors name the file that was given, not its copy."""
    try:
        yield from rows
    except DataError as error:
        raise DataError(str(error).replace(str(copy), str(path))) from None

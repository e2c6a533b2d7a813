"""Rows of Excel and OpenDocument workbooks."""

import struct
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date, time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from python_calamine import CalamineError, CalamineWorkbook, load_workbook

from metachain.data.fields import Fields
from metachain.data.header import SEARCHED, Header, find_header
from metachain.data.rows import Row
from metachain.errors import DataError
from metachain.progress import Progress, silent

__all__ = ["workbook_rows"]

LARGEST = 2**30
SWELLING = 500
"""Bytes that a workbook may unpack to, and the multiple of its size; one that goes beyond both is refused."""
ROWS_A_REPORT = 1000
UNUSED = 0xFFFFFFFA
"""Least number that is no sector's."""
COMPOUND = bytes.fromhex("d0cf11e0a1b11ae1")
"""First bytes of a compound file, the container of old workbooks (.xls)."""
PANIC = "PanicException"
"""Name of the exception, no ``Exception``, by which the library ends at some damaged workbooks."""


def workbook_rows(path: Path, fields: Fields, progress: Progress = silent) -> Iterator[Row]:
    """Read a sheet of a workbook: the one named, or the first one with the columns asked for.

    Rows are numbered as in the sheet. Numbers become texts as Excel shows them in a plain cell: 250, not 250.0. Raises
    DataError if the file can't be read, or if no sheet has the columns.
    """
    _check_size(path)
    _check_chains(path)
    try:
        book = load_workbook(str(path))
        yield from _rows(path, book, fields, progress)
    except CalamineError as error:
        raise DataError(f"{path} is not a workbook that can be read ({str(error)[:100]}); save it again") from None
    except OSError as error:
        raise DataError(f"can't read {path}: {error.strerror or error}") from None
    except BaseException as error:
        if type(error).__name__ != PANIC:
            raise
        raise DataError(f"{path} is not a workbook that can be read (it is damaged); save it again") from None


def _rows(path: Path, book: CalamineWorkbook, fields: Fields, progress: Progress) -> Iterator[Row]:
    found = fields.found
    found.sheets = tuple(book.sheet_names)
    complaint: DataError | None = None
    for name in _chosen(path, found.sheets, fields.reading.sheet):
        sheet = book.get_sheet_by_name(name)
        if not sheet.total_height:
            continue
        total = sheet.total_height
        first = (sheet.start or (0, 0))[0] + 1
        head = [[_text(cell) for cell in row] for row in sheet.to_python(skip_empty_area=True, nrows=SEARCHED)]
        numbered = [
            (first + place, first + place, cells) for place, cells in enumerate(head) if any(map(str.strip, cells))
        ]
        if not numbered:
            continue
        try:
            header = find_header({"": numbered}, fields)
        except DataError as error:
            complaint = complaint or DataError(f"{path}, sheet {name!r}: {error}")
            continue
        found.sheet, found.header_line, found.names = name, header.line, header.names
        yield from _records(sheet, header, first, total, progress)
        found.numbers = header.way.found.numbers
        return
    if complaint:
        raise complaint


def _records(sheet: Any, header: Header, first: int, total: int, progress: Progress) -> Iterator[Row]:
    names = list(header.names)
    places = {name: names.index(name) for name in header.way.needed}
    texts = [places[theirs] for ours, theirs in header.way.plain.items() if ours in ("input", "output", "id")]
    for number, cells in enumerate(sheet.iter_rows(), start=first):
        if number <= header.line or not any(cell != "" and cell is not None for cell in cells):
            continue
        header.way.found.numbers += any(isinstance(cells[place], (int, float)) for place in texts if place < len(cells))
        try:
            values = {name: _text(cells[place]) if place < len(cells) else "" for name, place in places.items()}
            record = header.way.record(values)
        except DataError as error:
            yield Row(number, None, str(error), unit="row")
            continue
        if record is not None:
            yield Row(number, record, unit="row")
        if number % ROWS_A_REPORT == 0:
            progress("reading (rows)", number, total)


def _chosen(path: Path, names: Sequence[str], wanted: str) -> Sequence[str]:
    if not wanted:
        return names
    if wanted in names:
        return [wanted]
    with suppress(ValueError):
        if 1 <= int(wanted) <= len(names):
            return [names[int(wanted) - 1]]
    listed = ", ".join(repr(name) for name in names[:5])
    raise DataError(f"{path} has no sheet {wanted!r}; it has {len(names)}: {listed}")


def _text(cell: Any) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, (date, time)):
        text = cell.isoformat()
        return text.removesuffix("T00:00:00")
    return "" if cell is None else str(cell)


def _check_size(path: Path) -> None:
    """Raise DataError for a workbook that unpacks beyond measure."""
    try:
        size = path.stat().st_size
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(one.file_size for one in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError):
        return
    if unpacked > max(2**26, min(LARGEST, SWELLING * size)):
        raise DataError(f"{path} unpacks to {unpacked} bytes, as a decompression bomb does; save it as CSV")


def _check_chains(path: Path) -> None:
    """Raise DataError for an old workbook in which a chain of sectors comes back to itself; it would be read forever.

    Each sector of a compound file names the one that follows it, in the tables at the places that the header lists
    ([MS-CFB], sections 2.2 to 2.5).
    """
    try:
        with path.open("rb") as file:
            if file.read(len(COMPOUND)) != COMPOUND:
                return
            whole = COMPOUND + file.read()
    except OSError as error:
        raise DataError(f"can't read {path}: {error.strerror or error}") from None
    try:
        size = 1 << struct.unpack_from("<H", whole, 30)[0] if whole[31] == 0 and whole[30] in (9, 12) else 0
        places = _places_of_tables(whole, size) if size else None
    except struct.error:
        places = None
    if places is None:
        raise DataError(f"{path} is not a workbook that can be read (its header is damaged); save it again")
    table = np.concatenate([_sector(whole, place, size) for place in places] or [np.zeros(0, "<u4")]).astype(np.int64)
    small = [struct.unpack_from("<I", whole, 60)[0]]
    while not _comes_back(table) and small[-1] < len(table):
        small.append(int(table[small[-1]]))
    minor = [_sector(whole, place, size) for place in small if place < len(table)]
    if _comes_back(table) or (minor and _comes_back(np.concatenate(minor).astype(np.int64))):
        raise DataError(f"{path} is not a workbook that can be read (its sectors go in circles); save it again")


def _places_of_tables(whole: bytes, size: int) -> list[int] | None:
    """Sectors that hold the table of followers; None where the list of them has no end."""
    places = list(struct.unpack_from("<109I", whole, 76))
    further, seen = struct.unpack_from("<I", whole, 68)[0], set[int]()
    while further < UNUSED:
        held = _sector(whole, further, size).tolist()
        if further in seen or not held:
            return None
        seen.add(further)
        places += held[:-1]
        further = held[-1]
    return [place for place in places if place < UNUSED]


def _sector(whole: bytes, place: int, size: int) -> NDArray[np.uint32]:
    start = (place + 1) * size
    held = whole[start : start + size]
    return np.frombuffer(held[: len(held) // 4 * 4], "<u4")


def _comes_back(follower: NDArray[np.int64]) -> bool:
    """True if some of n places, each with its follower (n,), is followed by itself; larger numbers end a chain."""
    count = len(follower)
    after = np.append(np.where(follower < count, follower, count), count)
    for _ in range(count.bit_length()):
        after = after[after]  # twice as many steps
    return bool((after != count).any())

"""Rows of CSV and TSV files."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from metachain.data.columns import EMPTY, match_columns, record_from_cells
from metachain.data.rows import Row
from metachain.data.text_files import encoding_error, open_text
from metachain.errors import DataError
from metachain.progress import Progress, silent

__all__ = ["DELIMITERS", "delimited_rows"]

LONGEST_FIELD = 16 * 2**20
"""In characters; a longer field suggests a missing quotation mark."""
DELIMITERS = ",;\t|"


def delimited_rows(
    path: Path,
    columns: Mapping[str, str] = EMPTY,
    institution: str | None = None,
    progress: Progress = silent,
    delimiters: str = DELIMITERS,
) -> Iterator[Row]:
    """Read a table with a header, quoted as in RFC 4180; the delimiter is the most frequent one in the header.

    The number of a row is its first line, also if its fields contain line breaks. Blank rows are skipped. Raises
    DataError if the file can't be read, or if a needed column is missing.
    """
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_FIELD))
    with open_text(path, progress, newline="") as lines:
        skipped, first = next(((number, line) for number, line in enumerate(lines) if line.strip()), (0, ""))
        if not first:
            return
        taken: list[str] = []
        reader = csv.reader(
            _noted(chain([first], lines), taken), delimiter=max(delimiters, key=first.count), strict=True
        )
        names = _header(reader, taken, path)
        try:
            found = match_columns(names, columns, institution)
        except DataError as error:
            raise DataError(f"{path}: {error}") from None
        places = {ours: names.index(theirs) for ours, theirs in found.items()}
        while True:
            taken.clear()
            number = skipped + reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(number, None, _reason(error, number, skipped + reader.line_num), "".join(taken))
                continue
            if any(map(str.strip, cells)):
                yield _row(number, cells, "".join(taken), places, len(names))


def _noted(lines: Iterable[str], taken: list[str]) -> Iterator[str]:
    """The lines; each is appended to ``taken``, which holds the lines of the current row."""
    for line in lines:
        taken.append(line)
        yield line


def _header(reader: Iterator[list[str]], taken: Sequence[str], path: Path) -> list[str]:
    try:
        names = next(reader)
    except csv.Error as error:
        raise DataError(f"{path}: the header can't be read ({error})") from None
    if reason := encoding_error("".join(taken)):
        raise DataError(f"{path}: the header is {reason}")
    return [name.strip() for name in names]


def _row(number: int, cells: Sequence[str], raw: str, places: Mapping[str, int], width: int) -> Row:
    if reason := encoding_error(raw):
        return Row(number, None, reason, raw)
    if len(cells) != width:
        return Row(number, None, f"{len(cells)} fields, but the header names {width}", raw)
    try:
        return Row(number, record_from_cells({ours: cells[place] for ours, place in places.items()}), raw=raw)
    except DataError as error:
        return Row(number, None, str(error), raw)


def _reason(error: csv.Error, first: int, last: int) -> str:
    where = f"; a quotation mark may be missing in lines {first} to {last}" if last > first else ""
    if "field larger" in str(error):
        return f"a field has over {LONGEST_FIELD} characters{where}"
    if "unexpected end" in str(error):
        return f"the file ends within quotation marks{where}"
    return f"not CSV ({error}){where}"

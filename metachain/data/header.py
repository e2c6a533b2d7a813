"""The header of a table: its line, its delimiter and its columns, found by the columns that are asked for."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

from metachain.data.columns import columns_complaint, missing_columns
from metachain.data.fields import Fields
from metachain.data.record_maps import TableMap
from metachain.errors import DataError

__all__ = ["Header", "delimiter_line", "find_header", "rows_of"]

SEARCHED = 50
"""Rows in which the header is looked for."""
SEP = re.compile(r'\s*"?sep=(?P<delimiter>.)"?[,;\t|]*\s*', re.IGNORECASE)
Cells = Sequence[str]


@dataclass(frozen=True, slots=True)
class Header:
    """A header, and the way from the rows below it to records."""

    line: int
    """Number of its first line, from 1."""
    last_line: int
    names: Sequence[str]
    way: TableMap
    delimiter: str = ""


def delimiter_line(line: str) -> str:
    """Delimiter of a line such as ``sep=;``, which Excel reads; "" for any other line."""
    found = SEP.fullmatch(line.strip("\r\n"))
    return found["delimiter"] if found else ""


def rows_of(lines: Sequence[str], delimiter: str) -> list[tuple[int, int, list[str]]]:
    """Rows of the first lines that can be read, with the numbers of their first and last lines from 1."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    rows: list[tuple[int, int, list[str]]] = []
    while len(rows) < SEARCHED:
        first = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error:
            continue
        if any(map(str.strip, cells)):
            rows.append((first, reader.line_num, cells))
    return rows


def find_header(tables: dict[str, Sequence[tuple[int, int, Cells]]], fields: Fields) -> Header:
    """The first row of the first rows that has the columns asked for, or those of a known format.

    ``tables`` maps each delimiter that comes into question, the likeliest first, to the rows that it makes. Where
    several fit, the one whose rows are as wide as its header is taken. Raises DataError with the nearest columns.
    """
    line = fields.reading.header_line
    for make in (fields.of_table, fields.of_template):
        fitting: list[tuple[float, int, Header]] = []
        for delimiter, rows in tables.items():
            for place, (first, last, cells) in enumerate(rows):
                if line and not first <= line <= last:
                    continue
                names = [name.strip() for name in cells]
                if way := make(names, [above for _, _, above in rows[:place]]):
                    fitting.append((_fit(rows[place:]), len(names), Header(first, last, names, way, delimiter)))
                    break
        if fitting:
            return max(fitting, key=lambda one: one[:2])[2]
    raise _complaint(tables, fields)


def _fit(rows: Sequence[tuple[int, int, Cells]]) -> float:
    """Share of the rows that are as wide as the first."""
    width = len(rows[0][2])
    return sum(len(cells) == width for _, _, cells in rows) / len(rows)


def _complaint(tables: dict[str, Sequence[tuple[int, int, Cells]]], fields: Fields) -> DataError:
    """Error on the row that looks most like a header."""
    reading = fields.reading
    best, names = -1.0, []
    for rows in tables.values():
        for place, (first, last, cells) in enumerate(rows[:20]):
            if reading.header_line and not first <= reading.header_line <= last:
                continue
            filled = {one.strip() for one in cells if one.strip()}
            worth = _fit(rows[place:]) * (len(filled) > 1) * min(len(filled), 4) + 0.01 * len(filled) / (
                len(filled) + 9
            )
            if worth > best:
                best, names = worth, [one.strip() for one in cells]
    if reading.header_line and not names:
        return DataError(f"no header can be read at line {reading.header_line}; give another --header-line")
    missing = missing_columns(names, reading.columns, reading.required, reading.institution)
    unknown = [one for one in reading.where if not missing]
    if unknown:
        return DataError(f"no row has the column of --where {unknown[0]!r}: {columns_complaint(names, [], {})[14:]}")
    return DataError(columns_complaint(names, missing, reading.columns))

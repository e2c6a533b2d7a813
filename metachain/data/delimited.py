"""Rows of CSV and TSV files."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

from metachain.data.columns import EMPTY
from metachain.data.fields import Fields
from metachain.data.header import Header, delimiter_line, find_header, rows_of
from metachain.data.reading import Findings, Reading
from metachain.data.rows import Row
from metachain.data.text_files import encoding_error, open_text
from metachain.errors import DataError
from metachain.progress import Progress, silent

__all__ = ["DELIMITERS", "delimited_rows"]

LONGEST_FIELD = 16 * 2**20
"""In characters; a longer field suggests a missing quotation mark."""
DELIMITERS = ",;\t|"
SAMPLE_LINES = 200
SAMPLE_CHARACTERS = 4 * 2**20
"""First lines in which the delimiter and the header are looked for."""
MOST_LINES = 100
"""Lines that follow a bad row and may belong to it."""
BACKSLASH = re.compile(r'\\([\\"])')


def delimited_rows(
    path: Path,
    columns: Mapping[str, str] = EMPTY,
    institution: str | None = None,
    progress: Progress = silent,
    delimiters: str = DELIMITERS,
    fields: Fields | None = None,
) -> Iterator[Row]:
    """Read a table with a header, quoted as in RFC 4180 or by backslashes.

    The header is the first row with the columns asked for; the delimiter is the one that gives them. The number of a
    row is its first line, also if its fields contain line breaks. Blank rows are skipped. ``fields`` stands for
    ``columns`` and ``institution``. Raises DataError if the file can't be read, or if a needed column is missing.
    """
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_FIELD))
    fields = fields or Fields(Reading(columns=columns, institution=institution), Findings())
    with open_text(path, progress, newline="", encoding=fields.found.encoding) as lines:
        sample = list(_sample(lines))
        if not any(map(str.strip, sample)):
            return
        try:
            header, escapes = _header(sample, delimiters, fields)
        except DataError as error:
            raise DataError(f"{path}: {error}") from None
        found = fields.found
        found.delimiter, found.header_line, found.names = header.delimiter, header.line, header.names
        yield from _Table(header, escapes).rows(chain(sample[header.last_line :], lines))


def _sample(lines: Iterator[str]) -> Iterator[str]:
    held = 0
    for line in islice(lines, SAMPLE_LINES):
        yield line
        held += len(line)
        if held > SAMPLE_CHARACTERS:
            return


def _header(sample: Sequence[str], delimiters: str, fields: Fields) -> tuple[Header, bool]:
    """The header, and if quotation marks within quotes are escaped by a backslash."""
    place = next(number for number, line in enumerate(sample) if line.strip())
    given = delimiter_line(sample[place])
    lines = [*([""] * (place + 1)), *sample[place + 1 :]] if given else sample
    start = next((line for line in lines if line.strip()), "")
    order = given or "".join(sorted(delimiters, key=lambda one: -start.count(one)))
    tables = {one: rows_of(lines, one) for one in order}
    if all(not rows or rows[0][0] > place + 1 for rows in tables.values()) and not given:
        tables = {one: rows_of(list(map(_unescaped, lines)), one) for one in order}
        _check_readable(lines, order[0], place)
    if reason := encoding_error(start):
        raise DataError(f"the header is {reason}")
    header = find_header(dict(tables), fields)
    if reason := encoding_error("".join(sample[header.line - 1 : header.last_line])):
        raise DataError(f"the header is {reason}")
    if not any('\\"' in line for line in lines):
        return header, False
    below = lines[header.last_line :]
    plain, escaped = (
        sum(len(cells) == len(header.names) for _, _, cells in rows_of(rows, header.delimiter))
        for rows in (below, list(map(_unescaped, below)))
    )
    return header, escaped > plain


def _check_readable(lines: Sequence[str], delimiter: str, place: int) -> None:
    try:
        next(csv.reader(lines[place:], delimiter=delimiter, strict=True))
    except csv.Error as error:
        if len(lines) == place + 1:
            raise DataError(f"the header can't be read ({error})") from None


def _unescaped(line: str) -> str:
    """The line with quotation marks after a backslash doubled, as in RFC 4180."""
    return BACKSLASH.sub(lambda found: '""' if found[1] == '"' else "\\", line)


@dataclass(slots=True)
class _Table:
    """The rows below a header."""

    header: Header
    escapes: bool
    places: dict[str, int] = field(default_factory=dict)
    last_asked: int = 0
    before: int = 0
    """Lines before those that the reader counts."""

    def __post_init__(self) -> None:
        names = list(self.header.names)
        self.places = {name: names.index(name) for name in self.header.way.needed}
        self.last_asked = max((self.places[name] for name in self.header.way.asked), default=0)

    def rows(self, lines: Iterator[str]) -> Iterator[Row]:
        """Rows of the lines, which begin after the header."""
        taken = _Lines(lines)
        given = map(_unescaped, taken) if self.escapes else taken
        self.before = self.header.last_line
        reader = csv.reader(given, delimiter=self.header.delimiter, strict=True)
        while True:
            taken.held.clear()
            number = self.before + reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                bad = Row(number, None, _reason(error, number, self.before + reader.line_num), "".join(taken.held))
                yield from self._again(bad, taken)
                continue
            if any(map(str.strip, cells)):
                yield from self._row(number, cells, taken)

    def _row(self, number: int, cells: Sequence[str], taken: "_Lines") -> Iterator[Row]:
        raw = "".join(taken.held)
        if reason := encoding_error(raw):
            yield Row(number, None, reason, raw)
            return
        width = len(self.header.names)
        if len(cells) != width and not self._fits(cells, width):
            bad = Row(number, None, f"{len(cells)} fields, but the header names {width}", raw)
            yield from self._again(bad, taken)
            return
        yield from self._record(number, cells, raw)

    def _record(self, number: int, cells: Sequence[str], raw: str) -> Iterator[Row]:
        count = len(cells)
        values = {name: cells[place] if place < count else "" for name, place in self.places.items()}
        try:
            record = self.header.way.record(values)
        except DataError as error:
            yield Row(number, None, str(error), raw)
            return
        if record is not None:
            yield Row(number, record, raw=raw)

    def _fits(self, cells: Sequence[str], width: int) -> bool:
        """True for a row with blank fields too many, or without fields at its end that nobody asked for."""
        return self.last_asked < len(cells) if len(cells) < width else not any(map(str.strip, cells[width:]))

    def _again(self, bad: Row, taken: "_Lines") -> Iterator[Row]:
        """The rows of a text that can't be read as it is, read with backslashes as escapes; or the bad row."""
        if '\\"' not in bad.raw:
            yield bad
            return
        own = len(taken.held)
        reader = csv.reader(map(_unescaped, taken.again(MOST_LINES)), delimiter=self.header.delimiter, strict=True)
        found: list[tuple[int, list[str]]] = []
        try:
            while reader.line_num < own:
                found.append((bad.number + reader.line_num, next(reader)))
        except (csv.Error, StopIteration):
            found = []
        if not found or any(len(cells) != len(self.header.names) for _, cells in found):
            taken.give_back(own)
            yield bad
            return
        self.before += len(taken.held) - own
        raw = "".join(taken.held)
        for number, cells in found:
            yield from self._record(number, cells, raw)


class _Lines:
    """Lines of a file; those of the current row are held, and may be read again or given back."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.lines = lines
        self.held: list[str] = []
        self.waiting: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self.waiting.pop() if self.waiting else next(self.lines)
        self.held.append(line)
        return line

    def again(self, more: int) -> Iterator[str]:
        """The held lines, and some that follow."""
        yield from list(self.held)
        for _, line in zip(range(more), self, strict=False):
            yield line

    def give_back(self, count: int) -> None:
        """Keep the first lines that are held; the others are read again."""
        self.waiting += reversed(self.held[count:])
        del self.held[count:]


def _reason(error: csv.Error, first: int, last: int) -> str:
    where = f"; a quotation mark may be missing in lines {first} to {last}" if last > first else ""
    if "field larger" in str(error):
        return f"a field has over {LONGEST_FIELD} characters{where}"
    if "unexpected end" in str(error):
        return f"the file ends within quotation marks{where}"
    return f"not CSV ({error}){where}"

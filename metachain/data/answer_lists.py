"""Lists of all answers of an institution: a text with one on each line, or a table with a column of them."""

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from metachain.data.columns import likely_columns
from metachain.data.demonstration import check_text
from metachain.data.reader import rows_of_file
from metachain.data.reading import Findings, Reading
from metachain.data.rows import reasons_listed
from metachain.data.sniffing import sniffed
from metachain.data.text_files import encoding_error, open_text
from metachain.errors import DataError
from metachain.progress import silent

__all__ = ["answers_of_file"]

HEADINGS = {"output", "outputs", "answer", "answers", "code", "codes", "label", "labels", "revenue code", "rev code"}
HEADINGS |= {"revenue codes", "category", "categories", "icd", "cpt", "drg", "hcpcs"}
CODE = re.compile(r"(?=\S*\d)[A-Za-z0-9][A-Za-z0-9.\-/]{0,11}")
COMMENT = re.compile(r"#(\s|$)")
FORMULA = re.compile(r'="(.*)"')


def answers_of_file(path: Path, reading: Reading, found: Findings) -> list[str]:
    """Answers in the order of the file, as ``read_answers`` says."""
    look = sniffed(path, reading.format, reading.encoding, reading.records)
    found.path, found.format, found.encoding, found.packed = path, look.format, look.encoding, look.packed
    if look.format in ("parquet", "excel", "dataset"):
        return _checked(path, _of_table(path, reading, found))
    lines: Sequence[tuple[int, str]] = _lines(path, look.encoding)
    if not lines:
        raise DataError(f"{path} is empty: expected one answer a line")
    if look.format in ("json", "jsonl") and lines[0][1][:1] in ("{", "["):
        return _checked(path, _of_json(path, lines, reading, found))
    lines = _below_comments(lines)
    texts = [line for _, line in lines]
    delimiter = _delimiter(texts)
    if reading.columns or delimiter:
        reading = replace(reading, header_line=reading.header_line or lines[0][0])
        return _checked(path, _of_cells(path, texts, delimiter or ",", reading, found))
    return _checked(path, _of_lines(lines))


def _lines(path: Path, encoding: str) -> list[tuple[int, str]]:
    """Lines that are not blank, stripped, with their numbers from 1."""
    with open_text(path, silent, newline="", encoding=encoding) as file:
        found = [(number, line.strip()) for number, line in enumerate(file, start=1) if line.strip()]
    for number, line in found:
        if reason := encoding_error(line):
            raise DataError(f"{path}: line {number} is {reason}")
    return found


def _below_comments(lines: Sequence[tuple[int, str]]) -> Sequence[tuple[int, str]]:
    """The lines after comments at the top; further down "#" has no meaning."""
    first = next((place for place, (_, line) in enumerate(lines) if not COMMENT.match(line)), 0)
    return lines[first:]


def _delimiter(lines: Sequence[str]) -> str:
    """Delimiter of a table of codes; "" where each line is an answer.

    A comma may well stand in an answer: the first column must be headed as codes, or hold codes, each once.
    """
    if len(lines) < 2:
        return ""
    for delimiter in "\t;|,":
        rows = _parsed(lines, delimiter)
        widths = [len(row) for row in rows]
        if min(widths, default=0) < 2:
            continue
        headed = any(_plain(cell) in HEADINGS for cell in rows[0])
        columns = [[row[place].strip() for row in rows[1:]] for place in range(min(widths))]
        codes = any(_are_codes(column) for column in columns)
        if (headed and (codes or widths.count(widths[0]) == len(widths))) or (
            codes and widths.count(widths[0]) * 10 >= 9 * len(widths)
        ):
            return delimiter
    return ""


def _parsed(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """Rows of the lines; none if they are no table."""
    try:
        return [row for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error:
        return []


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", name.lower()).strip()


def _are_codes(cells: Sequence[str]) -> bool:
    filled = [_unquoted(cell) for cell in cells if cell]
    good = sum(bool(CODE.fullmatch(cell)) for cell in filled)
    return bool(filled) and good * 10 >= 9 * len(filled) and len(set(filled)) * 2 > len(filled)


def _of_cells(
    path: Path, lines: Sequence[str], delimiter: str, reading: Reading, found: Findings
) -> list[tuple[int, str]]:
    """Answers of a CSV, with a header or without."""
    rows = _parsed(lines, delimiter)
    if not rows:
        return _of_table(path, reading, found)
    names = [name.strip() for name in rows[0]]
    if reading.columns or any(_plain(name) in HEADINGS for name in names) or not _codes_in(rows):
        return _of_table(path, reading, found)
    place = next(place for place in range(len(names)) if _are_codes([row[place] for row in rows if place < len(row)]))
    found.chosen = {"output": f"column {place + 1}"}
    return [(number, row[place]) for number, row in enumerate(rows, start=1) if place < len(row)]


def _codes_in(rows: Sequence[Sequence[str]]) -> bool:
    """True for rows that are codes from the first one on: there is no header."""
    width = min(map(len, rows))
    return any(
        CODE.fullmatch(_unquoted(rows[0][place])) and _are_codes([row[place] for row in rows]) for place in range(width)
    )


def _of_table(path: Path, reading: Reading, found: Findings) -> list[tuple[int, str]]:
    """Answers of a table's column: the one named, or the likeliest by its name."""
    if "output" not in reading.columns:
        reading = replace(reading, columns={**reading.columns, "output": _column(path, reading)})
    answers = []
    for row in rows_of_file(path, reading, silent, found):
        if row.record is None:
            raise DataError(f"{path}: {row.unit} {row.number}: {row.reason}")
        if (answer := row.record.get("output")) is not None:
            answers.append((row.number, str(answer)))
    return answers


def _column(path: Path, reading: Reading) -> str:
    """The column that holds the answers, by its name."""
    seen = Findings()
    free = replace(reading, columns={}, required=(), institution="")
    next(iter(rows_of_file(path, free, silent, seen)), None)
    likely = likely_columns([name for name in seen.names if _plain(name)])
    if "output" in likely:
        return likely["output"]
    if len(seen.names) == 1:
        return seen.names[0]
    names = ", ".join(repr(name[:40]) for name in seen.names[:8])
    raise DataError(f"{path} is a table, and no column looks like codes ({names}); name one: --answers-column NAME")


def _of_json(path: Path, lines: Sequence[tuple[int, str]], reading: Reading, found: Findings) -> list[tuple[int, str]]:
    """Answers of a JSON array of texts, of lines of texts, or of objects with a field of them."""
    if lines[0][1].startswith("["):
        try:
            given = json.loads("\n".join(line for _, line in lines))
        except (ValueError, RecursionError):
            return list(lines)
        if isinstance(given, list) and all(isinstance(one, str) for one in given):
            return list(enumerate(given, start=1))
    return _of_table(path, reading, found)


def _of_lines(lines: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """Answers of a text: one on each line, or codes with commas between them in the only line."""
    kept = list(lines)
    if len(kept) == 1:
        parts = [part.strip() for part in re.split(r"[,;\t|]", kept[0][1])]
        if len(parts) > 2 and all(CODE.fullmatch(_unquoted(part)) for part in parts):
            kept = [(kept[0][0], part) for part in parts]
    if len(kept) > 1 and _plain(kept[0][1]) in HEADINGS and _are_codes([line for _, line in kept[1:]]):
        kept = kept[1:]
    return kept


def _unquoted(text: str) -> str:
    text = text.strip()
    if formula := FORMULA.fullmatch(text):
        return formula[1]
    quoted = len(text) > 2 and text[0] == text[-1] == '"' and '"' not in text[1:-1].replace('""', "")
    return text[1:-1].replace('""', '"') if quoted else text


def _checked(path: Path, numbered: Sequence[tuple[int, str]]) -> list[str]:
    answers, bad = [], []
    for number, text in numbered:
        answer = _unquoted(text)
        try:
            check_text("answer", answer)
            answers.append(answer)
        except DataError as error:
            bad.append(f"line {number}: {error}")
    if bad:
        listed = reasons_listed(bad, len(bad))
        raise DataError(f"{path}: {len(bad)} bad record(s), nothing was read. Correct or remove:{listed}")
    if not answers:
        raise DataError(f"{path} is empty: expected one answer a line")
    return answers

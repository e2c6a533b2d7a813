"""JSON Lines files of demonstrations and inputs, and text files of answers."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from metachain.data.columns import EMPTY, check_columns, rename_fields
from metachain.data.demonstration import Demonstration, check_text, json_object, parse_record
from metachain.data.rows import Row, reasons_listed
from metachain.data.text_files import encoding_error, open_text
from metachain.errors import DataError
from metachain.progress import Progress, silent

__all__ = ["json_rows", "read_answers", "read_demonstrations", "read_inputs"]

T = TypeVar("T")


def read_demonstrations(path: str | Path, institution: str | None = None) -> list[Demonstration]:
    """Read a JSON Lines file of records ``{"institution", "input", "output", "id"?, "metadata"?}``.

    With ``institution`` given, records may omit theirs; a different one is an error. Raises DataError that names the
    file and the first five bad lines, or says that the file is empty.
    """
    expected = 'one {"institution", "input", "output"} object a line'
    return _read(Path(path), lambda line: parse_record(json_object(line), institution), expected)


def read_inputs(path: str | Path) -> list[str]:
    """Read the inputs of a JSON Lines file of records ``{"input"}``; other fields are ignored.

    Raises DataError that names the file and the first five bad lines, or says that the file is empty.
    """
    return _read(Path(path), _parse_input, 'one {"input"} object a line')


def read_answers(path: str | Path) -> list[str]:
    """Read a text file with one answer on each line, in order; blank lines and surrounding white space are ignored.

    Raises DataError that names the file and the first five bad lines, or says that the file is empty.
    """
    return _read(Path(path), _parse_answer, "one answer a line")


def json_rows(path: Path, columns: Mapping[str, str] = EMPTY, progress: Progress = silent) -> Iterator[Row]:
    """Read one JSON object from each line that is not blank; ``columns`` maps our fields to the names in the file.

    The file may be compressed or in UTF-16. Raises DataError if it can't be read.
    """
    check_columns(columns)
    with open_text(path, progress, newline="\n") as file:
        for number, line in _numbered(file):
            yield _row(number, line, columns)


def _read(path: Path, parse: Callable[[str], T], expected: str) -> list[T]:
    records: list[T] = []
    bad: list[str] = []
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="\n") as file:
            for number, line in _numbered(file):
                if reason := encoding_error(line):
                    raise DataError(f"{path}: line {number} is {reason}")
                try:
                    records.append(parse(line))
                except DataError as error:
                    bad.append(f"line {number}: {error}")
    except OSError as error:
        raise DataError(f"can't read {path}: {error.strerror}") from None
    if bad:
        listed = reasons_listed(bad, len(bad))
        raise DataError(f"{path}: {len(bad)} bad record(s), nothing was read. Correct or remove:{listed}")
    if not records:
        raise DataError(f"{path} is empty: expected {expected}")
    return records


def _numbered(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, stripped, with their numbers from 1."""
    for number, line in enumerate(lines, start=1):
        if text := line.strip():
            yield number, text


def _parse_input(line: str) -> str:
    record = json_object(line)
    if "input" not in record:
        raise DataError("missing field 'input'")
    check_text("input", record["input"])
    return str(record["input"])


def _parse_answer(line: str) -> str:
    check_text("answer", line)
    return line


def _row(number: int, text: str, columns: Mapping[str, str]) -> Row:
    try:
        if reason := encoding_error(text):
            raise DataError(reason)
        record = json_object(text)
    except DataError as error:
        return Row(number, None, str(error), text)
    return Row(number, rename_fields(record, columns) if columns else record, raw=text)

"""Whole files of demonstrations, inputs and answers, in any format that ``rows_of_file`` reads."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, Unpack

from metachain.data.answer_lists import answers_of_file
from metachain.data.demonstration import Demonstration, check_text, parse_record
from metachain.data.json_lines import json_rows
from metachain.data.reader import rows_of_file
from metachain.data.reading import Findings, Reading, ReadingOptions
from metachain.data.rows import Row, reasons_listed
from metachain.errors import DataError
from metachain.progress import silent

__all__ = ["json_rows", "read_answers", "read_demonstrations", "read_inputs"]

T = TypeVar("T")


def read_demonstrations(
    path: str | Path,
    institution: str | None = None,
    found: Findings | None = None,
    **options: Unpack[ReadingOptions],
) -> list[Demonstration]:
    """Read a file of demonstrations: JSON, CSV, Excel, Parquet and others, found by its content.

    With ``institution`` given, records may omit theirs; a different one is an error. The options are those of
    ``Reading``; ``found`` is filled with what was found out. Raises DataError that names the file and the first five
    bad lines, or says that the file is empty.
    """
    return _read(path, Reading(institution=institution, **options), lambda row: _demonstration(row, institution), found)


def read_inputs(path: str | Path, found: Findings | None = None, **options: Unpack[ReadingOptions]) -> list[str]:
    """Read the inputs of a file in any format; other fields are ignored.

    The options are those of ``Reading``. Raises DataError that names the file and the first five bad lines, or says
    that the file is empty.
    """
    return _read(path, Reading(required=("input",), **options), _input, found)


def read_answers(path: str | Path, found: Findings | None = None, **options: Unpack[ReadingOptions]) -> list[str]:
    """Read a list of answers: a text with one on each line, or a table with a column of them, in order.

    In a text, blank lines, surrounding white space and quotation marks, and comments (``# …``) at its top are ignored.
    A table is told by its content; the column is ``columns["output"]`` or the one that looks like codes. Raises
    DataError that names the file and the first five bad lines, or says that the file is empty, or that no column looks
    like codes.
    """
    return answers_of_file(Path(path), Reading(required=("output",), **options), found or Findings())


def _read(path: str | Path, reading: Reading, parse: Callable[[Row], T], found: Findings | None) -> list[T]:
    records: list[T] = []
    bad: list[str] = []
    for row in rows_of_file(path, reading, silent, found):
        try:
            records.append(parse(row))
        except DataError as error:
            bad.append(f"{row.unit} {row.number}: {error}")
    if bad:
        listed = reasons_listed(bad, len(bad))
        raise DataError(f"{path}: {len(bad)} bad record(s), nothing was read. Correct or remove:{listed}")
    return records


def _demonstration(row: Row, institution: str | None) -> Demonstration:
    if row.record is None:
        raise DataError(row.reason)
    return parse_record(row.record, institution)


def _input(row: Row) -> str:
    if row.record is None:
        raise DataError(row.reason)
    if "input" not in row.record:
        raise DataError("missing field 'input'")
    check_text("input", row.record["input"])
    return str(row.record["input"])

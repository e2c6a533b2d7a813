"""Rows of JSON Lines files."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from metachain.data.columns import EMPTY, check_columns, rename_fields
from metachain.data.demonstration import json_object
from metachain.data.rows import Row
from metachain.data.text_files import encoding_error, open_text
from metachain.errors import DataError
from metachain.progress import Progress, silent

__all__ = ["json_rows"]


def json_rows(
    path: Path, columns: Mapping[str, str] = EMPTY, progress: Progress = silent, encoding: str = ""
) -> Iterator[Row]:
    """Read one JSON object from each line that is not blank; ``columns`` maps our fields to the names in the file.

    The file may be compressed or in UTF-16. Raises DataError if it can't be read.
    """
    check_columns(columns)
    with open_text(path, progress, newline="\n", encoding=encoding) as file:
        for number, line in _numbered(file):
            yield _row(number, line, columns)


def _numbered(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, stripped, with their numbers from 1."""
    for number, line in enumerate(lines, start=1):
        if text := line.strip():
            yield number, text


def _row(number: int, text: str, columns: Mapping[str, str]) -> Row:
    try:
        if reason := encoding_error(text):
            raise DataError(reason)
        record = json_object(text)
    except DataError as error:
        return Row(number, None, str(error), text)
    return Row(number, rename_fields(record, columns) if columns else record, raw=text)

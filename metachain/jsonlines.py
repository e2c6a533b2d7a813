"""The rows of a JSON Lines file."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from metachain.columns import EMPTY, check_columns, renamed
from metachain.demonstration import json_object
from metachain.errors import DataError
from metachain.progress import Progress, silent
from metachain.rows import Row
from metachain.textfile import no_text, opened_text

__all__ = ["json_rows"]


def json_rows(path: Path, columns: Mapping[str, str] = EMPTY, progress: Progress = silent) -> Iterator[Row]:
    """Read one object a line, passing over blank lines; ``columns`` says which field has another name in the file.

    Raises DataError where the file can't be read.
    """
    check_columns(columns)
    with opened_text(path, progress, newline="\n") as file:
        for number, line in enumerate(file, start=1):
            if text := line.strip():
                yield _row(number, text, columns)


def _row(number: int, text: str, columns: Mapping[str, str]) -> Row:
    if reason := no_text(text):
        return Row(number, None, reason, text)
    try:
        record = json_object(text)
    except DataError as error:
        return Row(number, None, str(error), text)
    return Row(number, renamed(record, columns) if columns else record, raw=text)

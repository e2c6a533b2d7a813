"""Rows of a file or a table on their way into a library, and the file of rejected rows."""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Literal, Self

from metachain.data.demonstration import Demonstration, parse_record
from metachain.data.text_files import escaped
from metachain.errors import DataError, StorageError
from metachain.files import check_writable, replacing

__all__ = ["MAX_REPORTED", "Rejected", "RejectedFile", "Row", "from_record", "reasons_listed"]

MAX_REPORTED = 5
LONGEST_REASON = 90
"""Characters of a reason in a list; the file of rejected rows has all of it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as a reader found it."""

    number: int
    """Number of its first line, or of the row in a format without lines (see ``unit``); from 1."""
    record: Mapping[str, Any] | None
    """Values by our field names; None if the row can't be read."""
    reason: str = ""
    """Reason why the row can't be read; else empty."""
    raw: str = ""
    """Text of the row; empty in a format without text."""
    unit: Literal["line", "row"] = "line"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that was not stored, and the reason."""

    row: Row
    reason: str

    def __str__(self) -> str:
        return f"{self.row.unit} {self.row.number}: {self.reason}"


def from_record(row: Row, institution: str | None = None) -> Demonstration | Rejected:
    """Demonstration of a row, or the reason why there is none; ``institution`` is used if the row names none."""
    if row.record is None:
        return Rejected(row, row.reason)
    try:
        return parse_record(row.record, institution)
    except DataError as error:
        return Rejected(row, str(error))


def reasons_listed(reasons: Sequence[str], total: int) -> str:
    """The first five reasons, one on each line, and the number of the others; ``total`` counts all bad rows."""
    more = f"\n  … and {total - MAX_REPORTED} more" if total > MAX_REPORTED else ""
    return "".join(f"\n  {_cut(reason)}" for reason in reasons[:MAX_REPORTED]) + more


def _cut(reason: str) -> str:
    return reason if len(reason) <= LONGEST_REASON else reason[: LONGEST_REASON - 1] + "…"


class RejectedFile:
    """JSON Lines of ``{"line" or "row", "reason", "record" or "raw"}``, written as a whole or not at all.

    A context manager. If the block ends well and a row was written, the file replaces the one before; otherwise nothing
    is changed. ``record`` has our field names, so that it can be corrected and added. A row that can't be read is
    ``raw``, with undecodable bytes escaped.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stack = ExitStack()
        self._file: TextIOWrapper | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        try:
            self._stack.__exit__(*error)
        except OSError as failure:
            raise self._failed(failure) from failure

    def begin(self) -> TextIOWrapper:
        """Open the file. Raises StorageError with the path and the reason if it can't be written."""
        if self._file is None:
            check_writable(self.path)
            try:
                unfinished = self._stack.enter_context(replacing(self.path))
                self._file = self._stack.enter_context(unfinished.open("w", encoding="utf-8", newline="\n"))
            except OSError as error:
                raise self._failed(error) from error
        return self._file

    def write(self, rejected: Rejected) -> None:
        """Write one row. Raises StorageError as ``begin`` does."""
        file = self.begin()
        try:
            file.write(_line(rejected))
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> StorageError:
        reason = error.strerror or type(error).__name__
        return StorageError(f"can't write {self.path}: {reason}; give a path that can be written for the rejected rows")


def _line(rejected: Rejected) -> str:
    row = rejected.row
    head: dict[str, Any] = {row.unit: row.number, "reason": escaped(rejected.reason)}
    if row.record is not None:
        with suppress(TypeError, ValueError, RecursionError):
            return _json({**head, "record": row.record})
    return _json({**head, "raw": escaped(row.raw or repr(row.record))})


def _json(record: dict[str, Any]) -> str:
    line = json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        line.encode()
    except UnicodeEncodeError:
        return json.dumps(record, allow_nan=False) + "\n"
    return line

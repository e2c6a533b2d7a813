"""One row of a file or a table on its way into a library: what it says, or why it can't be used."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from metachain.data.demonstration import Demonstration, parse_record
from metachain.data.text_files import escaped
from metachain.errors import DataError, StorageError
from metachain.files import check_writable

__all__ = ["Rejected", "RejectedFile", "Row", "from_record"]


@dataclass(frozen=True, slots=True)
class Row:
    """What a reader found in one place."""

    number: int
    """Of its first line, or of the row where a format has no lines; from 1."""
    record: Mapping[str, Any] | None
    """By the names of our fields; None where it can't be read."""
    reason: str = ""
    """Why it can't be read."""
    raw: str = ""
    """Its text, in a format that has one."""
    unit: str = "line"
    """What ``number`` counts: "line" or "row"."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that was not stored, and why."""

    row: Row
    reason: str

    def __str__(self) -> str:
        return f"{self.row.unit} {self.row.number}: {self.reason}"


def from_record(row: Row, institution: str | None = None) -> Demonstration | Rejected:
    """Make a row's demonstration, of ``institution`` where it names none, or say why there is none."""
    if row.record is None:
        return Rejected(row, row.reason)
    try:
        return parse_record(row.record, institution)
    except DataError as error:
        return Rejected(row, str(error))


class RejectedFile:
    """JSON Lines of ``{"line" or "row", "reason", "record" or "raw"}``, there only once it is whole, if at all.

    A context: where its block ends well and a row was written, the file is put in place of what was there; where it
    ends with an error, or without a row, nothing is. ``record`` has our field names, so that it can be mended and
    added; a row that can't be read is ``raw``, with what is no text in it escaped.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._unfinished = path.resolve().with_name(f".{path.name}.{os.getpid()}.tmp")
        self._file: TextIOWrapper | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is None:
            return
        try:
            self._file.close()
            if kind is None:
                os.replace(self._unfinished, self.path.resolve())
        except OSError as failure:
            raise self._failed(failure) from failure
        finally:
            with suppress(OSError):
                self._unfinished.unlink()

    def begin(self) -> TextIOWrapper:
        """Find out whether it can be written. Raises StorageError that names the place and the reason."""
        if self._file is None:
            check_writable(self.path)
            try:
                self._file = self._unfinished.open("w", encoding="utf-8", newline="\n")
            except OSError as error:
                raise self._failed(error) from error
        return self._file

    def write(self, rejected: Rejected) -> None:
        """Add one row. Raises StorageError as ``begin`` does."""
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

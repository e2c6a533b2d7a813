"""One row of a file or a table on its way into a library: what it says, or why it can't be used."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metachain.demonstration import Demonstration, made_of
from metachain.errors import DataError

__all__ = ["Rejected", "Row", "demonstration_of"]


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


def demonstration_of(row: Row, institution: str | None = None) -> Demonstration | Rejected:
    """Make a row's demonstration, of ``institution`` where it names none, or say why there is none."""
    if row.record is None:
        return Rejected(row, row.reason)
    try:
        return made_of(row.record, institution)
    except DataError as error:
        return Rejected(row, str(error))

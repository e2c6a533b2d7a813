"""Options of reading a file, and what was found while it was read."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from metachain.data.columns import EMPTY
from metachain.data.demonstration import REQUIRED_FIELDS

__all__ = ["Findings", "Reading", "ReadingOptions"]


class ReadingOptions(TypedDict, total=False):
    """Options of every function that reads a file; their meaning is that of ``Reading``."""

    format: str | None
    columns: Mapping[str, str]
    sheet: str
    header_line: int
    encoding: str
    records: str
    where: Sequence[str]
    missing: Sequence[str] | None
    template: str


@dataclass(frozen=True, slots=True)
class Reading:
    """The way in which a file is read; everything that is left out is found by the file's content."""

    format: str | None = None
    """One of FORMATS."""
    columns: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    """Our fields (``input``, ``metadata.ward``, …) and the columns, or paths into records, that hold them."""
    sheet: str = ""
    """Name of a workbook's sheet, or its number from 1."""
    header_line: int = 0
    """Number of the header's line, from 1; 0 to look for it by the columns."""
    encoding: str = ""
    """Python's name of the text's encoding."""
    records: str = ""
    """Path to the list of records in a JSON document; ``*`` stands for each element of a list on the way."""
    where: Sequence[str] = ()
    """Conditions that rows must meet, ``NAME=VALUE``, ``NAME!=VALUE`` or ``NAME``; other rows are left out."""
    missing: Sequence[str] | None = None
    """Texts that count as absent, besides empty ones; None for the usual ones (``nan``, ``#N/A``, …)."""
    template: str = ""
    """Name of a template, or path of a file of templates; ``none`` to use none."""
    institution: str | None = None
    """Institution of rows that name none."""
    required: Sequence[str] = REQUIRED_FIELDS
    """Fields without which a row is of no use."""


@dataclass(slots=True)
class Findings:
    """Facts that were found in a file; complete when its last row was read."""

    path: Path | None = None
    format: str = ""
    packed: str = ""
    encoding: str = ""
    delimiter: str = ""
    header_line: int = 0
    sheet: str = ""
    sheets: Sequence[str] = ()
    template: str = ""
    records: str = ""
    names: Sequence[str] = ()
    """Columns of the table, or fields of the first record."""
    chosen: Mapping[str, str] = field(default_factory=dict)
    """Our fields, and the columns or paths that they were read from."""
    first: Mapping[str, Any] | None = None
    """First record as it is in the file, by its own names; needed columns only in a table."""
    absent: Counter[str] = field(default_factory=Counter)
    left_out: int = 0
    numbers: int = 0
    """Cells of a workbook that were numbers where texts are needed."""
    systems: Counter[str] = field(default_factory=Counter)
    """Values of the column that says which system a code is of, such as ``code|1|type``."""
    systems_column: str = ""

    def notes(self) -> list[str]:
        """Sentences on what a reader should know: nothing for a plain file in UTF-8."""
        said = [f"read as {self.template}"] if self.template else []
        if self.encoding and not self.encoding.startswith("utf-8"):
            said.append(f"encoding {self.encoding} (--encoding gives another)")
        if self.header_line > 1:
            said.append(f"the header is line {self.header_line} (--header-line gives another)")
        if len(self.sheets) > 1:
            said.append(f"sheet {self.sheet!r} of {len(self.sheets)} (--sheet gives another)")
        if self.records:
            said.append(f"records at {self.records}")
        if self.left_out:
            said.append(f"{self.left_out} row(s) left out by a condition")
        if self.absent:
            told = ", ".join(f"{text!r} {count} times" for text, count in self.absent.most_common(5))
            said.append(f"warning: {sum(self.absent.values())} value(s) count as absent: {told} (--missing says which)")
        if self.numbers:
            said.append(f"warning: {self.numbers} cell(s) were numbers: zeros before them, such as 0250, are lost")
        if len(self.systems) > 1:
            told = ", ".join(f"{text} {count}" for text, count in self.systems.most_common(4))
            first = self.systems.most_common(1)[0][0]
            said.append(
                f"warning: several code systems ({told}): keep one, as in --where '{self.systems_column}={first}'"
            )
        return said

"""Options of the commands that read a file, and what they say about it."""

from collections.abc import Sequence
from typing import Annotated

import typer

from metachain.cli.shared.console import one_line, out
from metachain.data.columns import named_columns
from metachain.data.reading import Findings, ReadingOptions
from metachain.errors import DataError

__all__ = [
    "Columns",
    "Encoding",
    "Format",
    "HeaderLine",
    "LabelSeparator",
    "Missing",
    "Records",
    "Sheet",
    "Template",
    "Where",
]
__all__ += ["print_findings", "reading_options", "share_named"]

Format = Annotated[
    str,
    typer.Option(help="Format: jsonl, json, csv, tsv, excel, parquet or dataset; found by the content if left out."),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        help="FIELD=COLUMN, such as input=description, or a path into records: output=coding.0.code. May be repeated.",
    ),
]
Sheet = Annotated[str, typer.Option(help="Sheet of a workbook, by its name or its number from 1.")]
HeaderLine = Annotated[
    int, typer.Option(min=0, help="Line of the header, from 1; found by the columns asked for if left out.")
]
Encoding = Annotated[
    str, typer.Option(help="Encoding of a text, such as cp1252, mac_roman or gb18030; detected if left out.")
]
Records = Annotated[
    str, typer.Option(metavar="PATH", help="Path to the list of records in a JSON document, such as data.rows.")
]
Where = Annotated[
    list[str] | None,
    typer.Option(help="Condition that rows must meet: COLUMN=VALUE, COLUMN!=VALUE or COLUMN. May be repeated."),
]
Missing = Annotated[
    list[str] | None,
    typer.Option(help="Text that counts as absent, in place of nan, None, NULL, #N/A and the like. May be repeated."),
]
Template = Annotated[
    str, typer.Option(metavar="NAME", help="Template of a known format, by name; a file of templates; or none.")
]


LabelSeparator = Annotated[
    str,
    typer.Option(
        metavar="SIGNS",
        help="Signs that separate several labels in one output, such as ';' or ';,' or newline; outputs are then sets.",
    ),
]


def reading_options(
    format: str,
    column: Sequence[str] | None,
    sheet: str,
    header_line: int,
    encoding: str,
    records: str,
    where: Sequence[str] | None,
    missing: Sequence[str] | None,
    template: str,
) -> ReadingOptions:
    """The options as the readers take them. Raises DataError for a column that is not FIELD=COLUMN."""
    return {
        "format": format or None,
        "columns": named_columns(tuple(column or ())),
        "sheet": sheet,
        "header_line": header_line,
        "encoding": encoding,
        "records": records,
        "where": tuple(where or ()),
        "missing": tuple(missing) if missing else None,
        "template": template,
    }


def print_findings(found: Findings) -> None:
    """Print what a reader should know about a file: nothing for a plain one."""
    for note in found.notes():
        out.print(one_line(f"{found.path.name if found.path else 'the file'}: {note}"))


def share_named(option: str, text: str) -> float:
    """Read ``1%``, ``1`` or ``0.01`` as a share: a number below 1 is a share, any other a percentage.

    Raises DataError that names the option.
    """
    try:
        number = float(text.strip().removesuffix("%"))
    except ValueError:
        number = -1.0
    share = number if "%" not in text and number < 1 else number / 100
    if not 0 <= share <= 1:
        raise DataError(f"{option} takes a share from 0 to 100 %, such as 1% or 0.01; got {text!r}")
    return share

"""``metachain inspect``: shows what a file is and how it would be read, and the command that adds it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from metachain import cli
from metachain.cli.shared.reading import (
    Columns,
    Encoding,
    Format,
    HeaderLine,
    Missing,
    Records,
    Sheet,
    Template,
    Where,
    reading_options,
)
from metachain.data.inspection import Inspection, inspected
from metachain.data.reading import Reading
from metachain.errors import DataError

__all__ = ["inspect"]

NAMED = 12
"""Columns that are listed by name."""


def inspect(
    file: Annotated[Path, typer.Argument(help="File of demonstrations, in any format.")],
    column: Columns = None,
    institution: Annotated[str, typer.Option(help="Institution of all demonstrations, if FILE names none.")] = "",
    format: Format = "",
    sheet: Sheet = "",
    header_line: HeaderLine = 0,
    encoding: Encoding = "",
    records: Records = "",
    where: Where = None,
    missing: Missing = None,
    template: Template = "",
) -> None:
    """Show what a file is and how it would be read, and the command that adds it; nothing is stored.

    The format, the encoding, the header and the columns are found by the content; options say otherwise. Shown are the
    first rows as they would be read, the rows that would be rejected and why, labels that look alike, and texts with
    several answers. The status is 2 if the file can't be read.

    Example: metachain inspect pricelist.csv
    """
    options = reading_options(format, column, sheet, header_line, encoding, records, where, missing, template)
    with cli.working() as progress:
        seen = inspected(file, Reading(institution=institution or None, **options), progress)
    _print_file(seen)
    if seen.complaint and not seen.good:
        raise DataError(seen.complaint)
    _print_rows(seen)
    _print_labels(seen)
    if seen.complaint:
        cli.out.print(cli.short(f"the file can't be read to its end: {seen.complaint}", 500))
    cli.out.print(f"to add it: {cli.one_line(seen.command())}")


def _print_file(seen: Inspection) -> None:
    found = seen.found
    said = [found.format or "unknown format"]
    said += [found.packed] if found.packed else []
    said += [f"encoding {found.encoding}"] if found.encoding else []
    said += [f"delimiter {found.delimiter!r}"] if found.delimiter else []
    said += [f"header in line {found.header_line}"] if found.header_line else []
    said += [f"sheet {found.sheet!r} of {', '.join(map(repr, found.sheets[:NAMED]))}"] if found.sheets else []
    cli.out.print(cli.one_line(f"{seen.path}: {', '.join(said)}"))
    if found.names:
        names = ", ".join(repr(name[:40]) for name in found.names[:NAMED])
        more = f" and {len(found.names) - NAMED} more" if len(found.names) > NAMED else ""
        cli.out.print(cli.one_line(f"columns: {names}{more}"))
    for note in found.notes():
        cli.out.print(cli.one_line(note))


def _print_rows(seen: Inspection) -> None:
    if seen.found.chosen:
        told = ", ".join(f"{ours} from {theirs!r}" for ours, theirs in seen.found.chosen.items())
        cli.out.print(cli.short(f"read as: {told}{', by their names' if seen.guessed else ''}", 400))
    if seen.first:
        table = Table("institution", "input", "output", title="the first rows as they would be read")
        for one in seen.first:
            institution = "–" if seen.needs_institution else one.institution
            table.add_row(*(Text(cli.short(text, 60)) for text in (institution, one.input, one.output)))
        cli.out.print(table)
    cli.out.print(
        f"{seen.good} of {seen.rows} row(s) can be read, of {len(seen.institutions) or 'unnamed'} institution(s)"
    )
    rejected = sorted(seen.rejected.items(), key=lambda one: -one[1])
    for reason, count in rejected[:5]:
        cli.out.print(f"  {count} would be rejected: {cli.short(reason, 100)}")
    if rejected:
        cli.out.print(f"  such as {cli.short(seen.examples[0], 120)}")


def _print_labels(seen: Inspection) -> None:
    if seen.alike:
        told = "; ".join(" / ".join(repr(one[:30]) for one in group[:4]) for group in seen.alike[:5])
        cli.out.print(cli.one_line(f"{len(seen.alike)} group(s) of labels look alike: {told}"))
    if seen.label_separator:
        sign = repr(seen.label_separator)
        cli.out.print(
            f"outputs such as {cli.short(seen.set_example, 60)!r} hold several labels, separated by {sign}: with "
            "--label-separator they are sets, in whatever order"
        )
    if seen.conflicting:
        _, text, _ = seen.conflicts[0]
        cli.out.print(f"{seen.conflicting} text(s) have several answers, such as {cli.short(text, 80)!r}")

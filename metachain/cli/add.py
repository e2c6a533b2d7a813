"""``metachain add``: reads a file into a library, reports bad rows, and embeds the new demonstrations."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from metachain import cli, deidentification, learning, workers
from metachain import data as data_files
from metachain import library as libraries
from metachain.cli.shared.options import Dask, Deidentify, KeepBoth, LibraryPath
from metachain.cli.shared.reading import (
    Columns,
    Encoding,
    Format,
    HeaderLine,
    LabelSeparator,
    Missing,
    Records,
    Sheet,
    Template,
    Where,
    print_findings,
    reading_options,
    share_named,
)
from metachain.data.columns import quoted
from metachain.errors import DataError
from metachain.files import check_writable

__all__ = ["add"]

REJECTED = 3
"""Exit status if too many rows were rejected."""
MANY = 10_000
"""Number of texts from which embedding takes long enough for a note."""


# Longer than 40 lines: the signature is the command line.
def add(
    library: LibraryPath,
    data: Annotated[
        Path,
        typer.Argument(
            help="JSON, JSON Lines, CSV, TSV, Excel or Parquet, gzipped or zipped too; or a folder of save_to_disk."
        ),
    ],
    strict: Annotated[bool, typer.Option("--strict", help="Store nothing if any row is bad.")] = False,
    rejected: Annotated[
        Path | None, typer.Option(help="File for bad rows; DATA.rejected.jsonl in the current folder if left out.")
    ] = None,
    column: Columns = None,
    format: Format = "",
    sheet: Sheet = "",
    header_line: HeaderLine = 0,
    encoding: Encoding = "",
    records: Records = "",
    where: Where = None,
    missing: Missing = None,
    template: Template = "",
    label_separator: LabelSeparator = "",
    institution: Annotated[
        str, typer.Option(help="Institution of all demonstrations, if DATA does not name any.")
    ] = "",
    reject_at_most: Annotated[
        str, typer.Option(metavar="SHARE", help="Share of rejected rows, such as 1%, above which the status is 3.")
    ] = "1%",
    share: Annotated[
        str,
        typer.Option(help="Audience of institutions that have no rule yet: everyone, nobody, group:NAME,… or names."),
    ] = "",
    deidentify: Deidentify = "off",
    keep_both: KeepBoth = False,
    no_embed: Annotated[bool, typer.Option("--no-embed", help="Leave embedding for later.")] = False,
    dask: Dask = "",
) -> None:
    """Add demonstrations to a library, which is created if it does not exist; adding them again changes nothing.

    DATA has fields or columns for institution, input and output, and optionally for id and metadata; the command
    inspect shows how it would be read. Bad rows are left out and written to a file with their line numbers and reasons;
    the status is 3 if they are more than --reject-at-most. Sharing is off by default: --share, or the command share,
    allows others to be shown the demonstrations.

    Example: metachain add hospitals.db past.csv --column input=description --share everyone
    """
    target = rejected or Path(f"{data.absolute().name}.rejected.jsonl")
    # Mistakes in the options and an unreachable cluster are reported before a library is made.
    with workers.workers_at("" if no_embed else dask) as running:
        options = reading_options(format, column, sheet, header_line, encoding, records, where, missing, template)
        limit = share_named("--reject-at-most", reject_at_most)
        read = data_files.Findings()
        gate = deidentification.gate_named(deidentify)
        grant = libraries.Grant(libraries.Audience.read(share)) if share else None
        if strict and rejected:
            raise DataError("--strict refuses the whole file and writes no rejected rows; leave out one of the two")
        if rejected:
            check_writable(rejected)
        if target.resolve() in (data.resolve(), Path(library).resolve()):
            raise DataError(f"--rejected would overwrite {target}, which is read; name another file")
        with cli.working() as progress:
            rows = libraries.file_rows(data, institution or None, progress, read, **options)
            with libraries.Library.open(library, gate=gate, label_separator=label_separator) as opened:
                found = libraries.ingest(
                    opened,
                    rows,
                    institution=institution or None,
                    strict=strict,
                    share=grant,
                    rejected=None if strict else target,
                    source=str(data),
                    metadata={"keep_both": True} if keep_both else {},
                )
                alike = opened.look_alikes(found.institutions)
                conflicting = {name: learning.conflicts(opened, name) for name in sorted(found.institutions)}
        _print(library, data, target, found, read)
        for name, conflicts in conflicting.items():
            cli.print_conflicts(name, conflicts)
        cli.print_look_alikes(libraries.without_password(library), alike)
        if not no_embed:
            if found.stored > MANY:
                cli.out.print(
                    "embedding so many texts takes long: Ctrl-C keeps what is done, and the same command goes on; "
                    "--no-embed leaves it for later"
                )
            with libraries.Library.open(library, create=False, workers=running) as opened, cli.working() as progress:
                libraries.embed_stored(opened, found.institutions, progress)
    _check_share(found, limit, data)


def _print(library: str, data: Path, target: Path, found: "libraries.Ingested", read: "data_files.Findings") -> None:
    """Print the number of stored and of rejected rows, and what was found. Raises DataError if no row could be used."""
    if found.stored or found.duplicates or not found.rejected:
        place = libraries.without_password(library)
        cli.out.print(f"{found.stored} demonstrations added to {place}, {found.duplicates} were there already")
    print_findings(read)
    if not found.rejected:
        return
    cli.out.print(f"{found.rejected} row(s) rejected, written with their reasons to {target}")
    for reason in found.reasons:
        cli.out.print(f"  {cli.short(reason, 200)}")
    if found.rejected > len(found.reasons):
        cli.out.print(f"  … and {found.rejected - len(found.reasons)} more")
    if not found.stored and not found.duplicates:
        advice = f"; to see how it is read: metachain inspect {quoted(str(data))}" if len(str(data)) < 200 else ""
        raise DataError(f"none of the {found.rejected} row(s) of {data} could be used{advice}")


def _check_share(found: "libraries.Ingested", limit: float, data: Path) -> None:
    """End with status 3, and say what was kept, if more rows were rejected than the limit allows."""
    kept = found.stored + found.duplicates
    total = kept + found.rejected
    if found.rejected > limit * total:
        sys.stderr.write(
            f"error: {found.rejected} of {total} rows of {data} were rejected, more than {limit:.4g} of them "
            f"(--reject-at-most); the other {kept} are kept in the library. Correct the rejected ones and add them\n"
        )
        raise typer.Exit(REJECTED)

"""``metachain add``: reads a file into a library, reports bad rows, and embeds the new demonstrations."""

from pathlib import Path
from typing import Annotated

import typer

from metachain import cli, deidentification, learning, workers
from metachain import data as data_files
from metachain import library as libraries
from metachain.cli.shared.options import Dask, Deidentify, KeepBoth, LibraryPath
from metachain.errors import DataError
from metachain.files import check_writable

__all__ = ["add"]

MANY = 10_000
"""Number of texts from which embedding takes long enough for a note."""


# Longer than 40 lines: the signature is the command line.
def add(
    library: LibraryPath,
    data: Annotated[
        Path, typer.Argument(help="JSON Lines, CSV, TSV (also gzipped), Parquet, or a folder of save_to_disk.")
    ],
    format: Annotated[
        str, typer.Option(help="Format of DATA: jsonl, csv, tsv, parquet or dataset; guessed from its name.")
    ] = "",
    strict: Annotated[bool, typer.Option("--strict", help="Store nothing if any row is bad.")] = False,
    rejected: Annotated[
        Path | None, typer.Option(help="File for bad rows; DATA.rejected.jsonl in the current folder if left out.")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="FIELD=COLUMN, such as input=description; may be given several times.")
    ] = None,
    institution: Annotated[
        str, typer.Option(help="Institution of all demonstrations, if DATA does not name any.")
    ] = "",
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

    DATA has fields or columns for institution, input and output, and optionally for id and metadata. Bad rows are left
    out and written to a file with their line numbers and reasons. Sharing is off by default: --share, or the command
    share, allows others to be shown the demonstrations.

    Example: metachain add hospitals.db past.csv --column input=description --share everyone
    """
    target = rejected or Path(f"{data.absolute().name}.rejected.jsonl")
    # Mistakes in the options and an unreachable cluster are reported before a library is made.
    with workers.workers_at("" if no_embed else dask) as running:
        columns = data_files.named_columns(tuple(column or ()))
        gate = deidentification.gate_named(deidentify)
        grant = libraries.Grant(libraries.Audience.read(share)) if share else None
        if strict and rejected:
            raise DataError("--strict refuses the whole file and writes no rejected rows; leave out one of the two")
        if rejected:
            check_writable(rejected)
        if target.resolve() in (data.resolve(), Path(library).resolve()):
            raise DataError(f"--rejected would overwrite {target}, which is read; name another file")
        with cli.working() as progress:
            rows = libraries.file_rows(data, institution or None, progress, format=format or None, columns=columns)
            with libraries.Library.open(library, gate=gate) as opened:
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
                conflicting = {name: learning.conflicts(opened, name) for name in sorted(found.institutions)}
        _print(library, data, target, found)
        for name, conflicts in conflicting.items():
            cli.print_conflicts(name, conflicts)
        if not no_embed:
            if found.stored > MANY:
                cli.out.print(
                    "embedding so many texts takes long: Ctrl-C keeps what is done, and the same command goes on; "
                    "--no-embed leaves it for later"
                )
            with libraries.Library.open(library, create=False, workers=running) as opened, cli.working() as progress:
                libraries.embed_stored(opened, found.institutions, progress)


def _print(library: str, data: Path, target: Path, found: "libraries.Ingested") -> None:
    """Print the number of stored and of rejected rows. Raises DataError where no row could be used."""
    if found.stored or found.duplicates or not found.rejected:
        place = libraries.without_password(library)
        cli.out.print(f"{found.stored} demonstrations added to {place}, {found.duplicates} were there already")
    if not found.rejected:
        return
    cli.out.print(f"{found.rejected} row(s) rejected, written with their reasons to {target}")
    for reason in found.reasons:
        cli.out.print(f"  {cli.short(reason, 200)}")
    if found.rejected > len(found.reasons):
        cli.out.print(f"  … and {found.rejected - len(found.reasons)} more")
    if not found.stored and not found.duplicates:
        raise DataError(f"none of the {found.rejected} row(s) of {data} could be used")

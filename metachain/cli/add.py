"""The ``add`` command: reads a file into a library, and prints what became of its rows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from metachain.cli.console import one_line, out, short, working
from metachain.cli.options import Dask, Deidentify, LibraryPath
from metachain.data.columns import named_columns
from metachain.deidentification.gate import gate_named
from metachain.errors import DataError
from metachain.files import check_writable
from metachain.library.connect import without_password
from metachain.library.ingestion import Ingested, embed_stored, file_rows, ingest
from metachain.library.library import Library
from metachain.library.sharing import Audience, Grant
from metachain.workers import Workers, workers_at

__all__ = ["Adding", "add", "add_and_print", "index"]


def add(
    library: LibraryPath,
    data: Annotated[
        Path, typer.Argument(help="JSON Lines, CSV, TSV (also gzipped), Parquet, or a folder of save_to_disk.")
    ],
    format: Annotated[
        str, typer.Option(help="jsonl, csv, tsv, parquet or dataset; left out, what DATA's name says.")
    ] = "",
    strict: Annotated[bool, typer.Option("--strict", help="Store nothing where any row is bad.")] = False,
    rejected: Annotated[
        Path | None, typer.Option(help="Write bad rows here; left out, DATA.rejected.jsonl in this folder.")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="FIELD=COLUMN, such as input=description; again for others.")
    ] = None,
    institution: Annotated[str, typer.Option(help="Whose demonstrations they are, where DATA doesn't say.")] = "",
    share: Annotated[
        str,
        typer.Option(
            help="Who may use them: everyone, nobody, group:NAME,… or names; for institutions without a rule."
        ),
    ] = "",
    deidentify: Deidentify = "off",
    no_embed: Annotated[bool, typer.Option("--no-embed", help="Leave embedding for later.")] = False,
    dask: Dask = "",
) -> None:
    """Add demonstrations to a library (made where there is none); adding them again changes nothing.

    DATA has a field or a column each for institution, input and output, and may have id and metadata. Rows that can't
    be used are left out and written to a file with their line numbers and reasons. What no rule allows is not shared:
    say with --share, or with the command share, who may be shown them.
    """
    wanted = Adding(
        data, format, strict, rejected, tuple(column or ()), institution or None, share, deidentify, not no_embed, dask
    )
    add_and_print(library, wanted)


def index(library: LibraryPath) -> None:
    """Build the index by which PostgreSQL finds the nearest demonstrations itself; it is kept current from then on.

    What is not embedded yet is embedded first. Others may read and write meanwhile.
    """
    from metachain.cli.console import out, working
    from metachain.library.connect import without_password
    from metachain.library.ingestion import embed_stored
    from metachain.library.library import Library

    with Library.open(library, create=False) as opened:
        with working() as progress:
            embed_stored(opened, opened.institutions(), progress)
        out.print(f"{opened.index()} demonstrations are indexed in {without_password(library)}")


MANY = 10_000
"""Texts that take so long to embed that it is worth a word."""


@dataclass(frozen=True)
class Adding:
    """What ``metachain add`` was asked to do."""

    data: Path
    format: str
    strict: bool
    rejected: Path | None
    columns: tuple[str, ...]
    institution: str | None
    share: str
    deidentify: str
    embed: bool
    dask: str = ""

    @property
    def target(self) -> Path:
        """Where rejected rows are written: a file of the data's name in the folder where the command is run."""
        return self.rejected or Path(f"{self.data.absolute().name}.rejected.jsonl")


def add_and_print(library: str, wanted: Adding) -> None:
    """Store what is good, print how much that is and what was rejected, and embed what is new.

    What is wrong with the whole file is said before a library is made, and so is a Dask cluster that can't be reached.
    Raises DataError where no row could be used.
    """
    with workers_at(wanted.dask if wanted.embed else "") as workers:
        _add(library, wanted, workers)


def _add(library: str, wanted: Adding, workers: Workers) -> None:
    columns = named_columns(wanted.columns)
    gate = gate_named(wanted.deidentify)
    grant = Grant(Audience.read(wanted.share)) if wanted.share else None
    _check_target(library, wanted)
    with working() as progress:
        rows = file_rows(wanted.data, wanted.format or None, columns, wanted.institution, progress)
        with Library.open(library, gate=gate) as opened:
            found = ingest(
                opened,
                rows,
                institution=wanted.institution,
                strict=wanted.strict,
                share=grant,
                rejected=None if wanted.strict else wanted.target,
                source=str(wanted.data),
            )
    _print(library, wanted, found)
    if not wanted.embed:
        return
    if found.stored > MANY:
        out.print(
            "embedding so many texts takes long: Ctrl-C keeps what is done, and the same command goes on; "
            "--no-embed leaves it for later"
        )
    with Library.open(library, create=False, workers=workers) as opened, working() as progress:
        embed_stored(opened, found.institutions, progress)


def _check_target(library: str, wanted: Adding) -> None:
    if wanted.strict and wanted.rejected:
        raise DataError("--strict refuses the whole file and writes no rejected rows; leave out one of the two")
    if wanted.rejected:
        check_writable(wanted.rejected)
    if wanted.target.resolve() in (wanted.data.resolve(), Path(library).resolve()):
        raise DataError(f"--rejected would overwrite {wanted.target}, which is read; name another file")


def _print(library: str, wanted: Adding, found: Ingested) -> None:
    if found.stored or found.duplicates or not found.rejected:
        out.print(
            f"{found.stored} demonstrations added to {without_password(library)}, {found.duplicates} were there already"
        )
    if not found.rejected:
        return
    out.print(f"{found.rejected} row(s) rejected, written with their reasons to {wanted.target}")
    for reason in found.reasons:
        out.print(f"  {short(one_line(reason), 200)}")
    if found.rejected > len(found.reasons):
        out.print(f"  … and {found.rejected - len(found.reasons)} more")
    if not found.stored and not found.duplicates:
        raise DataError(f"none of the {found.rejected} row(s) of {wanted.data} could be used")

"""What a library holds: filled, indexed, forgotten."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from metachain.commands.options import Dask, Deidentify, LibraryPath

__all__ = ["add", "forget", "index"]


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
    from metachain.adding import Adding, add_and_print

    wanted = Adding(
        data, format, strict, rejected, tuple(column or ()), institution or None, share, deidentify, not no_embed, dask
    )
    add_and_print(library, wanted)


def index(library: LibraryPath) -> None:
    """Build the index by which PostgreSQL finds the nearest demonstrations itself; it is kept current from then on.

    What is not embedded yet is embedded first. Others may read and write meanwhile.
    """
    from metachain.console import out, working
    from metachain.ingestion import embed_stored
    from metachain.library import Library
    from metachain.opening import without_password

    with Library.open(library, create=False) as opened:
        with working() as progress:
            embed_stored(opened, opened.institutions(), progress)
        out.print(f"{opened.index()} demonstrations are indexed in {without_password(library)}")


def forget(
    library: LibraryPath,
    institution: Annotated[
        str | None, typer.Option(help="Forget all of an institution; with --demonstration, that one of it.")
    ] = None,
    demonstration: Annotated[str | None, typer.Option(metavar="ID", help="Forget a demonstration by its id.")] = None,
    patient: Annotated[
        str | None, typer.Option(metavar="KEY", help="Forget the demonstrations whose metadata.patient is this.")
    ] = None,
    answer: Annotated[
        str | None, typer.Option(metavar="ID", help="Forget one recorded answer, with its query and correction.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the receipt here.")] = None,
) -> None:
    """Forget exactly: rows, vectors, answers and all that was learned from them, which is learned again without."""
    from metachain.console import out, print_receipt, working
    from metachain.files import check_writable, write_text
    from metachain.forgetting import forget as forget_exactly
    from metachain.library import Library

    if json_file:
        check_writable(json_file)
    with Library.open(library, create=False) as opened, working() as progress:
        receipt = forget_exactly(
            opened,
            institution=institution,
            demonstration=demonstration,
            patient=patient,
            answer=answer,
            progress=progress,
        )
    print_receipt(receipt)
    if json_file:
        out.print(f"receipt: {write_text(json.dumps(asdict(receipt), indent=1), json_file)}")

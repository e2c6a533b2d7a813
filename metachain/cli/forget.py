"""``metachain forget``: erases demonstrations and answers, and learns again without them."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from metachain import cli, learning
from metachain import library as libraries
from metachain.cli.shared.options import LibraryPath
from metachain.files import check_writable, write_text

__all__ = ["forget"]


def forget(
    library: LibraryPath,
    institution: Annotated[
        str | None, typer.Option(help="Forget an institution; with --demonstration, only that demonstration of it.")
    ] = None,
    demonstration: Annotated[str | None, typer.Option(metavar="ID", help="Forget a demonstration by its id.")] = None,
    patient: Annotated[
        str | None, typer.Option(metavar="KEY", help="Forget all demonstrations with this metadata.patient.")
    ] = None,
    answer: Annotated[
        str | None, typer.Option(metavar="ID", help="Forget one recorded answer, with its query and correction.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the receipt to this file.")] = None,
) -> None:
    """Forget exactly: erase rows, vectors and answers, and learn again without them.

    Example: metachain forget hospitals.db --institution mercy
    """
    if json_file:
        check_writable(json_file)
    with libraries.Library.open(library, create=False) as opened, cli.working() as progress:
        receipt = learning.forget(
            opened,
            institution=institution,
            demonstration=demonstration,
            patient=patient,
            answer=answer,
            progress=progress,
        )
    cli.print_receipt(receipt)
    if json_file:
        cli.out.print(f"receipt: {write_text(json.dumps(asdict(receipt), indent=1), json_file)}")

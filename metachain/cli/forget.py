"""What a library holds: filled, indexed, forgotten."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from metachain.cli.options import LibraryPath

__all__ = ["forget"]


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
    from metachain.cli.console import out, working
    from metachain.cli.tables import print_receipt
    from metachain.files import check_writable, write_text
    from metachain.learning.unlearning import forget as forget_exactly
    from metachain.library.library import Library

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

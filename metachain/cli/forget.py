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
    also: Annotated[
        bool, typer.Option("--also", help="Forget the institutions with look-alike names too; else they are told.")
    ] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the receipt to this file.")] = None,
) -> None:
    """Forget exactly: erase rows, vectors and answers, and learn again without them.

    Names that differ in blanks or invisible characters alone are one. With --also, --json writes a list of receipts.

    Example: metachain forget hospitals.db --institution mercy
    """
    if json_file:
        check_writable(json_file)
    whole = institution if demonstration is patient is answer is None else None
    with libraries.Library.open(library, create=False) as opened:
        others = cli.taken_along(opened, whole, "--also", wanted=also) if whole else ()
    with libraries.Library.open(library, create=False) as opened, cli.working() as progress:
        parts = {"demonstration": demonstration, "patient": patient, "answer": answer}
        receipts = [
            learning.forget(opened, institution=name, **parts, progress=progress) for name in (institution, *others)
        ]
    for receipt in receipts:
        cli.print_receipt(receipt)
    if json_file:
        written = [asdict(receipt) for receipt in receipts]
        text = json.dumps(written if others else written[0], indent=1)
        cli.out.print(f"receipt: {write_text(text, json_file)}")

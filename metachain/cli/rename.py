"""``metachain rename``: joins two spellings of an institution or of a label."""

from typing import Annotated

import typer

from metachain import cli, learning
from metachain import library as libraries
from metachain.cli.shared.options import LibraryPath
from metachain.errors import DataError

__all__ = ["rename"]


def rename(
    library: LibraryPath,
    kind: Annotated[str, typer.Argument(metavar="institution|label", help="Kind of the name: institution or label.")],
    old: Annotated[str, typer.Argument(metavar="FROM", help="Name that is to go.")],
    new: Annotated[str, typer.Argument(metavar="TO", help="Name that everything of it is to have.")],
    institution: Annotated[
        str | None, typer.Option(help="Rename a label in this institution only; in all of them if left out.")
    ] = None,
) -> None:
    """Join an institution, or a label, with another one, of which it is a spelling; learn again with it.

    Everything changes in one transaction, which the audit records, and nothing is lost.

    Example: metachain rename hospitals.db institution "Mercy Hosp." mercy
    """
    if kind not in ("institution", "label"):
        raise DataError(f"rename what: institution or label? got {kind!r}")
    with libraries.Library.open(library, create=False) as opened, cli.working() as progress:
        found = learning.rename(
            opened,
            kind,  # type: ignore[arg-type]  # one of the two
            old,
            new,
            institution=institution,
            progress=progress,
        )
    cli.out.print(cli.one_line(str(found.joined)))
    if found.learned_again:
        cli.out.print(f"learned again: {', '.join(map(cli.one_line, found.learned_again))}")
    if found.lost:
        cli.out.print(f"to be made again: {', '.join(map(cli.one_line, found.lost))}")

"""``metachain review``: lists, releases or refuses what came in at run time."""

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from metachain import cli
from metachain import library as libraries
from metachain.cli.shared.options import LibraryPath
from metachain.errors import DataError

__all__ = ["review"]


def review(
    library: LibraryPath,
    institution: Annotated[str, typer.Argument(help="Institution; leave out to list what waits of all.")] = "",
    release: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Let the institution's rules cover this demonstration; may be given again."),
    ] = None,
    refuse: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Keep this demonstration for the institution alone; may be given again."),
    ] = None,
    release_all: Annotated[bool, typer.Option("--release-all", help="Release all that waits.")] = False,
    refuse_all: Annotated[bool, typer.Option("--refuse-all", help="Refuse all that waits.")] = False,
) -> None:
    """List what came in at run time and waits for a review; release it to others, or refuse it.

    Examples and corrections that a server or a chain receives count for their own institution at once. The sharing
    rules cover them only after their release.

    Example: metachain review hospitals.db st-marys --release-all
    """
    if (release or release_all or refuse or refuse_all) and not institution:
        raise DataError("name the institution whose demonstrations to release or refuse")
    if release_all and refuse_all:
        raise DataError("release all that waits, or refuse it, not both")
    with libraries.Library.open(library, create=False) as opened:
        refused = opened.review.refuse(institution, refuse) if refuse else 0
        released = opened.review.release(institution, release) if release else 0
        refused += opened.review.refuse(institution) if refuse_all else 0
        released += opened.review.release(institution) if release_all else 0
        waiting = opened.review.waiting(institution or None)
    if released or refused:
        cli.out.print(f"{released} released, {refused} refused; this counts from the next selection on")
    if not waiting:
        cli.out.print("nothing waits for a review")
        return
    table = Table("institution", "id", "came by", "input", "output", title=f"{len(waiting)} wait for a review")
    for one in waiting:
        shown = one.demonstration
        came = one.origin if one.key is None else f"{one.origin}, key {one.key}"
        cells = (shown.institution, shown.id, came, cli.short(shown.input), cli.short(shown.output))
        table.add_row(*map(Text, map(cli.one_line, cells)))
    cli.out.print(table)

"""``metachain answers``: counts the recorded answers of models, or deletes old ones."""

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from metachain import cli
from metachain import library as libraries
from metachain.cli.shared.options import LibraryPath
from metachain.timestamps import parse_age_option

__all__ = ["answers"]


def answers(
    library: LibraryPath,
    prune: Annotated[
        str,
        typer.Option(
            help="Delete answers without feedback that are older than an age such as 90d or 12h, or a day or moment."
        ),
    ] = "",
) -> None:
    """Count the recorded answers of models by institution, or delete old ones that have no feedback.

    Answers with a score or a correction teach, and stay; `metachain forget --answer ID` erases one of them.

    Example: metachain answers hospitals.db --prune 90d
    """
    with libraries.Library.open(library, create=False) as opened:
        if prune:
            before = parse_age_option("--prune", prune)
            count = opened.outcomes.prune(before)
            moment = before.isoformat(timespec="seconds")
            cli.out.print(f"{count} answers before {moment} without feedback are no longer in the library")
            return
        counts = opened.outcomes.counts()
    if not counts:
        cli.out.print("no answers")
        return
    table = Table("institution", "answers", "with feedback", "oldest", "newest")
    for one in counts:
        cells = (cli.one_line(one.institution), str(one.answers), str(one.judged), one.oldest, one.newest)
        table.add_row(*map(Text, cells))
    cli.out.print(table)

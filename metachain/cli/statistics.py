"""``metachain statistics``: summary statistics for a site that cannot share its demonstrations."""

from hashlib import sha256
from math import isnan
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from metachain import cli, learning
from metachain import library as libraries
from metachain.cli.shared.options import LibraryPath, Recorded
from metachain.errors import DataError
from metachain.files import check_writable, write_text
from metachain.reporting.wording import whole

__all__ = ["statistics"]


def statistics(
    library: LibraryPath,
    institution: Annotated[str, typer.Argument(help="Institution that keeps its demonstrations to itself.")],
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the statistics to this file, for `metachain learn`.")
    ] = None,
    audit: Recorded = True,
) -> None:
    """Measure summary statistics of an institution; others learn from them without its demonstrations.

    They are printed in words and numbers, and written only where --json says.

    Example: metachain statistics site.db st-marys --json st-marys.json
    """
    if json_file:
        check_writable(json_file)
        if json_file.resolve() == Path(library).resolve():
            raise DataError(f"--json would overwrite the library {json_file}; name another file")
    with libraries.Library.open(library, create=False, audit=audit) as opened, cli.working() as progress:
        found = learning.statistics_of(opened, institution, progress=progress)
        text = found.to_json()
        told = {"items": found.items, "sources": list(found.sources), "sha256": sha256(text.encode()).hexdigest()}
        if json_file:
            opened.audit.note("statistics", institution, told)
    title = Text(f"how well others answer for {cli.one_line(found.institution)}")
    table = Table("shared institution", "answers as it does", title=title)
    for source, share in zip(found.sources, found.transfer, strict=True):
        table.add_row(Text(cli.one_line(source)), f"{share:.3f}")
    cli.out.print(table)
    cli.out.print(f"measured on {found.items} of its demonstrations, a number for each shared institution")
    _print_rehearsals(found)
    names, numbers = 1 + len(found.sources), len(found.transfer) + found.sums.size + 2
    cli.out.print(
        f"{whole(len(text.encode()))} bytes: the {names} names above, {numbers} numbers, and digests of the shared "
        f"demonstrations, the encoder and the method; no text, id or answer of {cli.one_line(institution)}"
    )
    cli.out.print(
        f"statistics: {write_text(text, json_file)}" if json_file else "nothing was written; --json FILE does"
    )


def _print_rehearsals(found: "learning.Contribution") -> None:
    nearest = learning.ARMS.index(learning.NEAREST)
    for labels, sums in zip(learning.LABELS, found.sums, strict=True):
        scores = learning.mean_scores([], sums, found.rehearsals)
        if isnan(scores[nearest]):
            cli.out.print("nothing could be rehearsed: it has too few demonstrations, or too few texts")
            return
        best = max(score for arm, score in enumerate(scores) if arm != nearest)
        cli.out.print(
            f"  {found.rehearsals} rehearsals with {labels:>2} labels, a number for each of {len(scores)} settings: "
            f"nearest {scores[nearest]:.3f}, best learned {best:.3f}"
        )

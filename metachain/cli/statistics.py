"""The ``statistics`` command: measures an institution, says what its numbers are, and writes them to a file."""

from math import isnan
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table
from rich.text import Text

from metachain.cli.console import one_line, out, working
from metachain.cli.options import LibraryPath
from metachain.errors import DataError
from metachain.files import check_writable, write_text
from metachain.learning.episodes import LABELS
from metachain.learning.guard import ARMS, NEAREST, mean_scores
from metachain.learning.prior import statistics_of
from metachain.learning.site_statistics import Contribution
from metachain.library.library import Library
from metachain.reporting.wording import whole

__all__ = ["disclose", "statistics"]


def statistics(
    library: LibraryPath,
    institution: Annotated[str, typer.Argument(help="Name of the institution whose demonstrations stay here.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write them here, for `metachain learn`.")] = None,
) -> None:
    """Measure an institution beside the others of a library: what it can give without giving its demonstrations."""
    disclose(library, institution, json_file)


def disclose(library: str, institution: str, json_file: Path | None) -> None:
    """Print in words and numbers what would leave this machine, and write that and nothing else."""
    if json_file:
        check_writable(json_file)
        if json_file.resolve() == Path(library).resolve():
            raise DataError(f"--json would overwrite the library {json_file}; name another file")
    with Library.open(library, create=False) as opened, working() as progress:
        found = statistics_of(opened, institution, progress=progress)
    text = found.to_json()
    _print(found)
    names, numbers = 1 + len(found.sources), len(found.transfer) + found.sums.size + 2
    out.print(
        f"{whole(len(text.encode()))} bytes: the {names} names above, {numbers} numbers, and digests of the shared "
        f"demonstrations, the encoder and the method; no text, id or answer of {one_line(institution)}"
    )
    out.print(f"statistics: {write_text(text, json_file)}" if json_file else "nothing was written; --json FILE does")


def _print(found: Contribution) -> None:
    name = one_line(found.institution)
    table = Table("shared institution", "answers as it does", title=Text(f"how well others answer for {name}"))
    for source, share in zip(found.sources, found.transfer, strict=True):
        table.add_row(Text(one_line(source)), f"{share:.3f}")
    out.print(table)
    out.print(f"measured on {found.items} of its demonstrations, a number for each shared institution")
    nearest = ARMS.index(NEAREST)
    for labels, sums in zip(LABELS, found.sums, strict=True):
        scores = mean_scores([], sums, found.rehearsals)
        if isnan(scores[nearest]):
            out.print("nothing could be rehearsed: it has too few demonstrations, or too few texts")
            return
        learned = np.delete(scores, nearest).max()
        out.print(
            f"  {found.rehearsals} rehearsals with {labels:>2} labels, a number for each of {len(ARMS)} settings: "
            f"nearest {scores[nearest]:.3f}, best learned {learned:.3f}"
        )

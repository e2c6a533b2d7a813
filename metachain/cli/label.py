"""The ``label`` command: reads unlabelled inputs, and prints which of them to label next."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from metachain.cli.console import one_line, out, short, working
from metachain.cli.options import Institution, LibraryPath, Purpose
from metachain.data.jsonl import read_inputs
from metachain.errors import DataError, NotFoundError
from metachain.files import check_writable, write_text
from metachain.learning.active_learning import Suggestion, suggest_labels
from metachain.learning.artifacts import load_posterior, load_prior
from metachain.learning.posterior import Posterior, adapt
from metachain.library.library import Library

__all__ = ["advise", "label"]


def label(
    library: LibraryPath,
    institution: Institution,
    unlabelled: Annotated[Path, typer.Argument(help='JSON Lines of {"input"}; other fields are ignored.')],
    budget: Annotated[int, typer.Option(min=0, help="How many inputs to suggest at most.")] = 8,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write them here as records to fill in.")] = None,
    purpose: Purpose = "",
) -> None:
    """Say which inputs an institution should label next, and why; one never adapted to is taken as without labels."""
    advise(library, institution, unlabelled, budget, json_file, purpose)


def advise(
    library: str, institution: str, unlabelled: Path, budget: int, json_file: Path | None, purpose: str = ""
) -> None:
    """Print what to label next, in order and with reasons, and write it as JSON Lines to be filled in."""
    if json_file:
        check_writable(json_file)
        if json_file.resolve() in (unlabelled.resolve(), Path(library).resolve()):
            raise DataError(f"--json would overwrite {json_file}, which is read; name another file")
    texts = read_inputs(unlabelled)
    with Library.open(library, create=False, purpose=purpose) as opened:
        posterior = _posterior(opened, institution)
        with working() as progress:
            suggestions = suggest_labels(opened, posterior, texts, budget, progress=progress)
    _print(suggestions, institution)
    if json_file:
        out.print(f"to fill in: {write_text(_lines(suggestions, institution), json_file)}")


def _posterior(library: Library, institution: str) -> Posterior:
    """What is stored, or made now where the institution was never adapted to: its labels, if any, are read anyway."""
    try:
        return load_posterior(library, institution)
    except NotFoundError:
        return adapt(load_prior(library, institution), library, institution)


def _print(suggestions: Sequence[Suggestion], institution: str) -> None:
    if not suggestions:
        out.print(f"nothing to suggest: {institution} has labelled every text given, or the budget is 0")
        return
    title = f"what {institution} should label next, the most useful first"
    table = Table("", "input", "removes", "why", title=Text(title), show_lines=True)
    for place, one in enumerate(suggestions, start=1):
        table.add_row(*map(Text, (str(place), short(one.text), f"{one.gain:.1%}", one_line(one.reason))))
    out.print(table)
    out.print("removes: share of the error that is expected to remain after the labels above it")


def _lines(suggestions: Sequence[Suggestion], institution: str) -> str:
    records = ({"institution": institution, "input": one.text, "output": ""} for one in suggestions)
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)

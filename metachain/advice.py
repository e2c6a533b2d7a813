"""The ``label`` command: reads unlabelled inputs, and prints which of them to label next."""

import json
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from metachain.console import one_line, out, short, working
from metachain.demonstration import read_inputs
from metachain.errors import DataError, NotFoundError
from metachain.files import check_writable, write_text
from metachain.labelling import Suggestion, suggest_labels
from metachain.library import Library
from metachain.posterior import Posterior, adapt, load_posterior
from metachain.prior import load_prior

__all__ = ["advise"]


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

"""``metachain label``: suggests which unlabelled inputs to label next (active learning)."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from metachain import cli, data, learning
from metachain import library as libraries
from metachain.cli.shared.options import Institution, LibraryPath, Purpose, Recorded, check_json_file
from metachain.cli.shared.reading import (
    Columns,
    Encoding,
    Format,
    HeaderLine,
    Missing,
    Records,
    Sheet,
    Template,
    Where,
    print_findings,
    reading_options,
)
from metachain.errors import NotFoundError
from metachain.files import write_text

__all__ = ["label"]


def label(
    library: LibraryPath,
    institution: Institution,
    unlabelled: Annotated[Path, typer.Argument(help="File of inputs, in any format; other fields are ignored.")],
    budget: Annotated[int, typer.Option(min=0, help="Maximum number of suggestions.")] = 8,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the suggestions to this file, as records to fill in.")
    ] = None,
    column: Columns = None,
    format: Format = "",
    sheet: Sheet = "",
    header_line: HeaderLine = 0,
    encoding: Encoding = "",
    records: Records = "",
    where: Where = None,
    missing: Missing = None,
    template: Template = "",
    audit: Recorded = True,
    purpose: Purpose = "",
) -> None:
    """Suggest which inputs an institution should label next, with reasons.

    `metachain adapt` need not come first.

    Example: metachain label hospitals.db st-marys unlabelled.jsonl --budget 8
    """
    check_json_file(json_file, unlabelled, library)
    read = data.Findings()
    options = reading_options(format, column, sheet, header_line, encoding, records, where, missing, template)
    texts = data.read_inputs(unlabelled, read, **options)
    print_findings(read)
    with libraries.Library.open(library, create=False, purpose=purpose, audit=audit) as opened:
        posterior = _posterior(opened, institution)
        with cli.working() as progress:
            suggestions = learning.suggest_labels(opened, posterior, texts, budget, progress=progress)
        opened.audit.note("label", institution, {"texts": len(texts), "suggested": len(suggestions)})
    _print(suggestions, institution)
    if json_file:
        to_fill = ({"institution": institution, "input": one.text, "output": ""} for one in suggestions)
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in to_fill)
        cli.out.print(f"to fill in: {write_text(lines, json_file)}")


def _posterior(library: "libraries.Library", institution: str) -> "learning.Posterior":
    """Stored posterior of the institution, or one computed now from its labels, if any."""
    try:
        return learning.load_posterior(library, institution)
    except NotFoundError:
        return learning.adapt(learning.load_prior(library, institution), library, institution)


def _print(suggestions: "Sequence[learning.Suggestion]", institution: str) -> None:
    if not suggestions:
        cli.out.print(f"nothing to suggest: {institution} has labelled every text given, or the budget is 0")
        return
    title = f"what {institution} should label next, the most useful first"
    table = Table("", "input", "removes", "why", title=Text(title), show_lines=True)
    for place, one in enumerate(suggestions, start=1):
        cells = (str(place), cli.short(one.text), f"{one.gain:.1%}", cli.one_line(one.reason))
        table.add_row(*map(Text, cells))
    cli.out.print(table)
    cli.out.print("removes: share of the error that is expected to remain after the labels above it")

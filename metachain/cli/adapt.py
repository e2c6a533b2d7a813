"""``metachain adapt``: stores the labels of a target institution and computes its posterior."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from metachain import cli, data, deidentification, learning
from metachain import library as libraries
from metachain.cli.shared.options import Deidentify, Institution, KeepBoth, LibraryPath, Purpose
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

__all__ = ["adapt"]


# Longer than 40 lines: the signature is the command line.
def adapt(
    library: LibraryPath,
    institution: Institution,
    support: Annotated[
        Path | None,
        typer.Argument(help="File of the institution's labelled examples, in any format; none if left out."),
    ] = None,
    keep_both: KeepBoth = False,
    answers: Annotated[
        Path | None,
        typer.Option(help="File of all answers of the institution, such as its codes: one a line, or a table."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="List the --answers even if few of them are known labels.")
    ] = False,
    answers_column: Annotated[str, typer.Option(metavar="COLUMN", help="Column of the answers, if a table.")] = "",
    deidentify: Deidentify = "off",
    column: Columns = None,
    format: Format = "",
    sheet: Sheet = "",
    header_line: HeaderLine = 0,
    encoding: Encoding = "",
    records: Records = "",
    where: Where = None,
    missing: Missing = None,
    template: Template = "",
    purpose: Purpose = "",
) -> None:
    """Adapt to a target institution: store its labelled examples and compute its posterior.

    Example: metachain adapt hospitals.db st-marys few.jsonl --answers codes.txt
    """
    read, listing = data.Findings(), data.Findings()
    options = reading_options(format, column, sheet, header_line, encoding, records, where, missing, template)
    examples = data.read_demonstrations(support, institution, read, **options) if support else []
    if keep_both:
        examples = [replace(one, metadata={**one.metadata, "keep_both": True}) for one in examples]
    named = {"output": answers_column} if answers_column else {}
    answer_list = data.read_answers(answers, listing, columns=named) if answers else []
    gate = deidentification.gate_named(deidentify)
    with libraries.Library.open(library, create=False, purpose=purpose, gate=gate) as opened:
        prior = learning.load_prior(opened, institution)
        if answer_list and not force:
            opened.check_answers(institution, answer_list, [one.output for one in examples])
        added = opened.add(examples, anew=True)
        if answer_list:
            listed = opened.list_answers(institution, answer_list, force=True)
            cli.out.print(f"{len(listed)} answers listed for {institution}")
        print_findings(read)
        print_findings(listing)
        with cli.working() as progress:
            opened.vectors(examples, progress)
            posterior = learning.adapt(prior, opened, institution)
        learning.save_posterior(opened, posterior)
        counts = {"stored": added.stored, "duplicates": added.duplicates, "answers": len(answer_list)}
        opened.audit.note("adapt", institution, counts)
        found = learning.conflicts(opened, institution)
        texts = {one.id: one.input for one in opened.demonstrations(institution)} if posterior.changes else {}
    learned = posterior.method == "metachain"
    use = "learned selection" if learned else "plain nearest neighbours (the guard's choice)"
    cli.print_conflicts(institution, found)
    cli.print_changes(institution, posterior.changes, texts)
    cli.out.print(f"adapted to {institution} with {posterior.labels} labels; it will use {use}")

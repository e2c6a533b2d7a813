"""``metachain adapt``: stores the labels of a target institution and computes its posterior."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from metachain import cli, data, deidentification, learning
from metachain import library as libraries
from metachain.cli.shared.options import Deidentify, Institution, KeepBoth, LibraryPath, Purpose

__all__ = ["adapt"]


# Longer than 40 lines: the signature is the command line.
def adapt(
    library: LibraryPath,
    institution: Institution,
    support: Annotated[
        Path | None, typer.Argument(help="JSON Lines of the institution's labelled examples; none if left out.")
    ] = None,
    keep_both: KeepBoth = False,
    answers: Annotated[
        Path | None, typer.Option(help="Text file of all answers of the institution, such as its codes, one a line.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="List the --answers even if few of them are known labels.")
    ] = False,
    deidentify: Deidentify = "off",
    purpose: Purpose = "",
) -> None:
    """Adapt to a target institution: store its labelled examples and compute its posterior.

    Example: metachain adapt hospitals.db st-marys few.jsonl --answers codes.txt
    """
    examples = data.read_demonstrations(support, institution) if support else []
    if keep_both:
        examples = [replace(one, metadata={**one.metadata, "keep_both": True}) for one in examples]
    answer_list = data.read_answers(answers) if answers else []
    gate = deidentification.gate_named(deidentify)
    with libraries.Library.open(library, create=False, purpose=purpose, gate=gate) as opened:
        prior = learning.load_prior(opened, institution)
        if answer_list and not force:
            opened.check_answers(institution, answer_list, [one.output for one in examples])
        added = opened.add(examples, anew=True)
        if answer_list:
            listed = opened.list_answers(institution, answer_list, force=True)
            cli.out.print(f"{len(listed)} answers listed for {institution}")
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

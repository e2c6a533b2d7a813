"""What is learned of institutions, and what they should label next."""

from pathlib import Path
from typing import Annotated

import typer

from metachain.cli.options import Deidentify, Institution, LibraryPath, Purpose

__all__ = ["adapt"]


def adapt(
    library: LibraryPath,
    institution: Institution,
    support: Annotated[
        Path | None, typer.Argument(help="JSON Lines of the institution's labelled examples; leave out for none.")
    ] = None,
    answers: Annotated[
        Path | None, typer.Option(help="Text file of all answers it gives, such as its codes, one a line.")
    ] = None,
    deidentify: Deidentify = "off",
    purpose: Purpose = "",
) -> None:
    """Adapt to a new institution: store its labelled examples and compute its posterior."""
    from metachain.cli.console import out, working
    from metachain.data.jsonl import read_answers, read_demonstrations
    from metachain.deidentification.gate import gate_named
    from metachain.learning.artifacts import load_prior, save_posterior
    from metachain.learning.posterior import adapt as adapt_posterior
    from metachain.library.library import Library

    examples = read_demonstrations(support, institution) if support else []
    given = read_answers(answers) if answers else []
    with Library.open(library, create=False, purpose=purpose, gate=gate_named(deidentify)) as opened:
        prior = load_prior(opened, institution)
        opened.add(examples)
        if given:
            out.print(f"{len(opened.list_answers(institution, given))} answers listed for {institution}")
        with working() as progress:
            opened.vectors(examples, progress)
            posterior = adapt_posterior(prior, opened, institution)
        save_posterior(opened, posterior)
    how = "learned selection" if posterior.method == "metachain" else "plain nearest neighbours (the guard's choice)"
    out.print(f"adapted to {institution} with {posterior.labels} labels; it will use {how}")

"""``metachain ask``: a model's answer to one input."""

from typing import Annotated

import typer

from metachain import chains, learning, retrievers, selection
from metachain import library as libraries
from metachain.cli.shared.options import Institution, LibraryPath, Model, Purpose, Query, Recorded, Shots

__all__ = ["ask"]


def ask(
    library: LibraryPath,
    institution: Institution,
    text: Query,
    model: Model = "offline",
    instructions: Annotated[str, typer.Option(help="System message before the demonstrations.")] = "",
    shots: Shots = None,
    purpose: Purpose = "",
    audit: Recorded = True,
) -> None:
    """Answer one input with a model that is shown the chosen demonstrations.

    The order and number are those learned for the model, if `metachain learn --model` has been run for it.

    Example: metachain ask hospitals.db st-marys "chest x-ray 2 views" --model offline
    """
    with libraries.Library.open(library, create=False, purpose=purpose, audit=audit) as opened:
        policy = selection.load_policy(opened, model)
        posterior = learning.load_posterior(opened, institution)
        selector = retrievers.MetaExampleSelector(opened, posterior, shots, policy=policy)
        typer.echo(chains.few_shot_chain(model, selector, instructions=instructions).invoke({"input": text}))

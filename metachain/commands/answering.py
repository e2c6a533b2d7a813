"""Demonstrations chosen for one input, and a model's answer to it."""

from typing import Annotated

import typer

from metachain.commands.options import Institution, LibraryPath, Model, Purpose, Query, Recorded, Shots

__all__ = ["ask", "select"]


def select(
    library: LibraryPath,
    institution: Institution,
    text: Query,
    shots: Shots = None,
    model: Model = "offline",
    purpose: Purpose = "",
    audit: Recorded = True,
) -> None:
    """Show the demonstrations chosen for one input, and why; as the model is shown them, where one was learned from."""
    from metachain.console import print_selection
    from metachain.library import Library
    from metachain.policies import load_policy
    from metachain.posterior import load_posterior
    from metachain.selector import Selector

    with Library.open(library, create=False, purpose=purpose, audit=audit) as opened:
        policy = load_policy(opened, model)
        print_selection(Selector(opened, load_posterior(opened, institution), shots, policy).select(text))


def ask(
    library: LibraryPath,
    institution: Institution,
    text: Query,
    model: Model = "offline",
    instructions: Annotated[str, typer.Option(help="What the model is told before the demonstrations.")] = "",
    shots: Shots = None,
    purpose: Purpose = "",
    audit: Recorded = True,
) -> None:
    """Answer one input with a model that is shown the chosen demonstrations, as was learned for it where it was."""
    from metachain.chains import few_shot_chain
    from metachain.library import Library
    from metachain.policies import load_policy
    from metachain.posterior import load_posterior
    from metachain.retrievers import MetaExampleSelector

    with Library.open(library, create=False, purpose=purpose, audit=audit) as opened:
        policy = load_policy(opened, model)
        selector = MetaExampleSelector(opened, load_posterior(opened, institution), shots, policy=policy)
        typer.echo(few_shot_chain(model, selector, instructions=instructions).invoke({"input": text}))

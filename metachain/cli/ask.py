"""Demonstrations chosen for one input, and a model's answer to it."""

from typing import Annotated

import typer

from metachain.cli.options import Institution, LibraryPath, Model, Purpose, Query, Recorded, Shots

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
    from metachain.cli.tables import print_selection
    from metachain.learning.artifacts import load_posterior
    from metachain.library.library import Library
    from metachain.selection.learned_policies import load_policy
    from metachain.selection.selector import Selector

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
    from metachain.learning.artifacts import load_posterior
    from metachain.library.library import Library
    from metachain.retrievers import MetaExampleSelector
    from metachain.selection.learned_policies import load_policy

    with Library.open(library, create=False, purpose=purpose, audit=audit) as opened:
        policy = load_policy(opened, model)
        selector = MetaExampleSelector(opened, load_posterior(opened, institution), shots, policy=policy)
        typer.echo(few_shot_chain(model, selector, instructions=instructions).invoke({"input": text}))

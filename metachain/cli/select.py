"""``metachain select``: shows the demonstrations chosen for one input."""

from metachain import cli, learning, selection
from metachain import library as libraries
from metachain.cli.shared.options import Institution, LibraryPath, Model, Purpose, Query, Recorded, Shots

__all__ = ["select"]


def select(
    library: LibraryPath,
    institution: Institution,
    text: Query,
    shots: Shots = None,
    model: Model = "offline",
    purpose: Purpose = "",
    audit: Recorded = True,
) -> None:
    """Show the demonstrations chosen for one input, each with its reason.

    The order and number are those learned for the model, if `metachain learn --model` has been run for it.

    Example: metachain select hospitals.db st-marys "chest x-ray 2 views"
    """
    with libraries.Library.open(library, create=False, purpose=purpose, audit=audit) as opened:
        policy = selection.load_policy(opened, model)
        posterior = learning.load_posterior(opened, institution)
        cli.print_selection(selection.Selector(opened, posterior, shots, policy).select(text))

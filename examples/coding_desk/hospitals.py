"""The library of the hospital group, with synthetic bookings; read your own in their place."""

from pathlib import Path

from metachain import EVERYONE, Demonstration, Library, learn
from metachain.data import generate_world
from metachain.learning import adapt, save_posterior, save_prior

__all__ = ["open_library"]


def open_library(path: Path) -> tuple[Library, str, list[Demonstration]]:
    """Open a library with a prior from past hospitals; return it with a new hospital's name and its right bookings."""
    world = generate_world()
    name = world[-1].institution
    library = Library.open(path)
    library.add((one for one in world if one.institution != name), share=EVERYONE)
    prior = learn(library)
    save_prior(library, prior)
    save_posterior(library, adapt(prior, library, name))
    return library, name, [one for one in world if one.institution == name]

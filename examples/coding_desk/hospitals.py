"""The library of the group: what past hospitals have booked. Generated and synthetic here; read your own instead."""

from pathlib import Path

from metachain import EVERYONE, Demonstration, Library, learn
from metachain.data import generate_world
from metachain.learning import adapt, save_posterior, save_prior

__all__ = ["open_library"]


def open_library(path: Path) -> tuple[Library, str, list[Demonstration]]:
    """A library that has learned from past hospitals; a new one's name, and what its coders would book."""
    world = generate_world()
    name = world[-1].institution
    library = Library.open(path)
    library.add((one for one in world if one.institution != name), share=EVERYONE)
    prior = learn(library)
    save_prior(library, prior)
    save_posterior(library, adapt(prior, library, name))
    return library, name, [one for one in world if one.institution == name]

"""Parts that many tests share, made once: the real encoder, a library it has embedded, what was learned from it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from oracles import hospitals

from metachain.demonstration import Demonstration
from metachain.encoder import MiniLM
from metachain.library import Library
from metachain.posterior import Posterior, adapt
from metachain.prior import Prior, learn, save_prior
from metachain.sharing import EVERYONE

os.environ.setdefault("HF_HUB_OFFLINE", "1")

NEW = "hospital 5"
LABELS = 6


@pytest.fixture(scope="session")
def encoder() -> MiniLM:
    """The real encoder, loaded once."""
    return MiniLM()


@pytest.fixture(scope="session")
def world() -> list[Demonstration]:
    """Six small hospitals, of which ``hospital 5`` is the new one."""
    return hospitals(count=6)


@pytest.fixture(scope="session")
def newcomer(world: list[Demonstration]) -> list[Demonstration]:
    """All that the new hospital will ever book; the first six are its labels."""
    return [one for one in world if one.institution == NEW]


@pytest.fixture(scope="session")
def learned(
    tmp_path_factory: pytest.TempPathFactory,
    encoder: MiniLM,
    world: list[Demonstration],
    newcomer: list[Demonstration],
) -> tuple[Path, Prior]:
    """A library of five past hospitals and the new one's labels, and its prior; not to be written to."""
    path = tmp_path_factory.mktemp("learned") / "hospitals.db"
    with Library.open(path, encoder) as library:
        library.add((one for one in world if one.institution != NEW), share=EVERYONE)
        prior = learn(library)
        library.add(newcomer[:LABELS], share=EVERYONE)
        adapt(prior, library, NEW)
    return path, prior


@pytest.fixture
def library(learned: tuple[Path, Prior], tmp_path: Path, encoder: MiniLM) -> Iterator[Library]:
    """A copy of the learned library, to do with as one likes."""
    path = tmp_path / "hospitals.db"
    shutil.copy(learned[0], path)
    with Library.open(path, encoder) as opened:
        yield opened


@pytest.fixture
def posterior(learned: tuple[Path, Prior], library: Library) -> Posterior:
    """The new hospital, adapted to its six labels."""
    return adapt(learned[1], library, NEW)


@pytest.fixture
def ready(library: Library, posterior: Posterior) -> Library:
    """A library with its prior stored, as ``metachain learn`` leaves it."""
    save_prior(library, posterior.prior)
    return library

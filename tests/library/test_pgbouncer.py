"""A library behind PgBouncer in transaction mode, where each transaction may get another connection."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from handmade import Tiny, demonstrations
from pgbouncer import pooled

from metachain.data.demonstration import Demonstration
from metachain.learning.posterior import adapt
from metachain.learning.prior import learn
from metachain.learning.unlearning import forget
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE
from metachain.retrievers import MetaExampleSelector

TURNS = 12
"""More than the 5 executions after which psycopg prepares a statement on the server."""


@pytest.fixture
def place(postgres_url: str) -> Iterator[str]:
    """Address of an empty database, through PgBouncer."""
    with pooled(postgres_url) as address:
        yield address


def test_everything_works_in_transaction_mode(place: str, postgres_url: str) -> None:
    """Adding, learning, indexing, selecting in threads, feedback and forgetting give what a direct connection gives."""
    with Library.open(place, Tiny()) as library:
        for number in range(TURNS):
            library.add(demonstrations(each=number + 1), share=EVERYONE)
        prior = learn(library)
        library.add([Demonstration("new", "x-ray of the hip", "code 1")])
        posterior = adapt(prior, library, "new")
        assert library.index() == len(library.demonstrations())
        selector = MetaExampleSelector(library, posterior, k=2)

        def select(thread: int) -> list[list[dict[str, str]]]:
            asked = ({"input": f"x-ray of the knee {number}"} for number in range(TURNS))
            return [[dict(one) for one in selector.select_examples(query)] for query in asked]

        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(select, range(4)))
        vectors = library.encoder.encode(["x-ray of the knee 3"])
        near = [library.nearest("new", vectors, 3) for _ in range(TURNS)]
        with Library.open(postgres_url, Tiny()) as direct:
            assert direct.demonstrations() == library.demonstrations()
            assert near == [direct.nearest("new", vectors, 3)] * TURNS
            assert found == [select(0)] * 4
        forget(library, institution="h1")
        assert "h1" not in library.institutions()


def test_rows_stay_hidden_where_connections_are_shared(place: str) -> None:
    """Of two institutions that share one server's connections each sees its own rows, whoever asked before."""
    with Library.open(place, Tiny()) as library:
        library.add(demonstrations())
        library.vectors(library.demonstrations())
        for _ in range(TURNS):
            for name in ("h0", "h1"):
                (found,) = library.nearest(name, library.encoder.encode(["x-ray"]), 9)
                assert [one.demonstration.institution for one in found] == [name] * 8
                assert library.shared_demonstrations(name) == ()
            assert library.counts() == {"h0": 8, "h1": 8, "h2": 8}

"""Connections to the database: their number and waits, and errors of those that break."""

import os
import socket
from collections.abc import Iterator
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from handmade import Tiny, demonstrations
from sqlalchemy import make_url, text

from metachain.data.demonstration import Demonstration
from metachain.errors import BusyError, DataError, StorageError
from metachain.library.database.engine import KEEPER, Connections, reading, writing
from metachain.library.library import Library

if TYPE_CHECKING:
    from benchmarks.common.postgres import PostgresServer


def test_no_free_connection_is_said(place: str) -> None:
    """Where all are in use and none is given back in time, the error says so, in both engines."""
    with Library.open(place, Tiny(), connections=Connections(most=1, timeout=0.1)) as library:
        with reading(library._engine), pytest.raises(BusyError, match="no free connection; ask again"):
            library.counts()
        assert library.counts() == {}


@pytest.mark.parametrize("wrong", [{"most": 0}, {"timeout": -1.0}, {"statement_timeout": float("nan")}])
def test_limits_of_nothing_are_refused(wrong: dict[str, float]) -> None:
    """Each must be above 0."""
    with pytest.raises(DataError, match=next(iter(wrong))):
        Connections(**wrong)  # type: ignore[arg-type]


def test_a_statement_ends_after_its_time(place: str) -> None:
    """A write that waits for another one is given up, and the next one works."""
    limited = Connections(statement_timeout=0.2)
    with Library.open(place, Tiny()) as other, Library.open(place, Tiny(), connections=limited) as library:
        with writing(other._engine, KEEPER, alone=True), pytest.raises(StorageError, match="run again"):
            library.add(demonstrations())
        assert library.add(demonstrations()).stored == 24


def test_an_ended_connection_is_no_damaged_library(postgres_url: str, postgres: "PostgresServer") -> None:
    """An administrator ends it within a transaction, before a query and before rows are copied."""
    name = make_url(postgres_url).database
    end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608
    with Library.open(postgres_url, Tiny()) as library:

        def some() -> Iterator[Demonstration]:
            yield from demonstrations()
            postgres.administer(end)

        with pytest.raises(StorageError, match="ended the connection; check that it runs"):
            library.add(some())
        with pytest.raises(StorageError, match="ended the connection"), reading(library._engine) as connection:  # noqa: PT012
            connection.execute(text("SELECT 1"))
            postgres.administer(end)
            connection.execute(text("SELECT 1"))
        assert library.counts() == {}


def test_a_connection_that_breaks_off_is_no_damaged_library(postgres_url: str) -> None:
    """A network that fails gives an end of file in place of an answer, in whatever words."""
    url = make_url(postgres_url)
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        Thread(target=_pass_some, args=(proxy, url.port), daemon=True).start()
        broken = url.set(port=proxy.getsockname()[1]).render_as_string(hide_password=False)
        with pytest.raises(StorageError, match="ended the connection") as caught:
            Library.open(broken, Tiny())
    assert "restore it from a copy" not in str(caught.value)


def _pass_some(proxy: socket.socket, port: int | None) -> None:
    """Pass bytes on in both directions until a query for the version, and then reset the connection."""
    inside, _ = proxy.accept()
    outside = socket.create_connection(("127.0.0.1", port or 0))
    answers = Thread(target=_copy, args=(outside, inside), daemon=True)
    answers.start()
    with inside, outside:
        while (sent := inside.recv(65536)) and b"version" not in sent:
            outside.sendall(sent)
        for one in (outside, inside):
            one.shutdown(socket.SHUT_RDWR)
        answers.join()


def _copy(one: socket.socket, other: socket.socket) -> None:
    while got := one.recv(65536):
        other.sendall(got)


def test_a_value_that_does_not_fit_is_the_callers(postgres_url: str) -> None:
    """PostgreSQL can't index a key of 6,000 random characters; the caller sent it, and the library is not damaged."""
    with Library.open(postgres_url, Tiny()) as library:
        with pytest.raises(DataError, match=r"can't hold a value .*shorten"):
            library.add([Demonstration("h0", "x-ray", "code 1", id=os.urandom(3000).hex())])
        assert library.add(demonstrations()).stored == 24


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("could not extend file: No space left on device", "53100", "the disk is full"),
        ("the machine goes down", "57P01", "can't be reached, or ended the connection"),
        ("no server has room", "08P01", "can't be reached, or ended the connection"),
    ],
)
def test_what_the_server_lacks_is_no_damaged_library(postgres_url: str, words: str, code: str, told: str) -> None:
    """The class of the error counts, in whatever words, because poolers and languages have their own."""
    raised = text(f"DO $$ BEGIN RAISE '{words}' USING ERRCODE = '{code}'; END $$")
    with Library.open(postgres_url, Tiny()) as library:
        with pytest.raises(StorageError, match=told), writing(library._engine) as connection:
            connection.execute(raised)
        assert library.counts() == {}


def test_a_standby_is_said(postgres_url: str) -> None:
    """A transaction that may only read is told to look for the primary."""
    write = text("DO $$ BEGIN SET TRANSACTION READ ONLY; DELETE FROM audit; END $$")
    with Library.open(postgres_url, Tiny()) as library:
        engine = library._engine
        with pytest.raises(StorageError, match="connect to its primary"), writing(engine) as connection:
            connection.execute(write)
        assert library.counts() == {}

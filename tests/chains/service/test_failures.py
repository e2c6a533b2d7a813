"""Whose fault an error is, in the status for the client, and why it came, in the log for the operator."""

import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from handmade import Tiny, demonstrations, learned_library
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableLambda
from loopback import serving
from provider_cases import CLIENTS_OWN, Case, collected, each_client  # noqa: F401
from sqlalchemy import text
from starlette.testclient import TestClient

from metachain.chains.server import Limits, create_app
from metachain.chains.service.logs import JsonLines
from metachain.chains.service.running import standard_chains
from metachain.library.database.engine import KEEPER, Connections, writing
from metachain.library.library import Library
from metachain.retrievers import LibraryExampleSelector

pytestmark = pytest.mark.filterwarnings(*CLIENTS_OWN)
WORDS = "a patient's own words"


def parsing(given: dict[str, str]) -> Any:
    """Fail as a program that parses the wrong thing."""
    return json.loads(given["input"])


@contextmanager
def served(
    place: str, model: str | BaseChatModel = "offline", connections: Connections | None = None
) -> Iterator[tuple[Library, TestClient]]:
    """Serve a library in this process, with a client that has the key of ``new``."""
    learned_library(place, demonstrations())
    with Library.open(place, Tiny(), connections=connections) as library:
        selector = LibraryExampleSelector(library)
        chains: dict[str, Runnable[Any, Any]] = {**standard_chains(model, selector)}
        chains["parse"] = RunnableLambda(parsing).with_types(input_type=dict[str, str])
        headers = {"Authorization": f"Bearer {library.keys.make('new')[1]}"}
        app = create_app(library, chains, selector, limits=Limits(seconds=20))
        with TestClient(app, headers=headers, raise_server_exceptions=False) as client:
            yield library, client


@each_client()
def test_what_is_no_answer_is_the_providers_fault(case: Case, tmp_path: Path) -> None:
    """A body that is cut off or no JSON, a fault and a lost connection are 502, whole and streamed."""
    with serving(case.wire()) as provider, served(str(tmp_path / "hospitals.db"), case.make(provider)) as (_, client):
        for fault in ("garbage", "page", "500", "429", "reset"):
            provider.faults[:] = [f"{fault}!"]
            for path in ("/classify/invoke", "/classify/stream"):
                told = client.post(path, json={"input": {"input": WORDS}})
                assert (told.status_code, "provider" in told.text) == (502, True), (fault, path, told.text)
        provider.faults[:] = []
        assert client.post("/classify/invoke", json={"input": {"input": WORDS}}).status_code == 200


def test_a_programs_own_fault_is_not_the_providers(tmp_path: Path) -> None:
    """The same kind of error outside a model's call is 500."""
    with served(str(tmp_path / "hospitals.db")) as (_, client):
        told = client.post("/parse/invoke", json={"input": {"input": WORDS}})
        assert (told.status_code, told.json()["detail"]) == (500, "a fault of the server")


def test_no_free_connection_is_the_librarys(place: str) -> None:
    """A table that stays locked uses up all connections; nobody is told that the model failed, and it passes."""
    limited = Connections(most=2, timeout=0.3, statement_timeout=3)
    with served(place, connections=limited) as (library, client), Library.open(place, Tiny()) as other:

        def ask(_: int) -> tuple[int, str]:
            told = client.post("/classify/invoke", json={"input": {"input": WORDS}})
            return told.status_code, told.text

        assert ask(0)[0] == 200
        with writing(other._engine, KEEPER, alone=True) as connection, ThreadPoolExecutor(8) as pool:
            if "://" in place:
                connection.execute(text("LOCK TABLE keys, counters, audit IN ACCESS EXCLUSIVE MODE"))
            told = set(pool.map(ask, range(16)))
        assert {status for status, _ in told} <= {503, 504}
        if "://" in place:  # where each key is read under the lock; an SQLite file is locked for writers alone
            assert any("no free connection" in words for _, words in told)
        assert not [words for _, words in told if "provider" in words]
        assert ask(0)[0] == 200
        assert library.counts()


def test_the_log_says_why_without_a_text(place: str, caplog: pytest.LogCaptureFixture) -> None:
    """Kind, cause, place, reason and request id; neither the query nor any message that may quote one."""
    with served(place) as (library, client):
        with writing(library._engine, KEEPER) as connection:
            connection.execute(text("DROP TABLE audit"))
        caplog.clear()
        with caplog.at_level(logging.INFO, "metachain"):
            refused = client.post("/classify/invoke", json={"input": {"input": WORDS}})
            client.post("/parse/invoke", json={"input": {"input": WORDS}})
            assert refused.status_code == 503
    lines = [json.loads(JsonLines().format(record)) for record in caplog.records]
    lost, wrong = (line for line in lines if line["message"] == "failed")
    assert lost["request"] == refused.headers["x-request-id"]
    assert (lost["error"], lost["at"].split(":")[0]) == ("LibraryError", "metachain.library.audit_chain")
    assert lost["cause"].split(" from ")[-1] in {"OperationalError SQLITE_ERROR", "UndefinedTable 42P01"}
    assert (wrong["error"], wrong["within"].split(":")[0]) == ("JSONDecodeError", "json.decoder")
    assert wrong["at"].startswith("metachain.chains.service.langserve_routes:")
    assert WORDS not in "".join(map(str, lines))


def test_a_storage_error_gives_its_reason(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The client gets no path of the disk; the log gets what the database said and what to do."""
    with served(str(tmp_path / "hospitals.db")) as (library, client):
        limit = "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        with writing(library._engine, KEEPER) as connection:
            connection.execute(text(limit))
        with caplog.at_level(logging.INFO, "metachain"):
            told = client.post("/classify/invoke", json={"input": {"input": WORDS}})
        assert (told.status_code, str(tmp_path) in told.text) == (503, False)
    (line,) = (json.loads(JsonLines().format(one)) for one in caplog.records if one.getMessage() == "failed")
    assert "the disk is full; free some space" in line["reason"]

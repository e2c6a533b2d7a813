"""On a Dask cluster: the results of one process, to the bit; a worker killed on the way loses nothing that was paid."""

import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import Any

import numpy as np
import psutil
import pytest
from distributed import Client, LocalCluster
from handmade import Tiny, demonstrations, jsonl, metachain
from loopback import Loopback, serving
from openai_wire import OpenAIWire
from oracles import hospitals
from provider_cases import CLIENTS_OWN

from metachain import dask_workers
from metachain.chains.answering import load_countable
from metachain.chains.call_budget import CallBudget
from metachain.chains.calling import ModelCaller
from metachain.chains.collection import Collected, collect
from metachain.dask_workers import DaskWorkers, local_cluster, workers_at
from metachain.embedding_cache import TEXTS_A_COMMIT, EmbeddingCache
from metachain.encoder import MiniLM
from metachain.errors import DataError, ModelError
from metachain.evaluation import Plan, evaluate
from metachain.library import Library
from metachain.metrics import exact_match
from metachain.opening import open_engine
from metachain.outcomes import Outcome
from metachain.prior import learn
from metachain.sharing import EVERYONE
from metachain.workers import HERE, Workers
from metachain.world import WorldSettings, generate_world

pytestmark = pytest.mark.filterwarnings(*CLIENTS_OWN)

MODEL = "openai:gpt-4o-mini"
CALLS = 40
PLAN = Plan(labels=(0, 4), seeds=(0, 1), queries=10, past=(2,), readers=("vote", "copy"))
MADE = hospitals(5, 20)


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    """A provider on loopback, which this process and the workers know from their environment."""
    with serving(OpenAIWire()) as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_BASE", f"{running.url}/v1")
        patch.setenv("OPENAI_API_KEY", "key")
        yield running


@pytest.fixture(scope="module")
def cluster(server: Loopback) -> Iterator[LocalCluster]:
    """Two worker processes."""
    with local_cluster(2) as made:
        yield made


@pytest.fixture
def client(cluster: LocalCluster) -> Iterator[Client]:
    """A connection to them, when both are there."""
    with Client(cluster) as made:
        made.wait_for_workers(2, timeout=20)
        yield made


@pytest.fixture
def workers(client: Client) -> DaskWorkers:
    """They work."""
    return DaskWorkers(client)


@contextmanager
def killing(client: Client, task: str, may_begin: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """SIGKILL the process of a worker that is doing a task of that name, as soon as that may be."""
    pids = client.run(os.getpid)
    killed: list[str] = []

    def watch() -> None:
        until = monotonic() + 20
        while not killed and monotonic() < until:
            busy = [where for where, keys in client.processing().items() if any(key.startswith(task) for key in keys)]
            if busy and may_begin():
                os.kill(pids[busy[0]], signal.SIGKILL)
                killed.append(busy[0])
            sleep(0.005)

    thread = Thread(target=watch)
    thread.start()
    yield
    thread.join()
    assert killed


def evaluated(workers: Workers) -> dict[str, Any]:
    """What an evaluation finds, without the time it took."""
    dense = Tiny().encode([one.input for one in MADE])
    found = evaluate(MADE, dense, PLAN, workers=workers)
    del found["cost"]["seconds"]
    return found


def test_an_evaluation_is_that_of_one_process_even_if_a_worker_is_killed(client: Client, workers: DaskWorkers) -> None:
    """To the last bit of every number."""
    here = json.dumps(evaluated(HERE))
    assert json.dumps(evaluated(workers)) == here
    with killing(client, "_done"):
        assert json.dumps(evaluated(workers)) == here


def test_vectors_are_those_of_one_process(workers: DaskWorkers, tmp_path: Path) -> None:
    """They are stored as they arrive, in the order of the texts, and nothing was embedded here."""
    texts = [f"text {number}" for number in range(TEXTS_A_COMMIT + 100)]
    encoder = Tiny()
    engine = open_engine(tmp_path / "cache.db")
    fanned = EmbeddingCache(engine, encoder, workers).vectors(texts)
    again = EmbeddingCache(engine, encoder).vectors(texts)
    engine.dispose()
    other = open_engine(tmp_path / "other.db")
    assert fanned.tobytes() == again.tobytes() == EmbeddingCache(other, Tiny()).vectors(texts).tobytes()
    other.dispose()
    assert encoder.seen == []


def test_the_real_encoders_too(
    workers: DaskWorkers, encoder: MiniLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the bit, as the same texts are embedded together."""
    monkeypatch.setattr("metachain.embedding_cache.TEXTS_A_COMMIT", 16)
    texts = [one.input for one in generate_world(WorldSettings(institutions=4, systems=2, demonstrations=12))]
    found = []
    for number, who in enumerate((HERE, workers)):
        engine = open_engine(tmp_path / f"{number}.db")
        found.append(EmbeddingCache(engine, encoder, who).vectors(texts))
        engine.dispose()
    assert found[0].tobytes() == found[1].tobytes()
    assert np.ptp(found[0]) > 0


def collected(
    place: Path, workers: Workers, *, budget: int = CALLS, retries: int = 5
) -> tuple[Collected, list[Outcome]]:
    """Collect in a library of six small institutions; what was learned, and all outcomes."""
    with Library.open(place, Tiny()) as library:
        library.add(
            generate_world(WorldSettings(institutions=6, systems=2, demonstrations=40, misleading=0)), share=EVERYONE
        )
        model = load_countable(MODEL, 16, workers)
        with ModelCaller(model, budget=CallBudget(budget), retries=retries, wait=lambda _: 0.01) as caller:
            found = collect(
                library,
                learn(library),
                caller,
                model=MODEL,
                metric=exact_match,
                metric_name="exact_match",
                calls=CALLS,
            )
            assert caller.spent.calls <= budget
        return found, list(library.outcomes.of(origin="collected"))


@pytest.fixture(scope="module")
def undisturbed(server: Loopback, tmp_path_factory: pytest.TempPathFactory) -> tuple[Collected, list[Outcome]]:
    """A collection by one process."""
    return collected(tmp_path_factory.mktemp("here") / "library.db", HERE)


def same(one: tuple[Collected, list[Outcome]], other: tuple[Collected, list[Outcome]]) -> bool:
    """Whether two collections learned the same from the same outcomes."""
    return (one[0].learned, one[1]) == (other[0].learned, other[1])


def test_a_collection_is_that_of_one_process(
    workers: DaskWorkers, server: Loopback, undisturbed: tuple[Collected, list[Outcome]], tmp_path: Path
) -> None:
    """The same outcomes, each asked for once; the second time none is."""
    server.received.clear()
    assert same(collected(tmp_path / "library.db", workers), undisturbed)
    assert len(server.received) == len(undisturbed[1]) <= CALLS
    again, _ = collected(tmp_path / "library.db", workers)
    assert again.answered_before == len(server.received)


def test_what_a_provider_refuses_is_asked_again_and_counts(
    workers: DaskWorkers, server: Loopback, undisturbed: tuple[Collected, list[Outcome]], tmp_path: Path
) -> None:
    """Also where the client's errors can't be sent between processes."""
    server.received.clear()
    server.faults[:] = ["500", "reset"]
    found = collected(tmp_path / "library.db", workers, budget=CALLS + 2)
    assert same(found, undisturbed)
    assert len(server.received) == len(undisturbed[1]) + 2


def killed_while_asking(client: Client, server: Loopback, after: int) -> AbstractContextManager[None]:
    """A worker is killed while its call is unanswered: the two requests after so many are answered late."""
    server.received.clear()
    server.faults[:] = [*[""] * after, "sleep", "sleep"]
    return killing(client, "_once", lambda: len(server.received) == after + 2)


def test_a_worker_killed_in_a_call_loses_that_call_alone(
    client: Client,
    workers: DaskWorkers,
    server: Loopback,
    undisturbed: tuple[Collected, list[Outcome]],
    tmp_path: Path,
) -> None:
    """It is asked again, and both count; nothing else is asked twice, and the end is that of one process."""
    with killed_while_asking(client, server, 6):
        found = collected(tmp_path / "library.db", workers, budget=CALLS + 1)
    asked = [json.dumps(body["messages"]) for _, body in server.received]
    assert len(asked) == len(set(asked)) + 1 == len(undisturbed[1]) + 1
    assert same(found, undisturbed)


def test_the_budget_holds_when_a_worker_is_killed(
    client: Client,
    workers: DaskWorkers,
    server: Loopback,
    undisturbed: tuple[Collected, list[Outcome]],
    tmp_path: Path,
) -> None:
    """The provider never sees more calls than are allowed; the same again asks for what is missing alone."""
    with killed_while_asking(client, server, 3):
        _, kept = collected(tmp_path / "library.db", workers)
    assert len(server.received) == CALLS == len(kept) + 1
    assert same(collected(tmp_path / "library.db", workers), undisturbed)
    assert len(server.received) == CALLS + 1


def test_a_refused_key_is_told_as_in_one_process(workers: DaskWorkers, server: Loopback, tmp_path: Path) -> None:
    """The status comes with the error."""
    server.faults[:] = ["500!"]
    with pytest.raises(
        ModelError, match=r"didn't answer in 1 attempts \(FailedElsewhereError 500: InternalServerError"
    ):
        collected(tmp_path / "library.db", workers, retries=0)
    server.faults.clear()


def test_the_command_line_works_at_an_address(cluster: LocalCluster, client: Client, tmp_path: Path) -> None:
    """Evaluating and adding end as without."""
    data = jsonl(tmp_path / "data.jsonl", demonstrations(4, 12))
    options = ("--labels", "0,4", "--seeds", "1", "--cache", tmp_path / "cache.db", "--json")
    found = []
    for name, further in (("here", ()), ("there", ("--dask", cluster.scheduler_address))):
        done = metachain("evaluate", data, *options, tmp_path / name, *further)
        assert done.returncode == 0, done.stderr
        found.append(json.loads((tmp_path / name).read_text()))
        del found[-1]["cost"], found[-1]["settings"]["command"]
    assert found[0] == found[1]


def test_nobody_else_can_reach_a_local_cluster(client: Client) -> None:
    """All its processes listen on loopback alone."""
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    listening = [one.laddr.ip for each in family for one in each.net_connections("inet") if one.status == "LISTEN"]
    assert len(listening) >= 3
    assert set(listening) == {"127.0.0.1"}


def test_what_is_wrong_is_told(cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do about it."""
    monkeypatch.setattr(dask_workers, "SECONDS_TO_CONNECT", 0.5)
    told = {
        "tcp://127.0.0.1:1": "start one with: dask scheduler",
        "nonsense": "no Dask scheduler answers at 'nonsense'",
        "local:0": "1 or more, got 'local:0'",
    }
    for address, message in told.items():
        with pytest.raises(DataError, match=re.escape(message)), workers_at(address):
            pass
    with monkeypatch.context() as patch:
        patch.setattr(dask_workers, "_version", lambda: "9")
        with pytest.raises(DataError, match="has no metachain 9"), workers_at(cluster.scheduler_address):
            pass
    with (
        local_cluster(0) as empty,
        pytest.raises(DataError, match="start some: dask worker tcp"),
        workers_at(empty.scheduler_address),
    ):
        pass
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(DataError, match=re.escape("pip install 'metachain[dask]'")), workers_at("local"):
        pass


def test_here_is_where_nothing_is_said() -> None:
    """Without an address it is this process."""
    with workers_at("") as workers:
        assert workers is HERE
        assert list(workers.map(str, [1, 2])) == ["1", "2"]

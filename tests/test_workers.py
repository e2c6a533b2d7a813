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
from distributed.protocol.pickle import dumps, loads
from handmade import Product, Tiny, demonstrations, jsonl
from loopback import Loopback, serving
from numpy.typing import NDArray
from openai_wire import OpenAIWire
from oracles import hospitals
from provider_cases import CLIENTS_OWN

from metachain import workers as dask_workers
from metachain.chains.call_budget import CallBudget
from metachain.chains.model_answerer import load_countable
from metachain.chains.model_caller import ModelCaller
from metachain.chains.policy_learning import Collected, collect
from metachain.cli.app import main
from metachain.data.synthetic import WorldSettings, generate_world
from metachain.embedding.encoder import MiniLM
from metachain.errors import DataError, ModelError
from metachain.evaluation.leave_one_out import Plan, evaluate
from metachain.learning.prior import learn
from metachain.library.database.connect import open_engine
from metachain.library.embedding_cache import TEXTS_A_COMMIT, EmbeddingCache
from metachain.library.library import Library
from metachain.library.outcomes import Outcome
from metachain.library.sharing import EVERYONE
from metachain.scoring.metrics import exact_match
from metachain.workers import HERE, DaskWorkers, Workers, local_cluster, workers_at

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
    found = evaluate(MADE, dense, PLAN, workers=workers).to_json()
    del found["cost"]["seconds"]
    return found


def test_an_evaluation_is_that_of_one_process_even_if_a_worker_is_killed(client: Client, workers: DaskWorkers) -> None:
    """To the last bit of every number."""
    with killing(client, "_done"):
        there = json.dumps(evaluated(workers))
    assert there == json.dumps(evaluated(HERE))


def test_vectors_are_those_of_one_process(workers: DaskWorkers, tmp_path: Path) -> None:
    """To the bit, as the same texts are embedded together; they are stored as they arrive, and none is made here."""
    texts = [f"text {number * number}" for number in range(TEXTS_A_COMMIT + 100)]
    encoder = Product()
    fanned = vectors(tmp_path / "there.db", encoder, workers, texts)
    assert encoder.seen == []
    assert fanned.tobytes() == vectors(tmp_path / "there.db", encoder, HERE, texts).tobytes()
    assert encoder.seen == []
    assert fanned.tobytes() == vectors(tmp_path / "here.db", encoder, HERE, texts).tobytes()
    assert np.ptp(fanned - Product().encode(texts)) > 0


def vectors(path: Path, encoder: Product, workers: Workers, texts: list[str]) -> NDArray[np.float32]:
    """Vectors of the texts from the cache at a path."""
    engine = open_engine(path)
    try:
        return EmbeddingCache(engine, encoder, workers).vectors(texts)
    finally:
        engine.dispose()


def test_the_real_encoder_can_be_sent() -> None:
    """Without its weights, even when they are loaded."""
    sent = dumps(MiniLM())
    assert len(sent) < 200
    assert isinstance(loads(sent), MiniLM)


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
    """It is asked again and counts twice, so the budget holds; all else is asked once, and the end is as without."""
    with killed_while_asking(client, server, 6):
        _, kept = collected(tmp_path / "library.db", workers)
    assert len(server.received) == CALLS == len(kept) + 1
    assert same(collected(tmp_path / "library.db", workers), undisturbed)
    asked = [json.dumps(body["messages"]) for _, body in server.received]
    assert len(asked) == CALLS + 1 == len(set(asked)) + 1


def test_a_failure_is_told_as_in_one_process(workers: DaskWorkers, server: Loopback, tmp_path: Path) -> None:
    """Its status comes with it."""
    server.faults[:] = ["500!"]
    with pytest.raises(ModelError, match=r"didn't answer in 1 attempts \(FailedElsewhereError 500: OpenAIAPIError"):
        collected(tmp_path / "library.db", workers, retries=0)
    server.faults.clear()


def test_the_command_line_works_at_an_address(
    cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Embedding and evaluating end as they do without."""
    monkeypatch.setattr("metachain.library.embedding_cache.MiniLM", Tiny)
    data = jsonl(tmp_path / "data.jsonl", demonstrations(3, 12))
    options = ["metachain", "evaluate", str(data), "--labels", "0,4", "--seeds", "1", "--selectors", "metachain,bm25"]
    found = []
    for name, further in (("here", ()), ("there", ("--dask", cluster.scheduler_address))):
        written = ["--cache", str(tmp_path / f"{name}.db"), "--json", str(tmp_path / name)]
        monkeypatch.setattr(sys, "argv", [*options, *written, *further])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code, capsys.readouterr().err
        found.append(json.loads((tmp_path / name).read_text()))
        del found[-1]["cost"], found[-1]["settings"]["command"]
    assert found[0] == found[1]


def test_nobody_else_can_reach_a_local_cluster(client: Client) -> None:
    """All its processes listen on loopback alone."""
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    listening = [one.laddr.ip for each in family for one in each.net_connections("inet") if one.status == "LISTEN"]
    assert len(listening) >= 3
    assert set(listening) == {"127.0.0.1"}


def test_ctrl_c_at_a_terminal_ends_no_worker(client: Client) -> None:
    """It is sent to all processes of a command; workers leave it to the first, those too that a nanny starts anew."""
    killed, until = next(iter(client.run(os.getpid).values())), monotonic() + 30
    os.kill(killed, signal.SIGKILL)
    while len(pids := set(client.run(os.getpid, on_error="ignore").values()) - {killed}) < 2:
        assert monotonic() < until
        sleep(0.05)
    for pid in pids:
        os.kill(pid, signal.SIGINT)
    assert list(client.run(signal.sigpending).values()) == [{signal.SIGINT}] * 2


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
        patch.setattr("metachain.__version__", "9")
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

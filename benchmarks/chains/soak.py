"""A year of a server in one run: answers, feedback, rules, keys, workers and institutions that come and go.

    python -m benchmarks.chains.soak [--answers 200000] [--institutions 50] [--rounds 20] [--postgresql]

All institutions share and ask. They belong to two health systems of the generated, synthetic world that share nothing
with each other; each system's answers carry its mark, so the other's mark in an answer is a leak. Each round asks,
gives feedback on every tenth answer, and then changes something: a key is rotated, an institution withdraws its rule
or states it again, a worker is killed, an institution joins, and the one that joined before is forgotten. After that
the server's answers are compared with those of a selector that is made anew in this process. The last round's latency
and memory are compared with the first's, and the audit's chain is verified. Texts that a round asks come again.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psutil

from benchmarks.chains.load import READY_SECONDS, SYSTEMS, free_port, start, until_ready
from benchmarks.common.machine import machine
from benchmarks.common.postgres import postgres_server
from metachain import Audience, Demonstration, Grant, Library, learn
from metachain.chains.service.running import standard_chains
from metachain.data.synthetic import WorldSettings, generate_world
from metachain.learning.artifacts import save_prior
from metachain.learning.unlearning import forget
from metachain.retrievers import LibraryExampleSelector

CLIENTS, WORKERS = 8, 2
EACH = 64
"""Demonstrations of an institution."""
FEEDBACK = 10
"""One answer of so many gets feedback."""
CHECKED = 40
MIB = 2**20


@dataclass
class Network:
    """The institutions, with their systems, keys and queries."""

    library: Library
    system: dict[str, str]
    secrets: dict[str, str]
    queries: dict[str, list[str]]
    keys: dict[str, str] = field(default_factory=dict)
    """Ids of the keys."""
    withdrawn: str = ""
    joined: str = ""

    def make_key(self, name: str) -> None:
        """Make a key of an institution."""
        key, self.secrets[name] = self.library.keys.make(name)
        self.keys[name] = key.id

    def share(self, name: str, *, shares: bool = True) -> None:
        """State the rule of an institution: it shares within its system, or with nobody."""
        grant = Grant(Audience("group", (self.system[name],)))
        self.library.sharing.state_all({name: [grant] if shares else []})


@dataclass(frozen=True)
class Round:
    """Measurement of one round."""

    answers: int
    p50: float
    """Milliseconds, as ``p99``."""
    p99: float
    memory: float
    """MiB of all processes of the server."""
    statuses: Counter[str]
    leaks: int
    wrong: int


def main() -> None:
    """Run the rounds, print a row for each, and end with status 1 where an answer was wrong or leaked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=200_000)
    parser.add_argument("--institutions", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--postgresql", action="store_true", help="use a PostgreSQL of its own; a new file by default")
    given = parser.parse_args()
    with ExitStack() as stack:
        place = str(Path(stack.enter_context(TemporaryDirectory())) / "hospitals.db")
        if given.postgresql:
            postgres = stack.enter_context(postgres_server(durable=True))
            place = postgres.url(postgres.create_database())
        with Library.open(place) as library:
            network = fill(library, given.institutions)
            port = free_port()
            server = start(place, port, WORKERS)
            try:
                until_ready(f"http://127.0.0.1:{port}", server)
                rounds = run(network, port, server.pid, given.answers // given.rounds, given.rounds)
            finally:
                server.send_signal(signal.SIGTERM)
                server.wait(READY_SECONDS)
            report(rounds, library)
    if any(one.wrong or one.leaks for one in rounds):
        sys.exit("an answer was wrong or leaked")


def fill(library: Library, count: int) -> Network:
    """Make the library of so many institutions, and one more that can join."""
    world = generate_world(WorldSettings(institutions=count + 1, demonstrations=EACH + CHECKED))
    names = sorted({one.institution for one in world})
    system = {name: SYSTEMS[place % 2] for place, name in enumerate(names)}
    marked = [replace(one, output=f"{one.output} {system[one.institution]}", id="") for one in world]
    own = {name: [one for one in marked if one.institution == name] for name in names}
    *present, late = names
    library.add(one for name in present for one in own[name][:EACH])
    for one in SYSTEMS:
        library.sharing.group(one, [name for name in names if system[name] == one])
    network = Network(library, system, {}, {name: [one.input for one in own[name][EACH:]] for name in present})
    for name in present:
        network.share(name)
        network.make_key(name)
    learn_all(network)
    network.queries[""] = [json.dumps([one.input, one.output]) for one in own[late][:EACH]]
    network.joined = late
    return network


def learn_all(network: Network) -> None:
    """Learn one prior of each system, for all its institutions."""
    for system in SYSTEMS:
        members = [name for name in network.secrets if network.system[name] == system]
        for name in members:
            save_prior(network.library, learn(network.library, name), name)


def run(network: Network, port: int, pid: int, answers: int, rounds: int) -> list[Round]:
    """Run the rounds; returns their measurements."""
    print(f"{machine().line()}\n{len(network.secrets)} institutions, {rounds} rounds of {answers} answers\n")
    print("| answers | p50 | p99 | memory | statuses | leaks | wrong | change after it |")
    print("|---|---|---|---|---|---|---|---|")
    asyncio.run(ask_all(network, port, max(200, answers // 10)))  # warm
    found = []
    for number in range(rounds):
        times, statuses, leaks = asyncio.run(ask_all(network, port, answers))
        low, high = np.percentile(np.array(times) * 1000, [50, 99])
        held = memory(pid)
        change = changed(network, pid, number)
        wrong = asyncio.run(compared(network, port))
        row = Round((number + 1) * answers, float(low), float(high), held, statuses, leaks, wrong)
        told = ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items()))
        cells = (row.answers, f"{low:.0f} ms", f"{high:.0f} ms", f"{held:.0f} MiB", told, leaks, wrong, change)
        print(f"| {' | '.join(map(str, cells))} |", flush=True)
        found.append(row)
    return found


async def ask_all(network: Network, port: int, count: int) -> tuple[list[float], Counter[str], int]:
    """Ask so many queries, with feedback on some; returns seconds, statuses and the number of leaks."""
    names, numbers = sorted(network.secrets), iter(range(count))
    times: list[float] = []
    statuses: Counter[str] = Counter()
    leaks = 0

    async def client() -> None:
        nonlocal leaks
        connection = Connection(port)
        for number in numbers:
            name = names[number % len(names)]
            text = network.queries[name][number // len(names) % CHECKED]
            begun = time.perf_counter()
            status, body = await connection.post("/classify/invoke", {"input": {"input": text}}, network.secrets[name])
            times.append(time.perf_counter() - begun)
            statuses[str(status)] += 1
            leaks += any(mark.encode() in body for mark in SYSTEMS if mark != network.system[name])
            if status == 200 and number % FEEDBACK == 0:
                run_id = json.loads(body)["metadata"]["run_id"]
                told: dict[str, Any] = {"run_id": run_id, "score": float(number % 3 > 0)}
                status, _ = await connection.post("/feedback", told, network.secrets[name])
                statuses[f"feedback {status}"] += 1
        connection.close()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return times, statuses, leaks


class Connection:
    """A connection that is kept, and made anew where the server closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: Any, secret: str) -> tuple[int, bytes]:
        """Post JSON; returns status and body. A lost connection is tried once more: a worker may have been killed."""
        for last in (False, True):
            try:
                return await self._post(path, json.dumps(body).encode(), secret)
            except (OSError, EOFError):
                self.close()
                if last:
                    raise
                await asyncio.sleep(0.2)
        raise AssertionError

    def close(self) -> None:
        """Close the connection."""
        if self._open:
            self._open[1].close()
        self._open = None

    async def _post(self, path: str, body: bytes, secret: str) -> tuple[int, bytes]:
        reader, writer = self._open = self._open or await asyncio.open_connection("127.0.0.1", self._port)
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        head += f"Authorization: Bearer {secret}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        answered = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(answered.partition(b"content-length:")[2].partition(b"\r\n")[0])
        return int(answered[9:12]), await reader.readexactly(length)


def changed(network: Network, pid: int, number: int) -> str:
    """Change something between two rounds; returns a description."""
    library, names = network.library, sorted(network.secrets)
    name = names[number * 7 % len(names)]
    kind = number % 5
    if kind == 0:
        old = network.keys[name]
        network.make_key(name)
        library.keys.revoke(old)
        return "a key replaced"
    if kind == 1:
        network.share(name, shares=False)
        network.withdrawn = name
        learn_all(network)  # priors that were learned from it are refused
        return "a rule withdrawn"
    if kind == 2:
        children = psutil.Process(pid).children()
        workers = [one for one in children if "spawn_main" in " ".join(one.cmdline())]
        workers[0].kill()
        time.sleep(1)
        until_workers(pid, len(workers))
        return "a worker killed"
    if kind == 3:
        network.share(network.withdrawn)
        learn_all(network)
        return "the rule stated again"
    return came_or_went(network)


def came_or_went(network: Network) -> str:
    """Let an institution join, or forget the one that joined."""
    library, late = network.library, network.joined
    if late in network.secrets:
        forget(library, institution=late)
        del network.secrets[late], network.queries[late]
        return "an institution forgotten"
    library.add(Demonstration(late, *json.loads(one)) for one in network.queries[""])
    library.sharing.group(
        network.system[late], [name for name, one in network.system.items() if one == network.system[late]]
    )
    network.share(late)
    save_prior(library, learn(library, late), late)
    network.make_key(late)
    network.queries[late] = [f"{json.loads(one)[0]} again" for one in network.queries[""]][:CHECKED]
    return "an institution joined"


def until_workers(pid: int, count: int) -> None:
    """Wait until the server has so many workers again that have begun."""
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        children = [one for one in psutil.Process(pid).children() if "spawn_main" in " ".join(one.cmdline())]
        if len(children) >= count and all(time.time() - one.create_time() > 15 for one in children):
            return
        time.sleep(0.5)


async def compared(network: Network, port: int) -> int:
    """Count answers of the server that differ from those of a selector made anew."""
    chain = standard_chains("offline", LibraryExampleSelector(network.library))["classify"]
    connection, wrong, names = Connection(port), 0, sorted(network.secrets)
    for number in range(CHECKED):
        name = names[number * 3 % len(names)]
        text = network.queries[name][number % CHECKED]
        expected = chain.invoke({"input": text, "institution": name}).model_dump()
        for _ in range(WORKERS):
            connection.close()
            status, body = await connection.post("/classify/invoke", {"input": {"input": text}}, network.secrets[name])
            wrong += status != 200 or json.loads(body)["output"] != expected
    connection.close()
    return wrong


def memory(pid: int) -> float:
    """Resident memory of a process and its children, in MiB."""
    every = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(one.memory_info().rss for one in every) / MIB


def report(rounds: Sequence[Round], library: Library) -> None:
    """Print the comparison of the last round with the first, and the state of the audit."""
    first, last = rounds[0], rounds[-1]
    ratios = {name: getattr(last, name) / getattr(first, name) for name in ("p50", "p99", "memory")}
    print("\nlast round of the first: " + ", ".join(f"{name} {value:.2f}" for name, value in ratios.items()))
    begun = time.perf_counter()
    verified = library.audit.verify()
    state = verified.broken or "in order"
    print(f"audit: {verified.entries} rows, {state}, verified in {time.perf_counter() - begun:.1f} s")
    stored = sum(one.answers for one in library.outcomes.counts())
    print(
        f"answers stored: {stored}; wrong {sum(one.wrong for one in rounds)}, leaks {sum(one.leaks for one in rounds)}"
    )
    print(f"cores: {os.cpu_count()}")


if __name__ == "__main__":
    main()

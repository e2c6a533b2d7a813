"""A bounded load on one server; every answer is compared with the same chain here and searched for leaks.

Two health systems of the generated, synthetic world share only within themselves. Each of their answers carries the
system's mark, so the other system's mark in an answer is a leak. Each system has a new hospital with 16 labels and a
key. Run it as ``python -m benchmarks.chains.load [--workers 2]``.
"""

import argparse
import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np

from metachain import Audience, Demonstration, Grant, Library, adapt, learn
from metachain.chains.service.running import standard_chains
from metachain.data.synthetic import generate_world
from metachain.learning.artifacts import save_posterior, save_prior
from metachain.retrievers import LibraryExampleSelector

LABELS = 16
QUERIES = 100
SYSTEMS = ("north", "south")
PACKAGES = ("fastapi", "starlette", "uvicorn", "langserve", "langchain-core")
READY_SECONDS = 120


@dataclass(frozen=True)
class Asked:
    """One request and its expected answer."""

    institution: str
    query: str
    expected: Any
    system: str


@dataclass(frozen=True)
class Answered:
    """One answer."""

    status: int
    seconds: float
    wrong: bool = False
    leaked: bool = False


def main() -> None:
    """Build, serve, ask, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--crowd", type=int, default=200, help="clients at once, to measure the refusal of overload")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        place = str(Path(folder) / "hospitals.db")
        asked, secrets = build(place)
        port = free_port()
        server = start(place, port, given.workers)
        try:
            url = f"http://127.0.0.1:{port}"
            until_ready(url, server)
            asyncio.run(load(url, asked, secrets, given.clients, given.clients * given.workers))  # warm
            begun = time.perf_counter()
            answers = asyncio.run(load(url, asked, secrets, given.clients, given.requests))
            seconds = time.perf_counter() - begun
            report(f"{given.clients} clients, {given.workers} workers", answers, seconds)
            print(f"memory of all processes: {memory(server.pid) / 2**20:.0f} MiB")
            begun = time.perf_counter()
            crowd = asyncio.run(load(url, asked, secrets, given.crowd, given.crowd * 5))
            report(f"{given.crowd} clients: more than are taken at once", crowd, time.perf_counter() - begun)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(READY_SECONDS)
    print(", ".join(f"{name} {version(name)}" for name in PACKAGES), f"{os.cpu_count()} cores")
    if any(one.wrong or one.leaked for one in (*answers, *crowd)):
        sys.exit("an answer was wrong or leaked")


def build(place: str) -> tuple[list[Asked], dict[str, str]]:
    """Make the library; returns the requests and each new hospital's key."""
    world = generate_world()
    names = sorted({one.institution for one in world})
    system = {name: SYSTEMS[number % 2] for number, name in enumerate(names)}
    marked = [replace(one, output=f"{one.output} {system[one.institution]}", id="") for one in world]
    new = {system[name]: name for name in names}
    with Library.open(place) as library:
        library.add(one for one in marked if one.institution not in new.values())
        for one in SYSTEMS:
            library.sharing.group(one, [name for name in names if system[name] == one])
        library.sharing.state_all({name: [Grant(Audience("group", (system[name],)))] for name in names})
        prior = None
        for name in new.values():
            library.add(labels_of(marked, name))
            prior = learn(library, name)
            save_prior(library, prior, name)
            save_posterior(library, adapt(prior, library, name))
        chain = standard_chains("offline", LibraryExampleSelector(library))["classify"]
        asked = [
            Asked(name, one.input, chain.invoke({"input": one.input, "institution": name}).model_dump(), which)
            for which, name in new.items()
            for one in own(marked, name)[LABELS : LABELS + QUERIES]
        ]
        return asked, {name: library.keys.make(name)[1] for name in new.values()}


def own(world: Sequence[Demonstration], name: str) -> list[Demonstration]:
    """Demonstrations of one institution."""
    return [one for one in world if one.institution == name]


def labels_of(world: Sequence[Demonstration], name: str) -> list[Demonstration]:
    """Labels of one institution: its first demonstrations."""
    return own(world, name)[:LABELS]


def start(place: str, port: int, workers: int) -> subprocess.Popen[bytes]:
    """Serve the library."""
    command = [sys.executable, "-m", "metachain", "serve", place, "--port", str(port), "--workers", str(workers)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def until_ready(url: str, server: subprocess.Popen[bytes], path: str = "/readyz") -> None:
    """Wait until a path of the server answers 200. Raises SystemExit after READY_SECONDS."""
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            if httpx.get(f"{url}{path}").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise SystemExit("the server did not become ready")


async def load(
    url: str, asked: Sequence[Asked], secrets: dict[str, str], clients: int, requests: int
) -> list[Answered]:
    """Send so many requests, from clients that each wait for their answer."""
    numbers = iter(range(requests))
    answers: list[Answered] = []

    async def client() -> None:
        async with httpx.AsyncClient(base_url=url, timeout=READY_SECONDS) as asking:
            for number in numbers:
                answers.append(await ask(asking, asked[number * 7 % len(asked)], secrets))

    await asyncio.gather(*(client() for _ in range(clients)))
    return answers


async def ask(client: httpx.AsyncClient, one: Asked, secrets: dict[str, str]) -> Answered:
    """Send one request and check its answer."""
    begun = time.perf_counter()
    headers = {"Authorization": f"Bearer {secrets[one.institution]}"}
    answered = await client.post("/classify/invoke", json={"input": {"input": one.query}}, headers=headers)
    seconds = time.perf_counter() - begun
    others = [name for name in SYSTEMS if name != one.system]
    leaked = any(name in answered.text for name in others)
    wrong = answered.status_code == 200 and answered.json()["output"] != one.expected
    return Answered(answered.status_code, seconds, wrong, leaked)


def report(title: str, answers: Sequence[Answered], seconds: float) -> None:
    """Print counts and times."""
    print(f"\n{title}: {len(answers)} requests in {seconds:.1f} s, {len(answers) / seconds:.0f} a second")
    print(f"wrong answers: {sum(one.wrong for one in answers)}, leaks: {sum(one.leaked for one in answers)}")
    for status, count in sorted(Counter(one.status for one in answers).items()):
        times = np.array([one.seconds for one in answers if one.status == status]) * 1000
        low, high = np.percentile(times, [50, 99])
        print(f"status {status}: {count}, p50 {low:.1f} ms, p99 {high:.1f} ms")


def memory(pid: int) -> int:
    """Resident bytes of a process and its children."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if pid in (int(stat.parent.name), int(fields[1])):
            total += int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    return total


def free_port() -> int:
    """Find a free port."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


if __name__ == "__main__":
    main()

"""Latency of one institution alone, and while another sends all that it may: large queries, batches and more.

Each load keeps 32 requests under way, and asks again a second after a refusal, as ``Retry-After`` says. The library is
the generated, synthetic world; model and encoder run in the server. The load has a process of its own. Run it as
``python -m benchmarks.chains.fairness [--seconds 20]``.
"""

import argparse
import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

import httpx
import numpy as np

from benchmarks.chains.load import READY_SECONDS, free_port, start, until_ready
from metachain import EVERYONE, Library, learn
from metachain.data.synthetic import generate_world
from metachain.learning.artifacts import save_prior

ALONE = 100
"""Requests that are measured without a load."""
AT_ONCE = 32
LONG = "a " * 50_000
LOADS: dict[str, tuple[str, Callable[[int], object]]] = {
    "queries of 100,000 characters": ("/classify/invoke", lambda _: {"input": {"input": LONG}}),
    "queries of 800,000 characters": ("/classify/invoke", lambda _: {"input": {"input": LONG * 8}}),
    "batches of 100": (
        "/classify/batch",
        lambda _: {"inputs": [{"input": f"chest x-ray view {number} " * 30} for number in range(100)]},
    ),
    "labels for 10,000 texts": (
        "/label",
        lambda _: {"texts": [f"text {number} of the knee" for number in range(10_000)], "budget": 1000},
    ),
    "adaptations of 100 examples": (
        "/adapt",
        lambda turn: {"examples": [{"input": f"word{turn}n{n} " * 600, "output": f"x{n}"} for n in range(100)]},
    ),
    "explanations of 100,000 characters": ("/explain", lambda _: {"input": LONG, "k": 100}),
}


def main() -> None:
    """Serve, ask alone and under each load, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="time of each load")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        place = str(Path(folder) / "hospitals.db")
        heavy, quiet = build(place)
        port = free_port()
        server = start(place, port, 1)
        try:
            url = f"http://127.0.0.1:{port}"
            until_ready(url, server)
            print("| load of another institution | alone: p50 | p99 | under it: p50 | p99 | answers to the load |")
            asked(url, quiet, lambda done: done == 20)  # warm
            print("|---|---|---|---|---|---|")
            for name in LOADS:
                until_idle(server.pid)
                alone = asked(url, quiet, lambda done: done == ALONE)
                times, answers = under_load(url, heavy, quiet, name, given.seconds)
                report(name, alone, times, answers)
            print(f"memory of the worker at its highest: {highest_memory(server.pid)}")
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(READY_SECONDS)


def build(place: str) -> tuple[str, str]:
    """Make the library; returns the keys of the institution with the load and of the other."""
    with Library.open(place) as library:
        library.add(generate_world(), share=EVERYONE)
        save_prior(library, learn(library))
        heavy, quiet = library.institutions()[:2]
        return library.keys.make(heavy)[1], library.keys.make(quiet)[1]


def asked(url: str, secret: str, enough: Callable[[int], bool]) -> list[float]:
    """Ask one query after another until it is enough; returns the seconds of each."""
    times: list[float] = []
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {secret}"}, timeout=READY_SECONDS) as client:
        while not enough(len(times)):
            begun = time.perf_counter()
            client.post("/classify/invoke", json={"input": {"input": "chest x-ray 2 views"}}).raise_for_status()
            times.append(time.perf_counter() - begun)
    return times


def under_load(url: str, heavy: str, quiet: str, name: str, seconds: float) -> tuple[list[float], Counter[str]]:
    """Ask while a load runs; returns the seconds of each request and the load's answers by status."""
    context = get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(1, context) as loading:
        begun, stop = manager.Event(), manager.Event()
        answers = loading.submit(load, url, heavy, name, begun, stop)
        begun.wait()
        end = time.perf_counter() + seconds
        times = asked(url, quiet, lambda _: time.perf_counter() > end)
        stop.set()
        return times, answers.result()


def load(url: str, secret: str, name: str, begun: Event, stop: Event) -> Counter[str]:
    """Keep requests under way until told to stop; returns the number of answers by status."""
    return asyncio.run(_load(url, secret, name, begun, stop))


async def _load(url: str, secret: str, name: str, begun: Event, stop: Event) -> Counter[str]:
    path, make = LOADS[name]
    bodies = [json.dumps(make(turn)).encode() for turn in range(AT_ONCE)]
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
    answers: Counter[str] = Counter()

    async def one(body: bytes) -> None:
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=READY_SECONDS) as client:
            while not stopped.is_set():
                answered = await client.post(path, content=body)
                answers[str(answered.status_code)] += 1
                if "Retry-After" in answered.headers:
                    await asyncio.sleep(float(answered.headers["Retry-After"]))

    stopped = asyncio.Event()
    clients = [asyncio.create_task(one(body)) for body in bodies]
    await asyncio.sleep(0.5)
    await asyncio.to_thread(begun.set)
    await asyncio.to_thread(stop.wait)
    stopped.set()
    await asyncio.gather(*clients)
    return answers


def until_idle(pid: int) -> None:
    """Wait until a process computes nothing: what was given up may still run."""
    while True:
        before = processor_seconds(pid)
        time.sleep(2)
        if processor_seconds(pid) - before < 0.1:
            return


def processor_seconds(pid: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def report(name: str, alone: list[float], times: list[float], answers: Counter[str]) -> None:
    """Print one row."""
    cells = [f"{value:.0f} ms" for some in (alone, times) for value in np.percentile(np.array(some) * 1000, [50, 99])]
    told = ", ".join(f"{count} × {status}" for status, count in sorted(answers.items()))
    print(f"| {' | '.join([name, *cells, told])} |", flush=True)


def highest_memory(pid: int) -> str:
    """Highest resident memory of a process so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    kilobytes = int(status.partition("VmHWM:")[2].split()[0])
    return f"{kilobytes / 1024:.0f} MiB"


if __name__ == "__main__":
    main()

"""Latency and processor time of each route of ``metachain serve`` for one institution that asks alone.

    python -m benchmarks.chains.routes [--demonstrations 100000] [--times 10]

Library, encoder and key are those of benchmarks/chains/serving.py: the generated, synthetic world, above 20,000
demonstrations with random vectors and a drawn prior.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np

from benchmarks.chains.fairness import processor_seconds
from benchmarks.chains.load import READY_SECONDS, free_port, until_ready
from benchmarks.chains.serving import fill
from benchmarks.common.machine import machine

WAIT_SECONDS = 120
Body = Callable[[int], dict[str, Any]]


def bodies(queries: list[str], answered: str) -> dict[str, tuple[str, Body]]:
    """Path and body of each kind of request, by its name; ``answered`` is the id of an answer."""
    return {
        "an answer": ("/classify/invoke", lambda number: {"input": {"input": queries[number]}}),
        "an explanation": ("/explain", lambda number: {"input": queries[number]}),
        "feedback": ("/feedback", lambda number: {"run_id": answered, "score": 1 / (number + 1)}),
        "one labelled example": ("/adapt", lambda number: {"examples": [{"input": f"text {number}", "output": "1"}]}),
        "which of 3 texts to label": ("/label", lambda number: {"texts": queries[number : number + 3], "budget": 1}),
        "which of 100 texts to label": ("/label", lambda number: {"texts": queries[number : number + 100]}),
    }


def main() -> None:
    """Fill a library, serve it, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demonstrations", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=10)
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        place = str(Path(folder) / "hospitals.db")
        queries, secret = fill(place, given.demonstrations)
        print(f"{machine().line()}\n{given.demonstrations} demonstrations\n")
        port = free_port()
        command = [sys.executable, "-m", "metachain", "serve", place, "--port", str(port)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        server = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, **quiet)
        try:
            address = f"http://127.0.0.1:{port}"
            until_ready(address, server, "/readyz")
            with httpx.Client(
                base_url=address, headers={"Authorization": f"Bearer {secret}"}, timeout=WAIT_SECONDS
            ) as client:
                measure(client, server.pid, queries, given.times)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(READY_SECONDS)


def measure(client: httpx.Client, server: int, queries: list[str], times: int) -> None:
    """Send each kind of request so many times, one after the other, and print a row for it."""
    first = client.post("/classify/invoke", json={"input": {"input": queries[0]}}).raise_for_status().json()
    print("| request | p50 | longest | processor time |")
    print("|---|---|---|---|")
    for name, (path, body) in bodies(queries, first["metadata"]["run_id"]).items():
        client.post(path, json=body(times)).raise_for_status()  # warm
        before, seconds = processor_seconds(server), []
        for number in range(times):
            begun = time.perf_counter()
            client.post(path, json=body(number)).raise_for_status()
            seconds.append(time.perf_counter() - begun)
        used = (processor_seconds(server) - before) / times
        middle, longest = np.percentile(seconds, [50, 100])
        print(
            f"| {name} (`{path}`) | {1000 * middle:.0f} ms | {1000 * longest:.0f} ms | {1000 * used:.0f} ms |",
            flush=True,
        )


if __name__ == "__main__":
    main()

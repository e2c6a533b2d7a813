"""Requests a second of ``metachain serve``, beside two bare servers over the same demonstrations, in one run.

    python -m benchmarks.chains.serving [--demonstrations 2000] [--requests 400]

F is plain FastAPI with FAISS and the offline reader, L is LangServe with LangChain's selector; neither has keys,
records or learning (benchmarks/chains/serving_floors.py). M is ``metachain serve``: a key, the learned selection, the
audit and the stored answer. All three embed each query with the same encoder and answer with the offline model. Texts
are those of the generated, synthetic world; above 20,000 demonstrations their vectors are random numbers and the prior
is drawn, so that filling takes seconds. The client shares the two cores with the server; a server has one worker.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.chains.fairness import processor_seconds
from benchmarks.chains.load import READY_SECONDS, free_port, until_ready
from benchmarks.chains.serving_floors import KIND, LIBRARY
from benchmarks.common.machine import machine
from benchmarks.library.opening import Stand
from benchmarks.selection.latency import drawn_prior
from metachain import EVERYONE, Demonstration, Library, adapt, learn
from metachain.data.synthetic import WorldSettings, generate_world
from metachain.embedding.encoder import MiniLM
from metachain.learning.artifacts import save_posterior, save_prior

CLIENTS = (1, 8, 32)
KINDS = {"F": "plain", "L": "langserve", "M": "metachain"}
NEW = "new hospital"
LABELS, QUERIES = 16, 200
MOST_EMBEDDED = 20_000
PAST = 50


@dataclass(frozen=True)
class Row:
    """Measurement of one server with one number of clients."""

    kind: str
    clients: int
    rate: float
    """Requests a second."""
    p50: float
    """Milliseconds, as ``p99``."""
    p99: float
    processor: float
    """Milliseconds of processor time of the server, a request."""


class Random(Stand):
    """The stand-in, under the name of the encoder that the servers use."""

    fingerprint = MiniLM().fingerprint


def main() -> None:
    """Fill a library, measure the servers in turn, and print a table with ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demonstrations", type=int, default=2000)
    parser.add_argument("--requests", type=int, default=400, help="for each number of clients, and a quarter with one")
    parser.add_argument("--library", default="", help="PostgreSQL address of an empty library; a new file by default")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        place = given.library or str(Path(folder) / "hospitals.db")
        queries, secret = fill(place, given.demonstrations)
        print(f"{machine().line()}\n{given.demonstrations} demonstrations\n")
        rows = [row for kind in KINDS for row in measured(kind, place, queries, secret, given.requests)]
    report(rows)


def fill(place: str, count: int) -> tuple[list[str], str]:
    """Make the library; returns queries and the key of a new institution."""
    each = count // PAST
    world = generate_world(WorldSettings(institutions=PAST + 1, demonstrations=max(each, LABELS + QUERIES)))
    *past, new = sorted({one.institution for one in world})
    own = [one for one in world if one.institution == new]
    encoder = MiniLM() if count <= MOST_EMBEDDED else Random()
    with Library.open(place, encoder) as library:
        library.add(taken(world, past, each), share=EVERYONE)
        library.add(Demonstration(NEW, one.input, one.output) for one in own[:LABELS])
        prior = learn(library, NEW) if count <= MOST_EMBEDDED else drawn_prior(past, encoder.fingerprint)
        save_prior(library, prior)
        save_posterior(library, adapt(prior, library, NEW))
        library.hybrid_vectors(library.demonstrations())
        return [one.input for one in own[LABELS : LABELS + QUERIES]], library.keys.make(NEW)[1]


def taken(world: Sequence[Demonstration], past: Sequence[str], each: int) -> Iterator[Demonstration]:
    """Yield so many demonstrations of each past institution."""
    for name in past:
        yield from [one for one in world if one.institution == name][:each]


def measured(kind: str, place: str, queries: Sequence[str], secret: str, requests: int) -> Iterator[Row]:
    """Start a server, and yield a row for each number of clients."""
    port = free_port()
    named = {**os.environ, LIBRARY: place, KIND: KINDS[kind], "OMP_NUM_THREADS": "1"}
    serve = ["metachain", "serve", place, "--port", str(port)]
    bare = ["uvicorn", "benchmarks.chains.serving_floors:app", "--factory", "--port", str(port), "--no-access-log"]
    command = [sys.executable, "-m", *(serve if kind == "M" else bare)]
    server = subprocess.Popen(command, env=named, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until_ready(f"http://127.0.0.1:{port}", server, "/readyz" if kind == "M" else "/openapi.json")
        asked = [request(text, secret) for text in queries]
        asyncio.run(load(port, asked, 8, 80))  # warm
        for clients in CLIENTS:
            count = requests // 4 if clients == 1 else requests
            before, begun = processor_seconds(server.pid), time.perf_counter()
            times = np.array(asyncio.run(load(port, asked, clients, count))) * 1000
            seconds = time.perf_counter() - begun
            used = 1000 * (processor_seconds(server.pid) - before) / count
            low, high = np.percentile(times, [50, 99])
            yield Row(kind, clients, count / seconds, float(low), float(high), used)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(READY_SECONDS)


def request(text: str, secret: str) -> bytes:
    """Bytes of one request."""
    body = json.dumps({"input": {"input": text}}).encode()
    head = (
        "POST /classify/invoke HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {secret}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def load(port: int, asked: Sequence[bytes], clients: int, count: int) -> list[float]:
    """Send so many requests from clients that each wait for their answer; returns the seconds of each.

    Raises SystemExit for an answer other than 200. The client is as light as can be, as it shares the server's cores.
    """
    numbers, times = iter(range(count)), []

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            begun = time.perf_counter()
            writer.write(asked[number % len(asked)])
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            answered = await reader.readexactly(length)
            times.append(time.perf_counter() - begun)
            if not head.startswith(b"http/1.1 200"):
                raise SystemExit(f"the server answered {head.decode()}{answered.decode()}")
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return times


def report(rows: Sequence[Row]) -> None:
    """Print the table."""
    print("| clients | server | a second | of F | of L | p50 | p99 | processor time a request |")
    print("|---|---|---|---|---|---|---|---|")
    for clients in CLIENTS:
        found = {row.kind: row for row in rows if row.clients == clients}
        for kind, row in found.items():
            ratios = " | ".join(f"{row.rate / found[other].rate:.2f}" for other in ("F", "L"))
            times = f"{row.p50:.1f} ms | {row.p99:.1f} ms | {row.processor:.1f} ms"
            print(f"| {clients} | {kind} | {row.rate:.0f} | {ratios} | {times} |")


if __name__ == "__main__":
    main()

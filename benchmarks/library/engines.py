"""Speed of filling, opening, writing and reading the same library in an SQLite file and in PostgreSQL.

    python -m benchmarks.library.engines [--institutions 50] [--demonstrations 2000]

Institutions are generated and synthetic. Vectors of 384 numbers come from hashes of the texts, so the figures contain
hardly any encoder time. PostgreSQL runs on this machine (benchmarks/common/postgres.py explains the choice of its
version) and waits for the disk at each commit, as SQLite does.
"""

import argparse
import multiprocessing
import tempfile
import time
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

import numpy as np

from benchmarks.common.postgres import postgres_server
from metachain import Demonstration, Library
from metachain.data.synthetic import WorldSettings, generate_world
from metachain.embedding.similarity import unit_rows
from metachain.library.sharing import EVERYONE

SIZE = 384
SMALL, READS = 100, 100
WRITERS = 4
SECONDS = 5


class Hashed:
    """Stand-in for an encoder: a vector from the hash of each text."""

    fingerprint = "hashed/1"

    def encode(self, texts):
        """Vectors (n, 384) of n texts."""
        seeds = (int.from_bytes(sha256(text.encode()).digest()[:8], "big") for text in texts)
        return unit_rows(np.stack([np.random.default_rng(seed).normal(size=SIZE) for seed in seeds]).astype(np.float32))


def seconds(work):
    """Duration of a call."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def notes(writer):
    """Generate demonstrations of one institution, without end."""
    number = 0
    while True:
        yield Demonstration(f"writer {writer}", f"{writer} saw {number}", "code 1")
        number += 1


def acknowledged(place, writer, writing, done):
    """Add demonstrations for some seconds, each acknowledged before the next."""
    with Library.open(place, Hashed()) as library:
        library.counts()
        writing.wait()
        until, count = time.monotonic() + SECONDS, 0
        for one in notes(writer):
            if time.monotonic() > until:
                break
            library.add([one])
            count += 1
        done.put(count)


def written_a_second(place, writers):
    """Acknowledged additions a second of several processes together."""
    spawn = multiprocessing.get_context("spawn")
    writing, done = spawn.Barrier(writers), spawn.Queue()
    processes = [
        spawn.Process(target=acknowledged, args=(place, f"{writers}.{one}", writing, done)) for one in range(writers)
    ]
    for one in processes:
        one.start()
    total = sum(done.get() for _ in processes)
    for one in processes:
        one.join()
    return total / SECONDS


def measured(place, world):
    """Figures of one engine, by name."""
    figures = {}
    with Library.open(place, Hashed()) as library:
        figures["added, rows a second"] = len(world) / seconds(lambda: library.add(world, share=EVERYONE))
        figures["added again, rows a second"] = len(world) / seconds(lambda: library.add(world))
        figures["embedded and stored, rows a second"] = len(world) / seconds(lambda: library.vectors(world))
        figures["vectors read, rows a second"] = len(world) / seconds(lambda: library.vectors(world))
        figures["all demonstrations read, rows a second"] = len(world) / seconds(library.demonstrations)
    figures["opened, ms"] = 1000 * float(np.median([seconds(lambda: Library.open(place).close()) for _ in range(5)]))
    with Library.open(place, Hashed()) as library:
        name = library.institutions()[0]
        small = notes("small")
        adding = [1000 * seconds(lambda: library.add([next(small)])) for _ in range(SMALL)]
        figures["one added, ms (median)"], figures["one added, ms (99 %)"] = np.percentile(adding, [50, 99])
        for label, read in {
            "revision": lambda: library.revision(name),
            "counts": library.counts,
            "one institution's demonstrations": lambda: library.demonstrations(name),
        }.items():
            figures[f"{label}, ms"] = 1000 * float(np.median([seconds(read) for _ in range(READS)]))
    for writers in (1, WRITERS):
        figures[f"acknowledged a second, {writers} writing"] = written_a_second(place, writers)
    return figures


def shown(figure):
    """Format a figure with three digits or more."""
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"


def main():
    """Measure both engines and print a table."""
    parser = argparse.ArgumentParser(description="A library in SQLite and in PostgreSQL.")
    parser.add_argument("--institutions", type=int, default=50)
    parser.add_argument("--demonstrations", type=int, default=2000)
    given = parser.parse_args()
    world = generate_world(WorldSettings(institutions=given.institutions, demonstrations=given.demonstrations))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(postgres_server(durable=True))
        places = {"SQLite": str(folder / "hospitals.db"), "PostgreSQL": server.url(server.create_database())}
        figures = {engine: measured(place, world) for engine, place in places.items()}
    print(f"{len(world)} demonstrations of {given.institutions} institutions\n")
    print(f"| | {' | '.join(figures)} |\n|---|{'---|' * len(figures)}")
    for label in figures["SQLite"]:
        print(f"| {label} | {' | '.join(shown(one[label]) for one in figures.values())} |")


if __name__ == "__main__":
    main()

"""Cost of recording each selection in the audit.

    python -m benchmarks.library.audit [--runs 200]

The same selector over a generated, synthetic library, with and without its audit, takes the same queries in
turn, in an SQLite file and in a PostgreSQL on loopback that syncs each commit to the disk. ``entry`` is the work after
the choice: the rules are read again and, with an audit, the entry is written. ``select`` is a whole selection,
``of 100`` a hundredth of ``select_many`` for 100, ``8 threads`` one of eight at once, ``chain`` a whole
``few_shot_chain`` with the offline model, which completes its entry.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.common.postgres import postgres_server
from metachain import Library, Selector, adapt, learn
from metachain.chains import few_shot_chain
from metachain.data.synthetic import generate_world
from metachain.library.audit import AuditEntry, new_id
from metachain.library.revisions import state_of
from metachain.library.sharing import EVERYONE
from metachain.retrievers import MetaExampleSelector
from metachain.timestamps import now

TOGETHER = 100
THREADS = 8


@contextmanager
def places() -> Iterator[dict[str, str]]:
    """Places of new libraries, by engine."""
    with tempfile.TemporaryDirectory() as folder, postgres_server(durable=True) as server:
        yield {"SQLite": str(Path(folder) / "library.db"), "PostgreSQL": server.url(server.create_database())}


def milliseconds(work: Callable[[], object]) -> float:
    """Duration of a call."""
    begun = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - begun)


def in_turns(works: Sequence[Callable[..., object]], queries: Sequence[object]) -> list[list[float]]:
    """Milliseconds of each function for each query, in turn, so that all meet the same load."""
    taken: list[list[float]] = [[] for _ in works]
    for query in queries:
        for place, work in enumerate(works):
            taken[place].append(milliseconds(lambda work=work, query=query: work(query)))
    return taken


def shared(taken: Sequence[Sequence[float]]) -> list[list[float]]:
    """Milliseconds of one selection of a hundred."""
    return [[each / TOGETHER for each in some] for some in taken]


def threaded(selector: Selector, queries: Sequence[str]) -> None:
    """Select eight at once."""
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(selector.select, queries))


def enter(library: Library, institution: str) -> None:
    """Record an entry of eight demonstrations, as a selection does."""
    shown = tuple((f"hospital {one}", "0123456789abcdef") for one in range(8))
    entry = AuditEntry(new_id(), now(), institution, "", "nearest", shown, 1, "0123456789abcdef")
    library.audit.record([entry], lambda connection: state_of(connection, institution).rules == 1)


def show(engine: str, what: str, without: Sequence[float], recorded: Sequence[float]) -> None:
    """Print a row."""
    pairs = [f"{np.median(some):.2f} | {np.percentile(some, 95):.2f}" for some in (without, recorded)]
    difference = np.median(np.array(recorded) - np.array(without))
    print(f"| {engine} | {what} | {pairs[0]} | {pairs[1]} | {difference:+.2f} |", flush=True)


def measure(engine: str, place: str, runs: int) -> None:
    """Print the rows of one engine."""
    world = generate_world()
    name = world[-1].institution
    with Library.open(place) as library, Library.open(place, audit=False) as silent:
        library.add(world, share=EVERYONE)
        posterior = adapt(learn(library), library, name)
        queries = [f"{world[one % len(world)].input} again" for one in range(7, 7 + 13 * runs, 13)]
        selectors = [Selector(one, posterior, 8) for one in (silent, library)]
        for one in selectors:
            one.select(queries[0])
        show(engine, "entry", *in_turns([lambda _, one=one: enter(one, name) for one in (silent, library)], queries))
        show(engine, "select", *in_turns([one.select for one in selectors], queries))
        batches = [(queries * TOGETHER)[one : one + TOGETHER] for one in range(10)]
        show(engine, f"of {TOGETHER}", *shared(in_turns([one.select_many for one in selectors], batches)))
        several = [lambda some, one=one: threaded(one, some) for one in selectors]
        show(engine, f"{THREADS} threads", *shared(in_turns(several, batches)))
        chains = [few_shot_chain("offline", MetaExampleSelector(one, posterior, 8)) for one in (silent, library)]
        show(engine, "chain", *in_turns([lambda text, one=one: one.invoke({"input": text}) for one in chains], queries))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Cost of recording each selection in the audit.")
    parser.add_argument("--runs", type=int, default=200)
    runs = parser.parse_args().runs
    print("| engine | what, ms | without: median | 95 % | recorded: median | 95 % | median difference |")
    print("|---|---|---|---|---|---|---|")
    with places() as found:
        for engine, place in found.items():
            measure(engine, place, runs)


if __name__ == "__main__":
    main()

"""Institutions that all share and all ask: memory of a process, and the time of each one's first question.

    python -m benchmarks.selection.network [--demonstrations 100000] [--institutions 50]

Every institution shares with everyone and has as many labels as demonstrations. Texts are synthetic, with random
vectors in place of an encoder's; the prior is drawn (benchmarks/learning/cost.py measures learning). One process asks
for one institution after another, as a worker of a server does. Memory is resident memory, in MiB.
"""

import argparse
import tempfile
import time
from itertools import islice
from pathlib import Path

import numpy as np
import psutil

from benchmarks.common.machine import machine
from benchmarks.library.opening import Stand, made
from benchmarks.selection.latency import BATCH, drawn_prior, queries
from metachain.learning.artifacts import save_prior
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE
from metachain.selection.selector_cache import SelectorCache

MIB = 2**20


def main():
    """Fill a library, ask for every institution, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demonstrations", type=int, default=100_000)
    parser.add_argument("--institutions", type=int, default=50)
    given = parser.parse_args()
    process = psutil.Process()
    with tempfile.TemporaryDirectory() as folder, Library.open(Path(folder) / "library.db", Stand()) as library:
        them = made(given.demonstrations, given.institutions)
        while some := list(islice(them, BATCH)):
            library.add(some, share=EVERYONE)
        names = library.institutions()
        save_prior(library, drawn_prior(names, Stand.fingerprint))
        library.vectors(library.demonstrations())
        print(f"{machine()}; {given.demonstrations} demonstrations, {len(names)} institutions\n")
        print("| institutions that have asked | resident memory | first question of the last | its next questions |")
        print("|---|---|---|---|")
        selectors = SelectorCache(library)
        for number, name in enumerate(names, 1):
            begun = time.perf_counter()
            selectors.of(name).select(queries()[0])
            first = time.perf_counter() - begun
            begun = time.perf_counter()
            for text in queries()[1:9]:
                selectors.of(name).select(text)
            later = (time.perf_counter() - begun) / 8
            if number in {1, 2, 3, *np.linspace(1, len(names), 6).astype(int)}:
                held = process.memory_info().rss / MIB
                print(f"| {number} | {held:,.0f} | {first:.2f} s | {1000 * later:.1f} ms |", flush=True)


if __name__ == "__main__":
    main()

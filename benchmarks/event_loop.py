"""How long a chain keeps the event loop from its other work.

    python benchmarks/event_loop.py [RUNS]

A ticker wakes up every millisecond while a chain answers, RUNS times over a generated, synthetic library, one call
after the other, then eight at once. The table shows the longest gap between two ticks during each call, less the
millisecond, beside how long selecting alone takes. The ticker with nothing else to do comes first, as the machine has
gaps of its own. The first call of all, which imports and loads what is needed, stands by itself.
"""

import asyncio
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

from metachain import Library, adapt, learn
from metachain.chains import classification_chain, few_shot_chain, summarization_chain
from metachain.retrievers import MetaExampleSelector
from metachain.world import generate_world

TICK = 0.001
MAKERS = {
    "few_shot_chain": few_shot_chain,
    "classification_chain": classification_chain,
    "summarization_chain": summarization_chain,
}


async def longest_gap(work):
    """Seconds of the longest gap between two ticks while ``work()`` is awaited, and seconds that it took."""
    ticks, done = [time.perf_counter()], False

    async def tick():
        while not done:
            await asyncio.sleep(TICK)
            ticks.append(time.perf_counter())

    ticker = asyncio.create_task(tick())
    await asyncio.sleep(10 * TICK)
    started = time.perf_counter()
    await work()
    took = time.perf_counter() - started
    await asyncio.sleep(3 * TICK)
    done = True
    await ticker
    return max(np.diff(ticks)) - TICK, took


def row(name, found, selecting=None):
    """One line of the table, in milliseconds."""
    gaps, took = 1000 * np.array(found).T
    parts = [f"{np.median(gaps):.1f}", f"{np.quantile(gaps, 0.99):.1f}", f"{gaps.max():.1f}", f"{np.median(took):.1f}"]
    alone = "" if selecting is None else f"{1000 * np.median(selecting):.1f}"
    print(f"| {name} | " + " | ".join(parts) + f" | {alone} |", flush=True)


async def measured(runs, queries, selector):
    """Print the table."""
    print("| | gap, median | 99 % | longest | whole call | selecting alone |")
    print("|---|---|---|---|---|---|")

    async def idle():
        await asyncio.sleep(0.02)

    row("nothing", [await longest_gap(idle) for _ in range(runs)])
    first = few_shot_chain("offline", selector)
    row("the first call", [await longest_gap(lambda: first.ainvoke({"input": queries[0]}))])
    alone = []
    for query in queries[:runs]:
        started = time.perf_counter()
        selector.explain(query)
        alone.append(time.perf_counter() - started)
    for name, make in MAKERS.items():
        chain = make("offline", selector)
        asked = [{"input": query} for query in queries[:runs]]
        row(f"`{name}`", [await longest_gap(partial(chain.ainvoke, one)) for one in asked], alone)
        eights = [asked[place : place + 8] for place in range(0, runs, 8)]
        row(f"`{name}`, 8 at once", [await longest_gap(partial(chain.abatch, some)) for some in eights])


def main(runs):
    """Learn a generated world, then measure."""
    world = generate_world()
    new = world[-1].institution
    with Library.open(Path(tempfile.mkdtemp()) / "library.db") as library:
        library.add(one for one in world if one.institution != new)
        selector = MetaExampleSelector(library, adapt(learn(library), library, new))
        asyncio.run(measured(runs, [one.input for one in world if one.institution == new], selector))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)

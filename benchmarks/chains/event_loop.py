"""Blocking of the event loop while chains run on it.

    python -m benchmarks.chains.event_loop [--runs 50]

A ticker wakes every millisecond; the gap between two ticks, less the millisecond, is the time that the loop is blocked.
``ainvoke`` and ``astream`` of each chain run one after another beside it, over a generated, synthetic library with the
offline model. Another process makes the library, so the first call loads the encoder and makes the institution's
selector; another institution's first call only makes the selector. The last column is the median time of the selection
itself.
"""

import argparse
import asyncio
import json
import multiprocessing
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from metachain import Library, learn
from metachain.chains import classification_chain, extraction_chain, few_shot_chain, summarization_chain
from metachain.chains.select_step import SELECTION_RUN
from metachain.data.synthetic import generate_world
from metachain.learning.artifacts import save_prior
from metachain.library.sharing import EVERYONE
from metachain.retrievers import LibraryExampleSelector

TICK = 0.001


class Code(BaseModel):
    """Result of the extraction chain."""

    code: str


def make_libraries(folder):
    """Make two libraries that have learned, with codes and with the same codes as JSON."""
    world = generate_world()
    booked = [replace(one, output=json.dumps({"code": one.output})) for one in world]
    for name, held in (("codes.db", world), ("booked.db", booked)):
        with Library.open(Path(folder) / name) as library:
            library.add(held, share=EVERYONE)
            save_prior(library, learn(library))


async def gaps_during(work):
    """Milliseconds that the loop was blocked between ticks, while ``work`` is awaited."""
    gaps, done = [], False

    async def tick():
        last = time.perf_counter()
        while not done:
            await asyncio.sleep(TICK)
            now = time.perf_counter()
            gaps.append(1000 * (now - last - TICK))
            last = now

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(10 * TICK)
    gaps.clear()
    await work
    done = True
    await ticking
    return gaps


async def streamed(chain, given):
    """Read a stream to its end."""
    async for _ in chain.astream(given):
        pass


async def many(ask, texts, institution):
    """Ask one text after another."""
    for text in texts:
        await ask({"input": text, "institution": institution})


def selecting_time(selector, texts, institution):
    """Median milliseconds of one selection."""
    taken = []
    for text in texts:
        begun = time.perf_counter()
        selector.of(institution).select(text)
        taken.append(1000 * (time.perf_counter() - begun))
    return float(np.median(taken))


def show(name, gaps, selecting):
    """Print a row."""
    middle, high = np.percentile(gaps, [50, 99])
    print(f"| {name} | {middle:.2f} | {high:.2f} | {max(gaps):.1f} | {selecting} |", flush=True)


async def measure(chains, selectors, texts, institution, other):
    """Print a row for the idle loop, the first calls, and both methods of each chain."""
    print("| what runs | median gap, ms | 99 % | largest | selection, ms |\n|---|---|---|---|---|")
    show("nothing", await gaps_during(asyncio.sleep(1)), "")
    first = {"input": texts[0], "institution": institution}
    show("first call", await gaps_during(chains["few_shot_chain"].ainvoke(first)), "")
    show("another's first", await gaps_during(chains["few_shot_chain"].ainvoke({**first, "institution": other})), "")
    for name, chain in chains.items():
        await chain.ainvoke(first)
        selecting = f"{selecting_time(selectors[name], texts, institution):.1f}"
        show(f"`{name}.ainvoke`", await gaps_during(many(chain.ainvoke, texts, institution)), selecting)
        show(
            f"`{name}.astream`",
            await gaps_during(many(lambda given, chain=chain: streamed(chain, given), texts, institution)),
            selecting,
        )


def main():
    """Make the library, then measure."""
    parser = argparse.ArgumentParser(description=f"Gaps of the event loop beside chains ({SELECTION_RUN}).")
    parser.add_argument("--runs", type=int, default=50)
    runs = parser.parse_args().runs
    world = generate_world()
    texts = [world[place % len(world)].input for place in range(7, 7 + 13 * runs, 13)]
    with tempfile.TemporaryDirectory() as folder:
        making = multiprocessing.get_context("spawn").Process(target=make_libraries, args=(folder,))
        making.start()
        making.join()
        codes, objects = (
            LibraryExampleSelector(Library.open(Path(folder) / name), 8) for name in ("codes.db", "booked.db")
        )
        chains = {
            "few_shot_chain": few_shot_chain("offline", codes),
            "classification_chain": classification_chain("offline", codes),
            "extraction_chain": extraction_chain("offline", objects, Code),
            "summarization_chain": summarization_chain("offline", codes),
        }
        selectors = {name: objects if name == "extraction_chain" else codes for name in chains}
        print(f"{len(world)} demonstrations, {runs} runs each")
        asyncio.run(measure(chains, selectors, texts, world[-1].institution, world[0].institution))


if __name__ == "__main__":
    main()

"""Time of an answer, and of a new process's first one, as recorded answers of the institution add up.

    python -m benchmarks.chains.history [--answers 50000]

The generated, synthetic world, the real encoder and the offline model; the answers are recorded as the server does.
"""

import argparse
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from uuid import uuid4

from langchain_core.runnables import Runnable

from benchmarks.common.machine import machine
from metachain import EVERYONE, Library, learn
from metachain.chains.feedback import recorded
from metachain.chains.service.running import standard_chains
from metachain.data.synthetic import generate_world
from metachain.learning.artifacts import save_prior
from metachain.library.outcomes import Outcome
from metachain.retrievers import LibraryExampleSelector

LABELS, TIMES, BATCH = 16, 41, 1000
SHOWN = (("hospital", "demonstration"),) * 8


def main() -> None:
    """Fill a library, record more and more answers, and print a row for each number of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=50_000)
    given = parser.parse_args()
    world = generate_world()
    *past, new = sorted({one.institution for one in world})
    print(f"{machine().line()}\n")
    print("| recorded answers of the institution | an answer | first answer of a new process |\n|---|---|---|")
    with TemporaryDirectory() as folder:
        place = Path(folder) / "hospitals.db"
        with Library.open(place) as library:
            library.add([one for one in world if one.institution in past], share=EVERYONE)
            library.add([one for one in world if one.institution == new][:LABELS])
            save_prior(library, learn(library, new))
            chain = classifier(library)
            answered(chain, new)
            held = 0
            for number in range(0, given.answers + 1, given.answers // 5):
                for first in range(held, number, BATCH):
                    library.outcomes.record(outcome(new, row) for row in range(first, min(first + BATCH, number)))
                held = number
                usual = median(answered(chain, new) for _ in range(TIMES))
                begun = time.perf_counter()
                with Library.open(place) as opened:
                    answered(classifier(opened), new)
                print(f"| {number:,} | {1000 * usual:.1f} ms | {time.perf_counter() - begun:.2f} s |", flush=True)


def classifier(library: Library) -> Runnable:
    """Chain that answers with the offline model and records each answer."""
    return recorded(standard_chains("offline", LibraryExampleSelector(library))["classify"], library)


def answered(chain: Runnable, institution: str) -> float:
    """Ask once; returns seconds."""
    begun = time.perf_counter()
    chain.invoke({"input": "chest x-ray 2 views", "institution": institution})
    return time.perf_counter() - begun


def outcome(institution: str, number: int) -> Outcome:
    """Answer as long as those that clinicians' queries get."""
    query = f"query {number} about a chest x-ray, of some length, as clinicians write them"
    return Outcome(str(uuid4()), "chain", institution, query, "metachain:offline", SHOWN, "2200")


if __name__ == "__main__":
    main()

"""What learning costs, and how it grows: no model is called, and all vectors exist.

    python benchmarks/learning.py [--quick] [--json FILE]

Demonstrations are synthetic, their dense vectors random (benchmarks/opening.py). Measured are learning a prior,
adapting to labels, renewing a selector's posterior after a change of what is the institution's own (as after each
feedback), what of that is arithmetic alone (the posterior of a scene at hand), and choosing 8 of many texts to label.
Each figure is the median of a few runs, of learning one run.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine
from opening import WORDS, Stand, made

from metachain.demonstration import Demonstration
from metachain.labelling import suggest_labels
from metachain.library import Library
from metachain.posterior import adapt, posterior_of, scene_of
from metachain.prior import Prior, learn
from metachain.selector import Selector
from metachain.sharing import EVERYONE

INSTITUTIONS, EACH = (10, 20, 50), (200, 400, 800)
LABELS, TEXTS = (4, 16, 64, 256), (1_000, 10_000)
NEW = "new hospital"


def seconds(work: Callable[[], object], runs: int = 1) -> float:
    """Median of how long a call takes."""
    taken = []
    for _ in range(runs):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return float(np.median(taken))


def label(number: int) -> Demonstration:
    """One label of the new institution."""
    return Demonstration(NEW, f"mri of the {WORDS[number % 12]} {number} views", f"{number % 5:04}")


def library_of(folder: str, institutions: int, each: int) -> Library:
    """A filled library whose vectors exist."""
    library = Library.open(Path(folder) / f"{institutions}-{each}.db", Stand())
    library.add(made(institutions * each, institutions), share=EVERYONE)
    library.hybrid_vectors(library.demonstrations())
    return library


def adapted(library: Library, prior: Prior) -> dict[str, dict[int, float]]:
    """Seconds to adapt and to renew, by the number of labels."""
    found: dict[str, dict[int, float]] = {"adapt": {}, "arithmetic": {}, "renew": {}}
    held = 0
    for labels in LABELS:
        library.add(label(number) for number in range(held, labels))
        held = labels
        scene = scene_of(prior, library, NEW)
        posterior = posterior_of(prior, scene, NEW)
        found["arithmetic"][labels] = seconds(lambda scene=scene: posterior_of(prior, scene, NEW), 20)
        selector = Selector(library, posterior)
        found["adapt"][labels] = seconds(lambda: adapt(prior, library, NEW), 3) if labels <= 64 else float("nan")
        found["renew"][labels] = renewed(library, selector)
    return found


def renewed(library: Library, selector: Selector) -> float:
    """Seconds of looking at the posterior after a change, which is another list of answers each time."""
    taken = []
    for number in range(5):
        library.list_answers(NEW, [f"{one:04}" for one in range(5 + number)])
        begun = time.perf_counter()
        _ = selector.posterior
        taken.append(time.perf_counter() - begun)
    library.list_answers(NEW, [])
    return float(np.median(taken))


def growth(measured: dict[Any, float]) -> str:
    """By what power of its cause each next figure has grown."""
    pairs = pairwise(sorted(measured.items()))
    return ", ".join(f"{np.log(b[1] / a[1]) / np.log(b[0] / a[0]):.1f}" for a, b in pairs)


def main() -> None:
    """Measure, and print a table."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--quick", action="store_true", help="a tenth of the demonstrations")
    given.add_argument("--json", type=Path)
    asked = given.parse_args()
    on, each = machine(), tuple(number // (10 if asked.quick else 1) for number in EACH)
    told: dict[str, dict[int, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        told["learn, by institutions"] = {}
        for institutions in INSTITUTIONS:
            with library_of(folder, institutions, each[-1]) as library:
                told["learn, by institutions"][institutions] = seconds(lambda library=library: learn(library))
        told["learn, by demonstrations of each of 10"] = {}
        for number in each:
            with library_of(folder, INSTITUTIONS[0], number) as library:
                told["learn, by demonstrations of each of 10"][number] = seconds(lambda library=library: learn(library))
        with library_of(folder, INSTITUTIONS[-1], each[-1]) as library:
            prior = learn(library)
            for what, measured in adapted(library, prior).items():
                told[f"{what}, by labels"] = measured
            posterior = adapt(prior, library, NEW)
            told["choose 8 to label, by texts"] = {}
            for texts in TEXTS:
                offered = [f"ct of the {WORDS[number % 12]} number {number}" for number in range(texts)]
                told["choose 8 to label, by texts"][texts] = seconds(
                    lambda posterior=posterior, offered=offered: suggest_labels(library, posterior, offered, 8)
                )
    print(
        "| what, in seconds | " + " | ".join(["", "", "", "", "grows by the power"]) + " |\n|---|---|---|---|---|---|"
    )
    for what, measured in told.items():
        cells = [f"{cause:,}: {taken:.4f}" for cause, taken in measured.items()]
        print("| " + " | ".join([what, *cells, *[""] * (4 - len(cells)), growth(measured)]) + " |")
    print(on.line())
    if asked.json:
        asked.json.write_text(json.dumps({"machine": on.record(), "seconds": told}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

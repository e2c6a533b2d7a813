"""Cost of learning and its growth; no model is called, and all vectors exist.

    python -m benchmarks.learning.cost [--quick] [--json FILE] [--plot FILE]
    python -m benchmarks.learning.cost --measured FILE [--plot FILE]

Demonstrations are synthetic, their dense vectors random (benchmarks/library/opening.py). The figures are of

- learning a prior,
- adapting to labels, reading the past first (as from the command line) or with the past already loaded (as in a server,
  to an institution that asks for the first time),
- renewing a selector's posterior after a new label or correction, which includes a search for its text, and after a new
  list of answers, which like a score needs no search,
- the arithmetic of the posterior alone, and
- choosing 8 of many texts to label.

Each figure is the median of a few runs, for learning one run, after one uncounted run on a small library. The plot
(benchmarks/learning/plot_cost.py) is an SVG; ``--measured`` prints and draws an earlier JSON file and measures nothing.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.common.machine import machine
from benchmarks.learning.plot_cost import growth_picture
from benchmarks.library.opening import WORDS, Stand, made
from metachain.data.demonstration import Demonstration
from metachain.learning.active_learning import suggest_labels
from metachain.learning.institution_state import SharedPastCache, load_institution
from metachain.learning.posterior import adapt, posterior_of
from metachain.learning.prior import Prior, learn
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE
from metachain.selection.selector import Selector

INSTITUTIONS, EACH = (5, 10, 20, 50), (200, 400, 800, 1600)
SIZE, FEW = 800, 10
"""Demonstrations of each institution if institutions vary, and institutions if demonstrations vary."""
CHANGES = 3
LABELS, TEXTS = (4, 16, 64, 256), (1_000, 10_000)
NEW = "new hospital"


def seconds(work: Callable[[], object], runs: int = 1) -> float:
    """Median duration of a call."""
    taken = []
    for _ in range(runs):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return float(np.median(taken))


def label(number: int) -> Demonstration:
    """Make one label of the new institution."""
    return Demonstration(NEW, f"mri of the {WORDS[number % 12]} {number} views", f"{number % 5:04}")


def library_of(folder: str, institutions: int, each: int) -> Library:
    """Make a filled library with its vectors."""
    library = Library.open(Path(folder) / f"{institutions}-{each}.db", Stand())
    library.add(made(institutions * each, institutions), share=EVERYONE)
    library.hybrid_vectors(library.demonstrations())
    return library


def adapted(library: Library, prior: Prior) -> dict[str, dict[int, float]]:
    """Seconds to adapt and to renew, by the number of labels."""
    names = (
        "adapt, reading the past",
        "adapt, the past at hand",
        "renew, a new label",
        "renew, a new list",
        "arithmetic",
    )
    found: dict[str, dict[int, float]] = {name: {} for name in names}
    pasts = SharedPastCache()
    held = 0
    for labels in LABELS:
        library.add(label(number) for number in range(held, labels - CHANGES))
        selector = Selector(library, adapt(prior, library, NEW, pasts), pasts=pasts)
        later = iter(range(max(held, labels - CHANGES), labels))
        found["renew, a new label"][labels] = renewed(selector, lambda later=later: library.add([label(next(later))]))
        held = labels
        longer = iter(range(5, 5 + CHANGES))
        found["renew, a new list"][labels] = renewed(selector, lambda longer=longer: listed(library, next(longer)))
        library.list_answers(NEW, [])
        state = load_institution(prior, library, NEW)
        found["arithmetic"][labels] = seconds(lambda state=state: posterior_of(prior, state), 20)
        if labels <= 64:
            found["adapt, the past at hand"][labels] = seconds(lambda: adapt(prior, library, NEW, pasts), 5)
            found["adapt, reading the past"][labels] = seconds(lambda: afresh(prior, library), 3)
    return found


def afresh(prior: Prior, library: Library) -> None:
    """Adapt, reading the past as a new process does."""
    library.cache.clear()
    adapt(prior, library, NEW)


def listed(library: Library, answers: int) -> None:
    """Give the new institution a list of so many answers."""
    library.list_answers(NEW, [f"{one:04}" for one in range(answers)])


def renewed(selector: Selector, change: Callable[[], object]) -> float:
    """Seconds to read the posterior after a change of the institution's own data; median of three changes."""
    taken = []
    for _ in range(CHANGES):
        change()
        begun = time.perf_counter()
        selector.posterior()
        taken.append(time.perf_counter() - begun)
    return float(np.median(taken))


def growth(taken: dict[int, float]) -> str:
    """Format the power of its cause with which each next figure has grown."""
    pairs = pairwise(sorted((cause, one) for cause, one in taken.items()))
    return ", ".join(f"{np.log(b[1] / a[1]) / np.log(b[0] / a[0]):.1f}" for a, b in pairs)


def measured(tenth: bool) -> dict[str, dict[int, float]]:
    """Seconds of each measurement, by the size that grows."""
    less = 10 if tenth else 1
    learned(INSTITUTIONS[0], 50)
    told = {
        "learn, by institutions": {one: learned(one, SIZE // less) for one in INSTITUTIONS},
        "learn, by demonstrations of each of 10": {one // less: learned(FEW, one // less) for one in EACH},
    }
    with tempfile.TemporaryDirectory() as folder, library_of(folder, INSTITUTIONS[-1], SIZE // less) as library:
        prior = learn(library)
        for what, seconds_by_labels in adapted(library, prior).items():
            told[f"{what}, by labels"] = seconds_by_labels
        posterior = adapt(prior, library, NEW)
        told["choose 8 to label, by texts"] = {}
        for texts in (number // less for number in TEXTS):
            offered = [f"ct of the {WORDS[number % 12]} number {number}" for number in range(texts)]
            told["choose 8 to label, by texts"][texts] = seconds(
                lambda posterior=posterior, offered=offered: suggest_labels(library, posterior, offered, 8)
            )
    return told


def learned(institutions: int, each: int) -> float:
    """Seconds to learn a prior from so many institutions of so many demonstrations each."""
    with tempfile.TemporaryDirectory() as folder, library_of(folder, institutions, each) as library:
        return seconds(lambda: learn(library))


def table(told: dict[str, dict[int, float]]) -> str:
    """Format the table of docs/benchmarks.md."""
    lines = ["| what, in seconds | " + " | ".join(["", "", "", "", "grows by the power"]) + " |", "|---" * 6 + "|"]
    for what, taken in told.items():
        cells = [f"{cause:,}: {one:.3g}" for cause, one in taken.items()]
        lines.append("| " + " | ".join([what, *cells, *[""] * (4 - len(cells)), growth(taken)]) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure, or read an earlier measurement; print a table, and draw."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--quick", action="store_true", help="a tenth of the demonstrations and of the texts")
    given.add_argument("--json", type=Path)
    given.add_argument("--plot", type=Path, metavar="SVG")
    given.add_argument("--measured", type=Path, metavar="JSON")
    asked = given.parse_args()
    if asked.measured:
        found = json.loads(asked.measured.read_text(encoding="utf-8"))
    else:
        on = machine()
        found = {"each": SIZE // 10 if asked.quick else SIZE, "seconds": measured(asked.quick)}
        found |= {"machine": on.record(), "line": on.line()}
    told = {what: {int(cause): one for cause, one in taken.items()} for what, taken in found["seconds"].items()}
    print(f"{table(told)}\n{found['line']}")
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    if asked.plot:
        asked.plot.write_text(growth_picture(told, found["each"]), encoding="utf-8")


if __name__ == "__main__":
    main()

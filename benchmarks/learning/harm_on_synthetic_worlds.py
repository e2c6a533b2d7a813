"""Harm on generated, synthetic worlds in which meta-learning has no benefit, or is misled.

    python -m benchmarks.learning.harm_on_synthetic_worlds [SEEDS]

Alike: institutions don't differ, so plain nearest neighbours (``semantic``) are right already. Constant: every
institution gives one answer to everything, so the majority of its labels is right. Misled: a fifth of the institutions
have permuted codes; the honest ones are scored, beside the same world without the permutation. Each institution is
held out in turn; means over institutions and worlds.
"""

import sys
from dataclasses import replace

import numpy as np

from metachain.data.synthetic import WorldSettings, generate_world
from metachain.evaluation.leave_one_out import evaluate
from metachain.evaluation.plan import Plan
from metachain.evaluation.summary import by_institution
from metachain.library.embedding_cache import cached_vectors

LABELS = (0, 2, 4, 8, 16, 32)
SELECTORS = ("semantic", "support", "scratch", "metachain", "metachain-guard", "metachain-screening")
HONEST = WorldSettings(institutions=20, misleading=0)
MISLED = replace(HONEST, misleading=4)


def scores_of(world, seed):
    """Mean score of each (selector, labels) and institution, of the honest institutions of a world."""
    demonstrations = generate_world(replace(world, seed=seed))
    honest = {one.institution for one in demonstrations if not one.metadata["misleading"]}
    plan = Plan(labels=LABELS, seeds=(0,), queries=60, selectors=SELECTORS)
    vectors = cached_vectors([one.input for one in demonstrations], None)
    found = by_institution(evaluate(demonstrations, vectors, plan).scores)
    return {key: {name: score for name, score in cell.items() if name in honest} for key, cell in found.items()}


def print_world(title, tables):
    """Print the mean of each selector at each label count, over institutions and worlds."""
    print(f"\n{title}\n")
    print("| selector | " + " | ".join(f"{k} labels" for k in LABELS) + " |")
    print("|---" * (len(LABELS) + 1) + "|")
    for selector in SELECTORS:
        cells = [mean(tables, selector, k) for k in LABELS]
        print(f"| `{selector}` | " + " | ".join("–" if np.isnan(cell) else f"{cell:.3f}" for cell in cells) + " |")


def mean(tables, selector, labels, names=None):
    """Mean score over worlds and their institutions (those in ``names``); nan if there is none."""
    cells = [
        score
        for number, table in enumerate(tables)
        for name, score in table.get((selector, labels), {}).items()
        if names is None or name in names[number]
    ]
    return float(np.mean(cells)) if cells else float("nan")


def main(arguments):
    """Measure every world with some seeds."""
    seeds = range(int(arguments[0]) if arguments else 3)
    alike = [scores_of(replace(HONEST, divergence=0.0), seed) for seed in seeds]
    print_world("Alike", alike)
    print_world("Constant", [scores_of(replace(HONEST, constant=True), seed) for seed in seeds])
    misled = [scores_of(MISLED, seed) for seed in seeds]
    clean = [scores_of(HONEST, seed) for seed in seeds]
    print_world("Honest", clean)
    print_world("Misled", misled)
    honest = [set(table["semantic", 0]) for table in misled]
    print("\n| lost to the misled, the same institutions | " + " | ".join(f"{k} labels" for k in LABELS) + " |")
    print("|---" * (len(LABELS) + 1) + "|")
    for selector in ("semantic", "metachain"):
        lost = [mean(clean, selector, k, honest) - mean(misled, selector, k) for k in LABELS]
        print(f"| `{selector}` | " + " | ".join(f"{one:+.3f}" for one in lost) + " |")


if __name__ == "__main__":
    main(sys.argv[1:])

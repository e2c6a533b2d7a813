"""Share of the gap between plain nearest neighbours and the ceiling that is closed, by the new hospital's input.

    python -m benchmarks.evaluation.gap_closed DATA.jsonl LIBRARY.db

LIBRARY.db keeps the embeddings between runs. Each hospital's whole group is held out. It labels some of 150 of its
texts, at random or as ``metachain label`` suggests, with or without the list of its codes; 100 other
texts are asked. The share closed is (metachain - semantic) / (oracle - semantic) of the means over hospitals (three
pools each, random: three draws from each), with its 95 % bootstrap interval over hospitals.
"""

import sys

import numpy as np

from benchmarks.common.hospital_split import development_hospitals
from benchmarks.learning.active_learning import BUDGETS, POOLS, grouped_pool, shares_read_right, unlabelled
from metachain.evaluation.runner import SharedMeasurements
from metachain.learning.neighbours import NeighbourTable

WAYS = ("random", "metachain")
"""Ways of choosing the inputs to label."""
NAMES = ("semantic", "metachain", "listed", "oracle")
GIVEN = {
    "random labels": ("random", "metachain"),
    "chosen labels": ("metachain", "metachain"),
    "random labels and the list of codes": ("random", "listed"),
    "chosen labels and the list of codes": ("metachain", "listed"),
}
RESAMPLES = 4000


def hospital_scores(taught, target):
    """Mean share of right answers of one hospital; (way, budget, selector)."""
    scores = np.zeros((POOLS, len(WAYS), len(BUDGETS), len(NAMES)))
    for seed in range(POOLS):
        queries, rows, ordered = unlabelled(taught, target, seed)
        for place, way in enumerate(WAYS):
            for level, budget in enumerate(BUDGETS):
                drawn = [shares_read_right(queries, rows[order[:budget]], NAMES) for order in ordered[way]]
                scores[seed, place, level] = np.mean(drawn, axis=0)
    return scores.mean(axis=0)


def share_closed(scores, ours):
    """Share of the gap that the selector ``ours`` closes, from scores (…, hospital, selector); (…)."""
    means = dict(zip(NAMES, np.moveaxis(scores.mean(axis=-2), -1, 0), strict=True))
    return (means[ours] - means["semantic"]) / (means["oracle"] - means["semantic"])


def print_table(title, scores):
    """Print mean and share closed by budget and input, from scores (hospital, way, budget, selector)."""
    print(f"\n{title}\n")
    print("| given | " + " | ".join(f"{budget} labels" for budget in BUDGETS) + " |")
    print("|---" * (len(BUDGETS) + 1) + "|")
    drawn = np.random.default_rng(0).integers(len(scores), size=(RESAMPLES, len(scores)))
    for given, (way, ours) in GIVEN.items():
        cells = []
        for level in range(len(BUDGETS)):
            own = scores[:, WAYS.index(way), level]
            low, high = np.percentile(share_closed(own[drawn], ours), [2.5, 97.5])
            mean = own[:, NAMES.index(ours)].mean()
            cells.append(f"{mean:.3f}: {share_closed(own, ours):.0%} [{low:.0%}, {high:.0%}]")
        print(f"| {given} | " + " | ".join(cells) + " |")


def main(arguments):
    """Score every hospital and print the tables."""
    demonstrations, pool, groups = grouped_pool(*arguments)
    bench = SharedMeasurements.of(NeighbourTable.of(pool, np.arange(len(pool.owner))))
    scores = []
    for target, name in enumerate(pool.institutions):
        scores.append(hospital_scores(bench.knowledge(np.flatnonzero(groups != groups[target])), target))
        print(f"{len(scores)} of {len(pool.institutions)}: {name}", file=sys.stderr, flush=True)
    scores = np.stack(scores)
    tuned = np.isin(pool.institutions, development_hospitals(demonstrations))
    print_table(f"{(~tuned).sum()} test hospitals", scores[~tuned])
    print_table(f"{tuned.sum()} development hospitals", scores[tuned])
    print_table(f"All {len(scores)} hospitals", scores)


if __name__ == "__main__":
    main(sys.argv[1:])

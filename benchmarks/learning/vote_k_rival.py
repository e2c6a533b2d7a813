"""A cheap rival: vote-k chooses the texts to label, then similarity selects; each hospital's group held out.

    python -m benchmarks.learning.vote_k_rival [--development] DATA.jsonl [LIBRARY]

Vote-k with selection by similarity is the method of Su et al. 2023 (arXiv 2209.01975, the variant without a language
model). It shows the nearest among the labels alone (``support``), or among these and all past demonstrations
(``semantic``). Pools of 150 unlabelled texts, queries and readers are those of ``benchmarks.learning.active_learning``;
the test hospitals are the default.
"""

import sys
from itertools import product

import numpy as np

from benchmarks.common.hospital_split import development_hospitals
from benchmarks.learning.active_learning import (
    BUDGETS,
    DRAWS,
    POOLS,
    all_scores,
    grouped_pool,
    interval,
    shares_read_right,
    unlabelled,
)

WAYS = ("random", "vote-k", "metachain")
SELECTORS = ("support", "semantic", "metachain")


def hospital_scores(known, target):
    """Mean share of right answers of one hospital; (way, selector, budget)."""
    scores = np.zeros((POOLS, len(WAYS), len(SELECTORS), len(BUDGETS)))
    for seed in range(POOLS):
        queries, rows, ordered = unlabelled(known, target, seed)
        for (way, name), (place, budget) in product(enumerate(WAYS), enumerate(BUDGETS)):
            found = [shares_read_right(queries, rows[order[:budget]], SELECTORS) for order in ordered[name][:DRAWS]]
            scores[seed, way, :, place] = np.mean(found, axis=0)
    return scores.mean(axis=0)


def main(arguments):
    """Score all hospitals and print the table, and the differences to metachain with its own choice."""
    development = "--development" in arguments
    demonstrations, pool, groups = grouped_pool(*(one for one in arguments if not one.startswith("--")))
    chosen = np.flatnonzero(np.isin(pool.institutions, development_hospitals(demonstrations)) == development)
    scores = all_scores(pool, groups, chosen, hospital_scores)
    print(f"{len(chosen)} {'development' if development else 'test'} hospitals\n")
    print(
        "| labels chosen by | demonstrations by | " + " | ".join(f"{one} labels" for one in BUDGETS) + " | worst, 16 |"
    )
    print("|---" * (len(BUDGETS) + 3) + "|")
    for (way, name), (place, selector) in product(enumerate(WAYS), enumerate(SELECTORS)):
        some = scores[:, way, place]
        cells = " | ".join(f"{one:.3f}" for one in some.mean(axis=0))
        print(f"| `{name}` | `{selector}` | {cells} | {some[:, -1].min():.3f} |")
    ours = scores[:, WAYS.index("metachain"), SELECTORS.index("metachain")]
    for selector in ("support", "semantic"):
        rival = scores[:, WAYS.index("vote-k"), SELECTORS.index(selector)]
        cells = " | ".join(interval(ours[:, place] - rival[:, place]) for place in range(len(BUDGETS)))
        print(f"| `metachain` over `vote-k` | `{selector}` | {cells} | |")


if __name__ == "__main__":
    main(sys.argv[1:])

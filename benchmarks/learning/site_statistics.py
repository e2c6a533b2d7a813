"""Loss if a third of the hospitals give only statistics, and if they give nothing.

    python -m benchmarks.learning.site_statistics DATA.jsonl LIBRARY.db [SHARE] [SEED]

LIBRARY.db holds the demonstrations of the file (``metachain add LIBRARY.db DATA.jsonl``). Each hospital plays the new
one, its whole group held out. A share of all hospitals (a third), drawn at random, keep their demonstrations to
themselves. The tables show the mean share of right answers of the offline reader (three supports a hospital, 100
queries), and the differences between all sharing, statistics only and nothing, with 95 % bootstrap intervals over
hospitals.
"""

import sys
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from benchmarks.learning.active_learning import SHOTS, interval
from metachain import Library, read_demonstrations
from metachain.evaluation.plan import selectors_named
from metachain.evaluation.scorers import LabelScorer
from metachain.evaluation.selectors import HeldOutQueries, PastKnowledge, Trial
from metachain.learning.episodes import Episode, split
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.prior import run_guard, sources_of
from metachain.learning.shared_past import pool_of
from metachain.learning.site_statistics import contribution_of
from metachain.learning.transfer import redundancy, screening

LABELS = (0, 4, 16)
SUPPORTS, QUERIES = 3, 100
STREAM = 3000
NAMES = ("semantic", "metachain")
WAYS = ("all share", "statistics only", "nothing")
UNUSED = csr_array((0, 0))


def taught(library, sources, private):
    """Transfer and lesson from some hospitals' demonstrations, with the statistics of others and without."""
    shared = sources_of(library, sources)
    answers = shared.table.pool.answers
    given = [contribution_of(shared, pool_of(library, library.demonstrations(name), answers)) for name in private]
    rows = np.array([one.transfer for one in given]).reshape(len(given), len(sources))
    found = []
    for told, transfer in ((given, np.concatenate([shared.transfer, rows])), ((), shared.transfer)):
        found.append((transfer, run_guard(shared.table, transfer, np.arange(len(sources)), contributions=told)))
    return found


def shares_right(study, sources, transfer, lesson, target, seed):
    """Share of right answers of one hospital; (label count, selector)."""
    pool, everyone = study.pool, np.arange(len(sources))
    past = np.array([pool.institutions.index(name) for name in sources])
    support, query = split(pool, target, max(LABELS), QUERIES, STREAM, seed)
    weights = redundancy(transfer, everyone), screening(transfer, everyone)
    known = PastKnowledge(study, past, *weights, lesson, UNUSED)
    queries = HeldOutQueries(known, Episode(target, len(support), support, query, past))
    score = LabelScorer(pool)
    right = np.zeros((len(LABELS), len(NAMES)))
    for place, k in enumerate(LABELS):
        trial = Trial(queries, queries.episode.taught(k), SHOTS, np.random.default_rng(0))
        for number, select in enumerate(selectors_named(NAMES).values()):
            right[place, number] = score(query, select(trial), ("vote",))["vote"]["exact_match"].mean()
    return right


def main(data, path, part=1 / 3, seed=0):
    """Score every hospital and print the tables."""
    demonstrations = read_demonstrations(data)
    group = {one.institution: one.metadata["group"] for one in demonstrations}
    names = sorted(group)
    kept = set(np.random.default_rng(int(seed)).permutation(names)[: round(float(part) * len(names))].tolist())
    scores = np.zeros((len(names), len(WAYS), len(LABELS), len(NAMES)))
    with Library.open(Path(path), create=False) as library:
        pool = pool_of(library, library.demonstrations())
        drawn = [split(pool, u, max(LABELS), QUERIES, STREAM, s) for u in range(len(names)) for s in range(SUPPORTS)]
        study = NeighbourTable.of(pool, np.concatenate([rows for one in drawn for rows in one]))
        for own in sorted(set(group.values())):
            past = [name for name in names if group[name] != own]
            sources, private = ([name for name in past if (name in kept) == which] for which in (False, True))
            ways = [
                (past, *taught(library, past, [])[1]),
                *((sources, *one) for one in taught(library, sources, private)),
            ]
            for target in (number for number, name in enumerate(names) if group[name] == own):
                for way, learned in enumerate(ways):
                    found = [shares_right(study, *learned, target, draw) for draw in range(SUPPORTS)]
                    scores[target, way] = np.mean(found, axis=0)
            print(f"{own}: {len(sources)} share, {len(private)} give statistics", file=sys.stderr, flush=True)
    print(f"\n{len(kept)} of {len(names)} hospitals keep their demonstrations to themselves\n")
    print("| private sites give | selector | " + " | ".join(f"{k} labels" for k in LABELS) + " |")
    print("|---" * (len(LABELS) + 2) + "|")
    for way, name in enumerate(WAYS):
        for number, selector in enumerate(NAMES):
            cells = (f"{value:.3f}" for value in scores[:, way, :, number].mean(axis=0))
            print(f"| {name} | `{selector}` | " + " | ".join(cells) + " |")
    print("\n| `metachain` | " + " | ".join(f"{k} labels" for k in LABELS) + " |")
    print("|---" * (len(LABELS) + 1) + "|")
    ours = scores[..., NAMES.index("metachain")]
    for one, other in ((1, 0), (2, 0), (1, 2)):
        cells = (interval(ours[:, one, place] - ours[:, other, place]) for place in range(len(LABELS)))
        print(f"| {WAYS[one]} less {WAYS[other]} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main(*sys.argv[1:])

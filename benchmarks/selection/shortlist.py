"""Loss through a shortlist: right answers from metachain's selection with and without it, on real hospitals.

    python -m benchmarks.selection.shortlist DATA.jsonl [LIBRARY]

With a shortlist, an institution's neighbours must be among the L nearest rows of all institutions together. This would
make the search of a thousand institutions cheap. metachain has no shortlist because of these results. Each hospital's
whole group is held out; learning from the others uses no shortlist. LIBRARY keeps the embeddings between runs.
"""

import sys
from dataclasses import replace

import numpy as np

from benchmarks.common.hospital_split import development_hospitals
from benchmarks.learning.active_learning import QUERIES, STREAM, grouped_pool, interval, shares_read_right
from metachain.evaluation.runner import SharedMeasurements
from metachain.evaluation.selectors import HeldOutQueries
from metachain.learning.episodes import Episode, split
from metachain.learning.neighbours import NeighbourTable

SEEDS = (0, 1, 2)
LABELS = (0, 4, 16)
LISTS = (29, 58, 116, 232, 512, 2048)
ROWS_A_STEP = 512


def shortlisted(study, groups, length):
    """Keep only neighbours that are among the ``length`` nearest rows of other groups."""
    pool, near = study.pool, study.neighbours
    group = groups[pool.owner]
    rows, similarity = near.rows.copy(), near.similarity.copy()
    for start in range(0, len(pool.owner), ROWS_A_STEP):
        some = slice(start, start + ROWS_A_STEP)
        every = np.round(pool.vectors[some] @ pool.vectors.T, 5)
        every[group[some, None] == group[None, :]] = -np.inf
        least = -np.partition(-every, length - 1, axis=1)[:, length - 1]
        out = similarity[some] < least[:, None, None]
        rows[some][out], similarity[some][out] = -1, -np.inf
    return replace(study, neighbours=type(near)(rows, similarity))


def right(known, target, labels):
    """Mean share of a hospital's queries that the offline reader answers right."""
    scores = []
    for seed in SEEDS:
        support, query = split(known.table.pool, target, max(LABELS), QUERIES, STREAM, seed)
        queries = HeldOutQueries(known, Episode(target, 0, support[:0], query, known.past))
        scores.append(shares_read_right(queries, support[:labels], ("metachain",))[0])
    return np.mean(scores)


def main(arguments):
    """Score every hospital with every list, and print a table for each set of hospitals."""
    demonstrations, pool, groups = grouped_pool(*arguments)
    study = NeighbourTable.of(pool, np.arange(len(pool.owner)))
    bench = SharedMeasurements.of(study)
    learned = []
    for target in range(len(pool.institutions)):
        learned.append(bench.knowledge(np.flatnonzero(groups != groups[target])))
        print(f"learned without {target + 1} of {len(pool.institutions)}", file=sys.stderr, flush=True)
    scores = np.zeros((1 + len(LISTS), len(learned), len(LABELS)))
    for place, length in enumerate((None, *LISTS)):
        listed = study if length is None else shortlisted(study, groups, length)
        for target, known in enumerate(learned):
            scores[place, target] = [right(replace(known, table=listed), target, labels) for labels in LABELS]
        print(f"{length or 'whole'}: {scores[place].mean(axis=0).round(4)}", file=sys.stderr, flush=True)
    tuned = np.isin(pool.institutions, development_hospitals(demonstrations))
    for title, part in (("development", tuned), ("test", ~tuned), ("all", np.ones(len(tuned), bool))):
        print(f"\n{part.sum()} {title} hospitals, {len(SEEDS)} draws each: accuracy with {LABELS} labels\n")
        heads = ["shortlist", "for each institution", *(f"{k} labels" for k in LABELS), "worst hospital"]
        print(f"| {' | '.join(heads)} |")
        print("|---" * (3 + len(LABELS)) + "|")
        print("| none | – | " + " | ".join(f"{x:.3f}" for x in scores[0, part].mean(axis=0)) + " | – |")
        for place, length in enumerate(LISTS, 1):
            lost = scores[place, part] - scores[0, part]
            cells = " | ".join(interval(column) for column in lost.T)
            print(f"| {length} | {length / len(groups):.1f} | {cells} | {lost.min():+.3f} |")


if __name__ == "__main__":
    main(sys.argv[1:])

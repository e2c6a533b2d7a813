"""Share of right answers among the 1, 3 and 10 most plausible, by both editions of the learner.

    python -m benchmarks.learning.plausible_answers DATA.jsonl [LIBRARY]

LIBRARY keeps the embeddings between runs. Each hospital is new in turn, with its whole health system held out, or
alone; three draws of labels, up to 100 queries each. The arm is fixed: b = 1, c = 1, ε = .05. The editions differ in
the exponents of the experts; the second is measured also without the kin of codes. Beside the means over all hospitals
are those of the test hospitals (``benchmarks.common.hospital_split``) and of the worst hospital.
"""

import sys
from itertools import product

import numpy as np

from benchmarks.common.hospital_split import development_hospitals
from benchmarks.learning.active_learning import grouped_pool
from metachain.learning.answer_fits import answer_scores
from metachain.learning.candidates import episode_fit, episode_profiles
from metachain.learning.episodes import Episode, split, transfer_items
from metachain.learning.gaussian_process import Settings
from metachain.learning.guard import COMMON
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.prior import transfer_matrix
from metachain.learning.ridge import pooled
from metachain.learning.transfer import prior_log_weights

FIRST, SECOND = Settings(1.0, 1.0, 0.05), Settings(1.0, 1.0, 0.05, **COMMON)
EDITIONS = {"first": (FIRST, 0.0), "second, no kin": (SECOND, 0.0), "second": (SECOND, pooled.KINSHIP)}
"""Settings of each edition, and the exponent of the lift of an answer's kin."""
LABELS, AMONG, SEEDS, QUERIES = (0, 2, 4, 8, 16, 32), (1, 3, 10), range(3), 100
STREAM = 77


def shares(table, episode, transfer):
    """Share of an episode's queries with the right answer among the most plausible; (edition, among)."""
    pool, truth = table.pool, table.pool.answer[episode.query]
    weights = prior_log_weights(transfer, episode.past)
    every = np.broadcast_to(np.arange(len(pool.answers)), (len(truth), len(pool.answers)))
    found = []
    for settings, pooled.KINSHIP in EDITIONS.values():
        profiles = episode_profiles(table, episode)
        fits = answer_scores(episode_fit(table, episode, profiles, weights, settings), profiles.query, every)
        better = (fits > fits[np.arange(len(truth)), truth][:, None]).sum(axis=1)
        found.append([(better < most).mean() for most in AMONG])
    return np.array(found)


def main(arguments):
    """Measure all hospitals in both ways of holding out, and print a table for each."""
    demonstrations, pool, groups = grouped_pool(*arguments)
    count = len(pool.institutions)
    drawn = [[split(pool, number, max(LABELS), QUERIES, STREAM, seed) for seed in SEEDS] for number in range(count)]
    rows = [part for draws in drawn for both in draws for part in both]
    rows += [transfer_items(pool, number) for number in range(count)]
    table = NeighbourTable.of(pool, np.unique(np.concatenate(rows)))
    transfer = transfer_matrix(table)
    test = ~np.isin(pool.institutions, development_hospitals(demonstrations))
    for kind in ("group", "institution"):
        scores = np.zeros((count, len(SEEDS), len(LABELS), len(EDITIONS), len(AMONG)))
        for number, seed, (place, labels) in product(range(count), SEEDS, enumerate(LABELS)):
            support, query = drawn[number][seed]
            apart = groups != groups[number] if kind == "group" else np.arange(count) != number
            episode = Episode(number, labels, support[:labels], query, np.flatnonzero(apart))
            scores[number, seed, place] = shares(table, episode, transfer)
        print_table(kind, scores.mean(axis=1), test)


def print_table(kind, scores, test):
    """Print scores (hospital, labels, edition, among) of one way of holding out."""
    print(
        f"\n{kind} held out: mean of {len(scores)} hospitals (of the {test.sum()} test hospitals; the worst hospital)\n"
    )
    print("| among | edition | " + " | ".join(f"{labels} labels" for labels in LABELS) + " |")
    print("|---" * (len(LABELS) + 2) + "|")
    for (most, among), (number, edition) in product(enumerate(AMONG), enumerate(EDITIONS)):
        some = scores[:, :, number, most]
        cells = zip(some.mean(axis=0), some[test].mean(axis=0), some.min(axis=0), strict=True)
        print(f"| {among} | {edition} | " + " | ".join(f"{a:.3f} ({b:.3f}; {c:.3f})" for a, b, c in cells) + " |")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Harm where the experts' exponents are fitted to other health systems than those that are scored.

    python -m benchmarks.learning.harm_cross_validated DATA.jsonl [LIBRARY]

LIBRARY keeps the embeddings between runs. The health systems form four folds. For each fold the exponents of usage,
vote and lift are fitted to the hospitals of the three others: the best of a grid by the mean share of right answers
with 2, 4 and 16 labels and one arm (b = 1, c = 1, ε = .05). Then the fold's hospitals are evaluated with these, as
``metachain evaluate --protocol group`` does. Harm is the share of runs more than a point worse than ``semantic``.
"""

import sys
from dataclasses import replace
from itertools import product

import numpy as np

from benchmarks.learning.active_learning import grouped_pool
from metachain.evaluation.holdout import held_out_together, pasts_of
from metachain.evaluation.plan import Plan
from metachain.evaluation.runner import HeldOutRunner, SharedMeasurements
from metachain.evaluation.summary import harm, summarise
from metachain.learning import guard
from metachain.learning.answer_fits import PLAUSIBILITY_FLOOR, product_of_experts
from metachain.learning.candidates import episode_fit, episode_profiles
from metachain.learning.episodes import Episode, split
from metachain.learning.gaussian_process import Settings, predict
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.transfer import prior_log_weights

LABELS, FITTED, SEEDS, QUERIES, FOLDS = (2, 4, 8, 16), (2, 4, 16), range(3), 100, 4
STREAM = 77
GRID = [
    dict(zip(("usage", "vote", "lift"), values, strict=True))
    for values in product((0.3, 0.55, 0.8, 1.0), (0.2, 0.33, 0.5), (0.35, 0.5, 0.65))
]


def folds_of(groups):
    """Fold of each hospital; whole health systems, the largest first into the smallest fold."""
    names, sizes = np.unique(groups, return_counts=True)
    total, fold = np.zeros(FOLDS, int), {}
    for place in np.argsort(-sizes, kind="stable"):
        fold[names[place]] = int(total.argmin())
        total[total.argmin()] += sizes[place]
    return np.array([fold[group] for group in groups])


def grid_scores(bench, pasts):
    """Share of right answers of each setting of the grid; (hospital, grid)."""
    table, pool = bench.table, bench.table.pool
    found = np.zeros((len(pasts), len(FITTED), len(SEEDS), len(GRID)))
    for number, (place, labels), seed in product(range(len(pasts)), enumerate(FITTED), SEEDS):
        support, query = split(pool, number, max(FITTED), QUERIES, STREAM, seed)
        episode = Episode(number, labels, support[:labels], query, pasts[number])
        texts, arm = episode_profiles(table, episode), Settings(1.0, 1.0, 0.05)
        fitted = episode_fit(table, episode, texts, prior_log_weights(bench.transfer, episode.past), arm)
        expected = np.maximum(predict(fitted, texts.query), PLAUSIBILITY_FLOOR)
        for at, exponents in enumerate(GRID):
            experts = product_of_experts(fitted.usage, texts.query.vote, texts.query.lift, replace(arm, **exponents))
            found[number, place, seed, at] = ((expected * experts).argmax(axis=1) == pool.answer[query]).mean()
    return found.mean(axis=(1, 2))


def use(exponents):
    """Let the guard's arms have these exponents."""
    changed = {arm: replace(arm, **exponents) for arm in guard.ARMS if arm}
    guard.KERNELS = {key: changed[arm] for key, arm in guard.KERNELS.items()}
    guard.PLAINEST = changed[guard.PLAINEST]
    guard.ARMS = (guard.NEAREST, *changed.values())


def print_scores(title, scores):
    """Print gain and harm of some runs, a column a label count."""
    rows = [row for row in summarise(scores) if row.selector == "metachain"]
    gains = [f"{row.gain:+.1%} [{row.ci95[0]:+.1%}, {row.ci95[1]:+.1%}]" for row in rows]
    print(f"| gain, {title} | " + " | ".join(gains) + " |")
    print(f"| harm, {title} | " + " | ".join(f"{row.lost} of {row.draws}" for row in harm(scores)) + " |", flush=True)


def main(arguments):
    """Fit to three folds, score the fourth, and print a table."""
    demonstrations, pool, groups = grouped_pool(*arguments)
    pasts, fold = pasts_of(demonstrations, held_out_together(demonstrations, "group"), None), folds_of(groups)
    bench = SharedMeasurements.of(NeighbourTable.of(pool, np.arange(len(pool.owner))))
    found, scores = grid_scores(bench, pasts), []
    plan = Plan(protocol="group", labels=LABELS, selectors=("semantic", "metachain"))
    runner = HeldOutRunner(bench, pasts, plan, plan.readers)
    print("\n|  | " + " | ".join(f"{labels} labels" for labels in LABELS) + " |")
    print("|---" * (len(LABELS) + 1) + "|")
    for number in range(FOLDS):
        fitted = GRID[int(found[fold != number].mean(axis=0).argmax())]
        use(fitted)
        runs = []
        for group in np.unique(groups[fold == number]):
            runs += runner.with_all(np.flatnonzero(groups == group).tolist())
        of_fold = [row for run in runs for row in run.scores[plan.readers[0]]]
        print_scores(f"fold {number + 1}: {len(runs)} hospitals, {fitted}", of_fold)
        scores += of_fold
    print_scores("all", scores)


if __name__ == "__main__":
    main(sys.argv[1:])

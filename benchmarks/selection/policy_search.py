"""What a model in the loop adds to the prior, on institutions that it never answered for.

    python -m benchmarks.selection.policy_search DATA.jsonl LIBRARY.db [MODEL,...]

LIBRARY.db keeps the embeddings between runs. The groups are dealt to five folds. For each fold the institutions outside
of it are learned from: the prior without a call, then the policy of a model in 500, 2,000 and 8,000 calls, in two
orders of the queries (seeds). The fold's institutions play the new one with 0, 4 and 16 labels, 40 queries, two draws.
The table shows the mean score with the default policy (0 calls), and the gain of the learned one with its 95 %
bootstrap interval over institutions, the institution that loses most, and how many demonstrations a prompt holds.
Models are the offline reader (``reader``) and stand-ins with one quirk each (benchmarks/common/stand_in_models.py): no
language models.
"""

import sys
from dataclasses import replace

import numpy as np

from benchmarks.common.stand_in_models import QUIRKS, asking
from benchmarks.learning.active_learning import grouped_pool, interval
from metachain.learning.episodes import Episode, all_episodes, split
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.policy import DEFAULT
from metachain.learning.prior import Prior, rows_to_look_up, run_guard, transfer_matrix
from metachain.scoring.metrics import exact_match
from metachain.selection.policy_search import Trial, learn_policy
from metachain.selection.rehearsal import RehearsalSet

CALLS = (500, 2000, 8000)
FOLDS = 5
LABELS = (0, 4, 16)
QUERIES = 40
SEEDS = (0, 1)
STREAM = 3000


def folds(pool, groups):
    """Institution numbers of each fold; groups stay together, the largest are dealt first."""
    numbers, counts = np.unique(groups, return_counts=True)
    dealt = [[] for _ in range(FOLDS)]
    for group in numbers[np.argsort(-counts, kind="stable")]:
        min(dealt, key=len).extend(np.flatnonzero(groups == group).tolist())
    return dealt


def episodes(pool, institution, past):
    """Episodes of an institution of a fold, which learns from the institutions ``past``."""
    found = []
    for seed in SEEDS:
        support, query = split(pool, institution, max(LABELS), QUERIES, STREAM, seed)
        if len(query):
            found += [Episode(institution, k, support[:k], query, past) for k in LABELS]
    return found


def tested(stage, policies, ask):
    """Each institution's mean score under each policy, and how many demonstrations a prompt holds."""
    scores, shots = {}, [[] for _ in policies]
    for question in stage.questions():
        asked, shown = stage.asked(question), stage.shown(question, policies)
        scores.setdefault(asked.institution, []).append(ask([Trial(asked, one) for one in shown]))
        for place, one in enumerate(shown):
            shots[place].append(len(one))
    return {name: np.mean(rows, axis=0) for name, rows in scores.items()}, [float(np.mean(one)) for one in shots]


def main(data, library, models):
    """Print the table."""
    _, pool, groups = grouped_pool(data, library)
    dealt = folds(pool, groups)
    everyone = np.arange(len(pool.institutions))
    held_out = [episode for numbers in dealt for one in numbers for episode in episodes(pool, one, everyone)]
    rows = [part for episode in held_out for part in (episode.support, episode.query)]
    study = NeighbourTable.of(pool, np.unique(np.concatenate([rows_to_look_up(pool), *rows])))
    transfer = transfer_matrix(study)
    stages = []
    for numbers in dealt:
        past = np.setdiff1d(everyone, numbers)
        prior = Prior(pool.institutions, transfer, run_guard(study, transfer, past), "benchmark")
        training = [RehearsalSet(study, prior, seed, all_episodes(pool, transfer, past)) for seed in SEEDS]
        test = [episode for one in numbers for episode in episodes(pool, one, past)]
        stages.append((training, RehearsalSet(study, prior, 0, test)))
    print("| model | calls | default | gain | worst institution | shots | of | policies |")
    print("|---|---|---|---|---|---|---|---|")
    for model in models:
        ask = asking(model)
        for calls in CALLS:
            gains, base, shots, chosen = {}, [], [], []
            for training, test in stages:
                policies = [learn_policy(stage, ask, calls, exact_match).policy for stage in training]
                chosen += policies
                scores, held = tested(test, [DEFAULT, *policies], ask)
                shots.append((held[0], np.mean(held[1:])))
                for name, (default, *others) in scores.items():
                    base.append(default)
                    gains[name] = float(np.mean(others) - default)
            values = np.array(list(gains.values()))
            worst = min(gains, key=gains.get)
            usual, now = np.mean(shots, axis=0)
            named = ", ".join(sorted({str(replace(one, demoted=frozenset())) for one in chosen}))
            demoted = sum(len(one.demoted) for one in chosen) / len(chosen)
            print(
                f"| {model} | {calls} | {np.mean(base):.3f} | {interval(values)} | "
                f"{gains[worst]:+.3f} | {now:.1f} | {usual:.1f} | {named}; {demoted:.1f} demoted |",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3].split(",") if len(sys.argv) > 3 else list(QUIRKS))

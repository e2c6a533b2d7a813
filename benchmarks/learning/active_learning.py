"""Active learning: eight chosen labels against sixteen random ones, each hospital's group held out.

    python -m benchmarks.learning.active_learning [--untuned | --development] DATA.jsonl [LIBRARY]

Every hospital offers 150 unlabelled texts, and each way of choosing picks 2, 4, 8 and 16 of them. Then 100 queries with
other texts are answered by the most plausible answer, and by the offline reader from metachain's selection. Means over
hospitals (three pools each, random: three draws from each), with paired intervals that resample hospitals.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.common.hospital_split import development_hospitals
from benchmarks.learning.active_learning_peers import integrated_variance, k_center, vote_k
from metachain import Library, read_demonstrations
from metachain.embedding.similarity import hybrid_vectors, lexical_vectors
from metachain.evaluation.plan import selectors_named
from metachain.evaluation.runner import SharedMeasurements
from metachain.evaluation.scorers import LabelScorer
from metachain.evaluation.selectors import HeldOutQueries, Trial
from metachain.learning.answer_fits import answer_scores
from metachain.learning.candidates import episode_fit, episode_profiles
from metachain.learning.episodes import Episode, split
from metachain.learning.experimental_design import Departures, InnerProducts, design
from metachain.learning.gaussian_process import PLAIN
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.pool import make_pool
from metachain.learning.reply_profile import co_treatment_features

BUDGETS = (2, 4, 8, 16)
POOL, QUERIES, SHOTS = 150, 100, 8
POOLS, DRAWS = 3, 3
STREAM = 3000
WAYS = ("random", "vote-k", "diversity", "variance", "metachain")
READINGS = ("most plausible answer", "offline reader")


def orders(queries, rows, counts, seed):
    """Each way's order of the unlabelled ``rows`` (several draws of the random one), as positions in ``rows``."""
    known = queries.knowledge
    profile = known.table.profile(rows, known.past)
    kin = co_treatment_features(profile)
    dense = known.dense(rows)
    most = min(max(BUDGETS), len(rows))
    departures, free = Departures.of(profile, known.log_weights), np.ones(len(rows), bool)
    chosen = design(InnerProducts(kin), departures, counts, free, most)
    return {
        "random": [np.random.default_rng([seed, draw]).permutation(len(rows))[:most] for draw in range(DRAWS)],
        "vote-k": [vote_k(dense, most)],
        "diversity": [k_center(dense, most)],
        "variance": [integrated_variance((kin @ kin.T).toarray(), most)],
        "metachain": [[x for x, _ in chosen]],
    }


def shares_right(queries, support):
    """Share of the queries that each reading answers right with these labels; (len(READINGS),)."""
    known = queries.knowledge
    pool, episode = known.table.pool, replace(queries.episode, support=support, labels=len(support))
    profiles = episode_profiles(known.table, episode)
    fitted = episode_fit(known.table, episode, profiles, known.log_weights, known.lesson.settings or PLAIN)
    every = np.broadcast_to(np.arange(len(pool.answers)), (len(episode.query), len(pool.answers)))
    plausible = answer_scores(fitted, profiles.query, every).argmax(axis=1)
    (read,) = shares_read_right(queries, support, ("metachain",))
    return np.array([(plausible == pool.answer[episode.query]).mean(), read])


def shares_read_right(queries, support, selectors):
    """Share of the queries that the offline reader answers right from the demonstrations of each selector."""
    episode = replace(queries.episode, support=support, labels=len(support))
    trial = Trial(queries, episode, SHOTS, np.random.default_rng(0))
    score = LabelScorer(queries.knowledge.table.pool)
    shown = [select(trial) for select in selectors_named(selectors).values()]
    return [score(episode.query, rows, ("vote",))["vote"]["exact_match"].mean() for rows in shown]


def unlabelled(known, target, seed):
    """A hospital's queries beside the past, its unlabelled rows, and each way's orders of these."""
    pool = known.table.pool
    rows, query = split(pool, target, POOL, QUERIES, STREAM, seed)
    _, first, counts = np.unique(pool.text[rows], return_index=True, return_counts=True)
    rows, queries = rows[first], HeldOutQueries(known, Episode(target, 0, rows[:0], query, known.past))
    return queries, rows, orders(queries, rows, counts.astype(float), seed)


def hospital_scores(taught, target):
    """Mean share of right answers of one hospital; (way, budget, reading)."""
    scores = np.zeros((POOLS, len(WAYS), len(BUDGETS), len(READINGS)))
    for seed in range(POOLS):
        queries, rows, ordered = unlabelled(taught, target, seed)
        for way, draws in ordered.items():
            for place, budget in enumerate(BUDGETS):
                found = [shares_right(queries, rows[order[:budget]]) for order in draws]
                scores[seed, WAYS.index(way), place] = np.mean(found, axis=0)
    return scores.mean(axis=0)


def all_scores(pool, groups, targets, score=hospital_scores):
    """Scores of every target hospital, its group held out: those of ``score``, with the hospital as first axis."""
    bench = SharedMeasurements.of(NeighbourTable.of(pool, np.arange(len(pool.owner))))
    scores = []
    for target in targets:
        scores.append(score(bench.knowledge(np.flatnonzero(groups != groups[target])), target))
        print(f"{len(scores)} of {len(targets)}", file=sys.stderr, flush=True)
    return np.stack(scores)


def grouped_pool(data, vectors=None):
    """Demonstrations of a file, their pool, and each institution's group; the library ``vectors`` keeps embeddings."""
    demonstrations = read_demonstrations(data)
    with Library.open(vectors or Path(tempfile.mkdtemp()) / "vectors.db") as library:
        dense = library.vectors(demonstrations)
    pool = make_pool(demonstrations, hybrid_vectors(dense, lexical_vectors([one.input for one in demonstrations])))
    group = {one.institution: one.metadata["group"] for one in demonstrations}
    return demonstrations, pool, np.array([group[name] for name in pool.institutions])


def interval(difference):
    """Mean over hospitals and its 95 % bootstrap interval."""
    draws = np.random.default_rng(0).integers(len(difference), size=(4000, len(difference)))
    low, high = np.quantile(difference[draws].mean(axis=1), [0.025, 0.975])
    return f"{difference.mean():+.3f} [{low:+.3f}, {high:+.3f}]"


def print_scores(title, scores):
    """Print a Markdown table for each way of answering, and the verdict on the bar."""
    ours, chance = WAYS.index("metachain"), WAYS.index("random")
    for number, reading in enumerate(READINGS):
        print(f"\n{title}: {len(scores)} hospitals, {reading}\n")
        print("| chosen by | " + " | ".join(f"{budget} labels" for budget in BUDGETS) + " |")
        print("|---" * (len(BUDGETS) + 1) + "|")
        for place, way in enumerate(WAYS):
            print(f"| `{way}` | " + " | ".join(f"{x:.3f}" for x in scores[:, place, :, number].mean(axis=0)) + " |")
        for place, way in enumerate(WAYS[:-1]):
            gains = (interval(scores[:, ours, b, number] - scores[:, place, b, number]) for b in range(len(BUDGETS)))
            print(f"| `metachain` over `{way}` | " + " | ".join(gains) + " |")
        gap = scores[:, ours, BUDGETS.index(8), number] - scores[:, chance, BUDGETS.index(16), number]
        verdict = "holds" if gap.mean() >= 0 else "does not hold"
        print(f"\n8 chosen less 16 random: {interval(gap)}: the bar {verdict}.")


def main(arguments):
    """Measure, and print tables of the development and of the test hospitals."""
    wanted = arguments.pop(0) if arguments[0].startswith("--") else ""
    demonstrations, pool, groups = grouped_pool(*arguments)
    tuned = np.isin(pool.institutions, development_hospitals(demonstrations))
    kept = {"--untuned": ~tuned, "--development": tuned}.get(wanted, np.ones(len(tuned), bool))
    targets = np.flatnonzero(kept)
    scores = all_scores(pool, groups, targets)
    for title, part in (("development", tuned), ("test", ~tuned)):
        if part[targets].any():
            print_scores(title, scores[part[targets]])
    if not wanted:
        print_scores("all", scores)


if __name__ == "__main__":
    main(sys.argv[1:])

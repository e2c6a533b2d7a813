"""Worth of scored answers (soft labels) beside labels, each hospital's group held out.

    python -m benchmarks.learning.soft_labels DATA.jsonl [LIBRARY]

LIBRARY keeps the embeddings between runs. Every hospital asks some texts before it has a label; the offline reader
answers them from metachain's selection, and each answer is scored 1 if it is the hospital's own and 0 otherwise.
Then 100 other texts are asked, with

- ``scores``: the bare scores as soft evidence; none of the answers is ever shown,
- ``mistaken``: the same, with one score in ten inverted,
- ``corrections``: no score is mistaken, and a correction makes each wrong answer a label,
- ``labels``: a label for each of those texts, which may be shown.

Means over hospitals of exact matches, three draws of texts each, with paired intervals that resample hospitals.
"""

import sys
from dataclasses import replace

import numpy as np

from benchmarks.learning.active_learning import grouped_pool, interval
from metachain.evaluation.readers import READERS, Prompt
from metachain.evaluation.runner import SharedMeasurements
from metachain.evaluation.selectors import HeldOutQueries
from metachain.learning.candidates import choose, episode_candidates, plausibility
from metachain.learning.episodes import Episode, split
from metachain.learning.gaussian_process import PLAIN, fit
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.policy import DEFAULT

COUNTS = (4, 16, 32)
QUERIES, SHOTS, SEEDS = 100, 8, 3
WAYS = ("scores", "mistaken", "corrections", "labels")
MISTAKEN = 0.1


def answers(queries, labels, asked=(), said=(), score=()):
    """Answers of the offline reader to the queries, after ``labels`` and scored answers; (n,) answer numbers."""
    known, episode = queries.knowledge, replace(queries.episode, support=labels, labels=len(labels))
    table, pool, lesson = known.table, known.table.pool, known.lesson
    told = np.concatenate([labels, np.asarray(asked, np.intp)])
    answer = np.concatenate([pool.answer[labels], np.asarray(said, np.int64)])
    scored = np.concatenate([np.ones(len(labels)), np.asarray(score, float)])
    support = table.profile(told, known.past)
    fitted = fit(support, answer, known.log_weights, lesson.settings or PLAIN, None, scored)
    candidates = episode_candidates(table, episode)
    probability = plausibility(candidates, fitted, table.profile(episode.query, known.past, lifted=True))
    probability = lesson.calibration(len(told)).of(probability)
    first, _ = choose(DEFAULT, candidates, probability, SHOTS, sharpness=lesson.sharpness_with(len(told)))
    shown = np.where(first < 0, -1, np.take_along_axis(candidates.rows, np.maximum(first, 0), axis=1))
    return READERS["vote"](Prompt.of(pool, episode.query, shown))


def held_out(known, target, query):
    """Queries of a hospital beside the past."""
    return HeldOutQueries(known, Episode(target, 0, np.zeros(0, np.intp), query, known.past))


def hospital_scores(taught, target):
    """Share right of one hospital: with nothing (1,) and (way, count), means over draws; and the share scored 1."""
    pool = taught.table.pool
    none, found, right = [], [], []
    unlabelled = np.zeros(0, np.intp)
    for seed in range(SEEDS):
        asked, query = split(pool, target, max(COUNTS), QUERIES, seed)
        said = answers(held_out(taught, target, asked), unlabelled)
        score = (said == pool.answer[asked]).astype(float)
        turned = np.random.default_rng([target, seed]).random(len(score)) < MISTAKEN
        heard = np.where(turned, 1 - score, score)
        queries = held_out(taught, target, query)

        def share(labels, of=slice(0), score=score, queries=queries, asked=asked, said=said):
            return (
                answers(queries, labels, asked[of], said[of], score[of]) == pool.answer[queries.episode.query]
            ).mean()

        none.append(share(unlabelled))
        right.append(score.mean())
        draw = np.zeros((len(WAYS), len(COUNTS)))
        for place, count in enumerate(COUNTS):
            first = np.arange(min(count, len(asked)))
            draw[0, place] = share(unlabelled, first)
            draw[1, place] = share(unlabelled, first, heard)
            draw[2, place] = share(asked[first[score[first] == 0]], first[score[first] == 1])
            draw[3, place] = share(asked[first])
        found.append(draw)
    return np.mean(none), np.mean(found, axis=0), np.mean(right)


def print_scores(names, none, found):
    """Print the means, the gains over no feedback with their intervals, and the worst hospital of each."""
    print("\n| 100 texts, after | " + " | ".join(f"{count}" for count in COUNTS) + " |")
    print("|---" * (len(COUNTS) + 1) + "|")
    print("| nothing | " + " | ".join([f"{none.mean():.3f}"] * len(COUNTS)) + " |")
    for place, way in enumerate(WAYS):
        print(f"| `{way}` | " + " | ".join(f"{x:.3f}" for x in found[:, place].mean(axis=0)) + " |")
    print("\n| gain over nothing | " + " | ".join(f"{count}" for count in COUNTS) + " |")
    print("|---" * (len(COUNTS) + 1) + "|")
    for place, way in enumerate(WAYS):
        gains = (interval(found[:, place, level] - none) for level in range(len(COUNTS)))
        print(f"| `{way}` | " + " | ".join(gains) + " |")
    print("\n| worst hospital | " + " | ".join(f"{count}" for count in COUNTS) + " |")
    print("|---" * (len(COUNTS) + 1) + "|")
    for place, way in enumerate(WAYS):
        gain = found[:, place] - none[:, None]
        cells = (f"{gain[:, level].min():+.3f} ({names[gain[:, level].argmin()]})" for level in range(len(COUNTS)))
        print(f"| `{way}` | " + " | ".join(cells) + " |")


def main(arguments):
    """Score every hospital and print the tables."""
    _, pool, groups = grouped_pool(*arguments)
    bench = SharedMeasurements.of(NeighbourTable.of(pool, np.arange(len(pool.owner))))
    scores = []
    for target, name in enumerate(pool.institutions):
        scores.append(hospital_scores(bench.knowledge(np.flatnonzero(groups != groups[target])), target))
        print(f"{len(scores)} of {len(pool.institutions)}: {name}", file=sys.stderr, flush=True)
    none, found, right = (np.stack(part) for part in zip(*scores, strict=True))
    print(f"{len(none)} hospitals; {right.mean():.0%} of the scored answers were right")
    print_scores(pool.institutions, none, found)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Changes of a hospital's answers: how soon they are noticed, what forgetting is worth, and false alarms.

    python -m benchmarks.learning.changes DATA.jsonl [LIBRARY] [--development]

LIBRARY keeps the embeddings between runs. River is needed (``pip install 'metachain[bench]'``). Each stream has 64
labels of one hospital, then 96 more:

- ``none``: of the same hospital; nothing changes,
- ``replaced``: of the same hospital, with one of its four most frequent codes replaced by one that it never gave,
- ``spliced``: of a hospital of another health system.

The past are all hospitals of other health systems than these two. Constants of the detector were chosen on the
development hospitals (``benchmarks.common.hospital_split``); the test hospitals are the default. Every label is
predicted from those before it, in steps of 2: with all older labels, without any from before the change (a hospital
that never had them), from the newest 24 or 48, from those that the detector leaves, and from those since the last
alarm of ADWIN (Bifet & Gavaldà 2007; ``river.drift.ADWIN``) on the errors of the predictions with all labels. ADWIN
looks at every label, with delta 0.2 in place of 0.002: with that it never gave an alarm here.
A label of ``spliced`` counts as changed where the old hospital's nearest text has another answer and the new one's
nearest other text has the same.
"""

import os
import sys
from itertools import product
from multiprocessing import Pool as Workers

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from river.drift import ADWIN

from benchmarks.common.hospital_split import development_hospitals
from benchmarks.learning.active_learning import grouped_pool, interval
from metachain.learning.changes import find_changes, label_sequence
from metachain.learning.gaussian_process import Settings
from metachain.learning.guard import COMMON
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.prior import transfer_matrix
from metachain.learning.transfer import prior_log_weights

KINDS = ("none", "replaced", "spliced")
WAYS = ("all labels", "never had the old", "newest 24", "newest 48", "ADWIN", "metachain")
OLD, NEW, STEP, SEEDS = 64, 96, 2, 2
WINDOWS = ((0, 16), (16, 32), (32, 64), (64, 96))
SETTINGS = Settings(belief=1.0, scale=1.0, slip=0.05, **COMMON)
"""Strong belief and scale, as the guard learns from all 29 hospitals; it learns ε = .2 there."""
SHARED = {}


def stream(kind, old, new, seed):
    """Rows, answers and marks of the changed ones, oldest first."""
    pool = SHARED["pool"]
    rng = np.random.default_rng([old, new, seed])
    before = rng.permutation(pool.rows[old])[:OLD]
    rest = np.setdiff1d(pool.rows[new], before)
    rows = np.concatenate([before, rng.permutation(rest)[:NEW]])
    answer, changed = pool.answer[rows].copy(), np.zeros(len(rows), bool)
    if kind == "replaced":
        counts = np.bincount(pool.answer[pool.rows[old]], minlength=len(pool.answers))
        replaced = np.argsort(-counts)[rng.integers(4)]
        changed[OLD:] = answer[OLD:] == replaced
        answer[changed] = rng.choice(np.flatnonzero(counts == 0))
    elif kind == "spliced":
        later = rows[OLD:]
        near_old = pool.vectors[later] @ pool.vectors[pool.rows[old]].T
        near_new = np.where(pool.rows[new] == later[:, None], -1, pool.vectors[later] @ pool.vectors[pool.rows[new]].T)
        said_before = pool.answer[pool.rows[old]][near_old.argmax(axis=1)]
        confirmed = pool.answer[pool.rows[new]][near_new.argmax(axis=1)] == answer[OLD:]
        changed[OLD:] = confirmed & (said_before != answer[OLD:])
    return rows, answer, changed


def right_of(labels, rows, start):
    """Marks of the labels from ``start`` on that are predicted right from those of ``rows`` before them."""
    return labels.predictions(rows)[rows >= start].argmax(axis=1) == labels.place[rows[rows >= start]]


def follow(job):
    """Right predictions (way, OLD + NEW) of one stream, and places of the first alarms."""
    kind, old, new, seed = job
    groups = SHARED["groups"]
    rows, answer, changed = stream(kind, old, new, seed)
    past = np.flatnonzero(~np.isin(groups, groups[[old, new]]))
    count = len(rows)
    standing = prior_log_weights(SHARED["transfer"], past)
    support = SHARED["table"].profile(rows, past, lifted=True)
    sequence = label_sequence(support, answer, np.arange(count), standing, SETTINGS)
    right = np.zeros((len(WAYS), count), bool)
    right[0] = right_of(sequence, np.arange(count), 0)
    adwin, since, adwin_since = ADWIN(delta=0.2, clock=1, grace_period=8), 0, np.zeros(count, int)
    alarms = {"ADWIN": [], "metachain": []}
    for place, good in enumerate(right[0]):
        adwin.update(float(not good))
        if adwin.drift_detected:
            alarms["ADWIN"].append(place)
            since = max(place + 1 - int(adwin.width), since)
        adwin_since[place] = since
    for start in range(0, count, STEP):
        until = min(start + STEP, count)
        asked = np.arange(start, until)
        firsts = (0, OLD if start >= OLD else 0, max(0, start - 24), max(0, start - 48), adwin_since[max(start - 1, 0)])
        for way, first in enumerate(firsts):
            right[way, start:until] = right_of(sequence, np.arange(first, until), start)
        first = first_labels(sequence, start) if start else None
        found = find_changes(first) if first else ()
        gone = np.any([one.forgets(first) for one in found], axis=0) if found else np.zeros(start, bool)
        kept = np.concatenate([np.flatnonzero(~gone), asked])
        right[-1, start:until] = right_of(sequence, kept, start)
        if any(one.sure for one in found):
            alarms["metachain"].append(start - 1)
    return kind, right, alarms, changed


def first_labels(sequence, count):
    """The first labels of a sequence."""
    past = np.arange(count)
    profile, answer = sequence.support.take(past), sequence.answers[sequence.place[:count]]
    return label_sequence(profile, answer, sequence.age[:count], sequence.standing, sequence.settings)


def print_right(streams):
    """Print the share of right predictions by number of labels after the change."""
    for kind in KINDS:
        some = np.array([right for known, right, _, _ in streams if known == kind], float)
        print(f"\n{kind}: {len(some)} streams; share of right predictions after the change\n")
        print("| older labels used | " + " | ".join(f"{a} to {b}" for a, b in WINDOWS) + " |")
        print("|---" * (len(WINDOWS) + 1) + "|")
        for way, name in enumerate(WAYS):
            cells = (some[:, way, OLD + a : OLD + b].mean() for a, b in WINDOWS)
            print(f"| {name} | " + " | ".join(f"{cell:.3f}" for cell in cells) + " |")
        later = slice(OLD + 16, OLD + 32)
        gap = (some[:, -1, later] - some[:, 1, later]).mean(axis=1)
        print(f"\nmetachain less a hospital that never had the old ones, labels 16 to 32: {interval(gap)}")


def print_alarms(streams):
    """Print false alarms, and the number of changed labels until the first true one."""
    print(
        "\n| alarm | false, a stream of 160 labels without a change | "
        + " | ".join(f"{kind}: noticed; changed labels until then, median; within 12" for kind in KINDS[1:])
        + " |"
    )
    print("|---" * 4 + "|")
    for name in ("ADWIN", "metachain"):
        cells = [f"{np.mean([bool(alarms[name]) for kind, _, alarms, _ in streams if kind == 'none']):.3f}"]
        for kind in KINDS[1:]:
            needed = []
            for known, _, alarms, changed in streams:
                if known == kind and changed.any():
                    first = [place for place in alarms[name] if place >= OLD]
                    needed.append(changed[: first[0] + 1].sum() if first else np.inf)
            seen = np.isfinite(needed)
            middle = f"{np.median(np.array(needed)[seen]):.0f}" if seen.any() else "–"
            cells.append(f"{seen.mean():.2f}; {middle}; {np.mean(np.array(needed) <= 12):.2f}")
        print(f"| {name} | " + " | ".join(cells) + " |")


def main(arguments):
    """Follow all streams and print the tables."""
    development = "--development" in arguments
    demonstrations, pool, groups = grouped_pool(*(one for one in arguments if not one.startswith("--")))
    table = NeighbourTable.of(pool, np.arange(len(pool.owner)))
    SHARED.update(pool=pool, groups=groups, table=table, transfer=transfer_matrix(table))
    tuned = np.isin(pool.institutions, development_hospitals(demonstrations))
    chosen, rng, jobs = np.flatnonzero(tuned == development), np.random.default_rng(1), []
    for one, seed in product(chosen, range(SEEDS)):
        others = chosen[groups[chosen] != groups[one]]
        jobs += [("none", one, one, seed), ("replaced", one, one, seed), ("spliced", one, rng.choice(others), seed)]
    with Workers(2) as workers:
        streams = workers.map(follow, jobs, chunksize=1)
    print(f"{len(chosen)} {'development' if development else 'test'} hospitals, {len(streams)} streams")
    print_right(streams)
    print_alarms(streams)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Loss through a fifth of permuted past institutions, on real data.

    python -m benchmarks.learning.misleading_institutions DATA.jsonl [PROTOCOL]

A fifth of the institutions, drawn at random, have their answers renamed, each by a permutation of its own. The others
play the new one, once beside these and once in the unchanged file; the table shows their loss.
"""

import sys
from dataclasses import replace

import numpy as np

from metachain import read_demonstrations
from metachain.evaluation.leave_one_out import evaluate
from metachain.evaluation.plan import Plan
from metachain.evaluation.summary import by_institution
from metachain.library.embedding_cache import cached_vectors

SELECTORS = ("semantic", "prior", "metachain", "metachain-screening")
LABELS = (0, 2, 4, 8, 16, 32)
SHARE = 0.2
RESAMPLES = 4000


def permuted(demonstrations, seed=0):
    """Rename the answers of a fifth of the institutions; also returns the names of these institutions."""
    rng = np.random.default_rng(seed)
    names = sorted({one.institution for one in demonstrations})
    answers = sorted({one.output for one in demonstrations})
    chosen = rng.permutation(names)[: round(SHARE * len(names))].tolist()
    renamed = {name: dict(zip(answers, rng.permutation(answers).tolist(), strict=True)) for name in chosen}
    made = [
        replace(one, output=renamed[one.institution][one.output]) if one.institution in renamed else one
        for one in demonstrations
    ]
    return made, set(chosen)


def lost(clean, misled):
    """Mean loss over institutions with its 95 % bootstrap interval, in points."""
    difference = 100 * np.array([clean[name] - misled[name] for name in misled])
    drawn = np.random.default_rng(0).integers(len(difference), size=(RESAMPLES, len(difference)))
    low, high = np.percentile(difference[drawn].mean(axis=1), [2.5, 97.5])
    return f"{difference.mean():+.1f} [{low:+.1f}, {high:+.1f}]"


def main(arguments):
    """Score the others with and without the renaming, and print their loss."""
    demonstrations = read_demonstrations(arguments[0])
    plan = Plan(*arguments[1:2] or ("group",), labels=LABELS, selectors=SELECTORS)
    vectors = cached_vectors([one.input for one in demonstrations], None)
    made, chosen = permuted(demonstrations)
    clean, misled = (by_institution(evaluate(known, vectors, plan).scores) for known in (demonstrations, made))
    print("| points lost | " + " | ".join(f"{k} labels" for k in LABELS) + " |")
    print("|---" * (len(LABELS) + 1) + "|")
    for selector in SELECTORS:
        cells = []
        for k in LABELS:
            honest = {name: score for name, score in misled[selector, k].items() if name not in chosen}
            cells.append(lost(clean[selector, k], honest))
        print(f"| `{selector}` | " + " | ".join(cells) + " |")
    print(f"\n{len(chosen)} of {len({one.institution for one in demonstrations})} institutions renamed")


if __name__ == "__main__":
    main(sys.argv[1:])

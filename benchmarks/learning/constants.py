"""Half and twice each constant of the learner, on the hospitals that it was tuned on and on the others.

    python -m benchmarks.learning.constants DATA.jsonl [LIBRARY]

LIBRARY keeps the embeddings between runs. Each hospital is new in turn, with its whole health system held out; three
draws of labels, up to 100 queries each, one arm of the guard (b = 1, c = 1, ε = .05). A cell is the change in points
of the share of queries whose most plausible answer is right, on the development hospitals and on the test hospitals
(``benchmarks.common.hospital_split``). A constant doesn't carry over where another value gains on one side and loses
on the other; it isn't needed where no value changes much.
"""

import sys
from dataclasses import replace
from itertools import product

import numpy as np

from benchmarks.common.hospital_split import development_hospitals
from benchmarks.learning.active_learning import grouped_pool
from metachain.learning import answer_fits, gaussian_process, reply_profile, transfer
from metachain.learning.answer_fits import answer_scores
from metachain.learning.candidates import episode_fit, episode_profiles
from metachain.learning.episodes import Episode, split, transfer_items
from metachain.learning.gaussian_process import Settings
from metachain.learning.guard import COMMON
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.prior import transfer_matrix
from metachain.learning.ridge import normal_equations, pooled
from metachain.learning.transfer import prior_log_weights

ARM = Settings(1.0, 1.0, 0.05, **COMMON)
SETTINGS = ("belief", "scale", "slip", *COMMON)
MODULES = {
    reply_profile: ("REPLY_TEMPERATURE", "VOTE_TEMPERATURE"),
    transfer: ("SCREENED_BELOW", "SCREENING_WEIGHT"),
    gaussian_process: ("NOISE", "EVIDENCE_TEMPERATURE", "USAGE_PSEUDO_COUNT"),
    answer_fits: ("PLAUSIBILITY_FLOOR", "VOTE_FLOOR"),
    pooled: ("SHARE_FLOOR", "FREQUENCY_FLOOR", "TEMPERING", "KINSHIP"),
    normal_equations: ("PENALTY",),
}
DEFAULTS = {reply_profile.attention: "COVERAGE_TEMPERATURE", transfer.familiarity: "FAMILIARITY_TEMPERATURE"}
"""Functions whose last default value is a constant."""
LABELS, SEEDS, QUERIES, FACTORS = (0, 4, 16), range(3), 100, (0.5, 2.0)
STREAM = 77


def right(table, drawn, groups, settings):
    """Share of queries whose most plausible answer is right; (hospital, labels)."""
    pool, matrix = table.pool, transfer_matrix(table)
    found = np.zeros((len(groups), len(LABELS), len(SEEDS)))
    for number, seed, (place, labels) in product(range(len(groups)), SEEDS, enumerate(LABELS)):
        support, query = drawn[number][seed]
        episode = Episode(number, labels, support[:labels], query, np.flatnonzero(groups != groups[number]))
        profiles, weights = episode_profiles(table, episode), prior_log_weights(matrix, episode.past)
        every = np.broadcast_to(np.arange(len(pool.answers)), (len(query), len(pool.answers)))
        fits = answer_scores(episode_fit(table, episode, profiles, weights, settings), profiles.query, every)
        found[number, place, seed] = (fits.argmax(axis=1) == pool.answer[query]).mean()
    return found.mean(axis=2)


def changes():
    """Yield the name of each constant, a function that sets it to a multiple of its value, and the arm to use."""
    for name in SETTINGS:
        yield name, lambda factor: None, lambda factor, name=name: replace(ARM, **{name: factor * getattr(ARM, name)})
    for (module, names), at in ((one, at) for one in MODULES.items() for at in range(len(one[1]))):
        value = getattr(module, names[at])
        yield (
            names[at],
            lambda factor, module=module, name=names[at], value=value: setattr(module, name, factor * value),
            lambda factor: ARM,
        )
    for function, name in DEFAULTS.items():
        *others, value = function.__defaults__
        yield (
            name,
            lambda factor, function=function, others=others, value=value: setattr(
                function, "__defaults__", (*others, factor * value)
            ),
            lambda factor: ARM,
        )


def main(arguments):
    """Print a line for each constant."""
    demonstrations, pool, groups = grouped_pool(*arguments)
    count = len(pool.institutions)
    drawn = [[split(pool, number, max(LABELS), QUERIES, STREAM, seed) for seed in SEEDS] for number in range(count)]
    rows = [part for draws in drawn for both in draws for part in both]
    rows += [transfer_items(pool, number) for number in range(count)]
    table = NeighbourTable.of(pool, np.unique(np.concatenate(rows)))
    development = np.isin(pool.institutions, development_hospitals(demonstrations))
    base = right(table, drawn, groups, ARM)
    print(f"as it is: development {base[development].mean(axis=0)}, test {base[~development].mean(axis=0)}\n")
    heads = [f"x {factor:g}, {labels} labels" for factor, labels in product(FACTORS, LABELS)]
    print("| constant | " + " | ".join(heads) + " |\n" + "|---" * (len(heads) + 1) + "|")
    for name, put, arm in changes():
        cells = []
        for factor in FACTORS:
            put(factor)
            anew = replace(table) if name == "PENALTY" else table
            change = 100 * (right(anew, drawn, groups, arm(factor)) - base)
            put(1.0)
            both = zip(change[development].mean(axis=0), change[~development].mean(axis=0), strict=True)
            cells += [f"{one:+.1f} / {other:+.1f}" for one, other in both]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

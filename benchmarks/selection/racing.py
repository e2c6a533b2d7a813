"""Success rate of the race for the best policy, against an even split of the calls; on a synthetic world.

    python -m benchmarks.selection.racing [SEEDS]

Stand-ins for models (benchmarks/common/stand_in_models.py) answer for sixteen generated institutions. The default is
about the worst policy, so that there is something to find. The table shows the share of seeds that find a policy at
most 0.01 worse than the best one. The even split asks all policies to the end, on the same queries (equal prompts of
two policies are one call, as in the race) or each on queries of its own.
"""

import sys
import tempfile
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.common.stand_in_models import IN_OFFICE, QUIRKS, asking, worth
from metachain import Library, learn
from metachain.data.synthetic import WorldSettings, generate_world
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.policy import CANDIDATES
from metachain.learning.prior import rows_to_look_up
from metachain.learning.shared_past import pool_of
from metachain.library.sharing import EVERYONE
from metachain.selection import policy_search as tuning
from metachain.selection.policy_search import Trial, tune
from metachain.selection.racing import winner
from metachain.selection.rehearsal import RehearsalSet

CALLS = (250, 500, 1000, 2000, 4000)
NEAR_ENOUGH = 0.01
QUERIES = 4000


def world():
    """Neighbour table and prior of a generated world."""
    with Library.open(Path(tempfile.mkdtemp()) / "library.db") as library:
        library.add(generate_world(WorldSettings()), share=EVERYONE)
        prior = learn(library)
        pool = pool_of(library, library.demonstrations())
    return NeighbourTable.of(pool, rows_to_look_up(pool)), prior


def raced(stage, ask, calls):
    """Number of the policy that the race finds."""
    return CANDIDATES.index(tune(stage, ask, calls, incumbent=IN_OFFICE).policy)


def split_on_the_same(stage, ask, calls):
    """Number of the policy that an even split on the same queries finds."""
    racing = tuning.still_racing
    tuning.still_racing = lambda scores, arms, most, incumbent: (arms, [])
    try:
        return raced(stage, ask, calls)
    finally:
        tuning.still_racing = racing


def split_on_its_own(stage, ask, calls):
    """Number of the policy that an even split finds if each policy has queries of its own."""
    each = calls // len(CANDIDATES)
    questions = stage.questions()
    means = []
    for policy in CANDIDATES:
        trials = [Trial(stage.asked(one), stage.shown(one, [policy])[0]) for one in islice(questions, each)]
        means.append(ask(trials))
    return winner(np.array(means).T, range(len(CANDIDATES)), CANDIDATES.index(IN_OFFICE))


WAYS = {"race": raced, "even split": split_on_the_same, "even split, own queries": split_on_its_own}


def main(seeds):
    """Print the table."""
    study, prior = world()
    judging, stages = RehearsalSet(study, prior, 99), [RehearsalSet(study, prior, seed) for seed in range(seeds)]
    print("| model | way | " + " | ".join(f"{calls} calls" for calls in CALLS) + " |")
    print("|---" * (len(CALLS) + 2) + "|")
    found = {way: np.zeros(len(CALLS)) for way in WAYS}
    quirks = [one for one in QUIRKS if one != "ignores"]
    for quirk in quirks:
        ask = asking(quirk)
        value = worth(judging, quirk, QUERIES)
        for way, choose in WAYS.items():
            right = [
                [value.max() - value[choose(stage, ask, calls)] <= NEAR_ENOUGH for stage in stages] for calls in CALLS
            ]
            shares = np.mean(right, axis=1)
            found[way] += shares / len(quirks)
            print(f"| {quirk} | {way} | " + " | ".join(f"{share:.0%}" for share in shares) + " |", flush=True)
    for way, shares in found.items():
        print(f"| all | {way} | " + " | ".join(f"{share:.0%}" for share in shares) + " |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)

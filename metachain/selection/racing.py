"""Race of arms on the same items: paired comparisons, and losers dropped early.

Successive halving (Karnin, Koren & Somekh 2013, "Almost optimal exploration in multi-armed bandits"). All scores so far
are kept, and between its rounds arms that lose for certain are dropped (Maron & Moore 1994, "Hoeffding races", with the
paired normal bound of Moore & Lee 1994).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

__all__ = ["Dropped", "most_left", "paired", "still_racing", "winner"]

LEAST_ITEMS = 32
"""Minimum number of items before an arm is dropped for certain."""
CERTAIN = 3.0
"""Standard errors: a one-sided error of 1 in 740 for each of about a hundred comparisons."""
HALVED_AT = (0.4, 0.65, 0.85)
"""Shares of the calls after which the arms are halved."""
WORTH_HAVING = 0.005
"""Least gain in mean score: an arm that can't beat a preferred arm by this much is dropped."""
DOUBT = 1.0
"""Standard errors by which the winner must beat the incumbent."""
SMOOTHING = 1.0
"""Number of prior items of variance 1/4 in each difference, so that a few equal scores prove nothing."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Dropped:
    """An arm that was dropped, the number of items after which it was, and the reason."""

    arm: int
    items: int
    behind: float
    """Mean score of the leader less its own; ``error`` is the standard error of this difference."""
    error: float
    reason: str
    """``loses``, ``gains nothing``, or ``halved``: in the worse half when a round's calls were spent."""


def still_racing(scores: Floats, racing: Sequence[int], most: int, incumbent: int) -> tuple[list[int], list[Dropped]]:
    """Split the racing arms after n items: arms that race on, and arms that are dropped.

    ``scores`` (n, A), in [0, 1], of every racing arm on every item; the columns of other arms are not read. Arms are
    numbered in order of preference. An arm is dropped if it is behind the leader by more than 3 standard errors of the
    paired difference, or if, by that margin, it can't be 0.005 better than a preferred arm with at least its mean.
    The best ``most`` (≥ 2) of the others race on. The ``incumbent`` stays to the end, unless it gains nothing.
    """
    n = len(scores)
    if not n:
        return list(racing), []
    means = {arm: float(scores[:, arm].mean()) for arm in racing}
    leader = max(racing, key=lambda arm: (means[arm], -arm))
    dropped: list[Dropped] = []

    def drop(arm: int, reason: str) -> None:
        behind, error = paired(scores[:, leader], scores[:, arm])
        dropped.append(Dropped(arm, n, behind, error, reason))

    for arm in racing if n >= LEAST_ITEMS else ():
        if arm == leader:
            continue
        behind, error = paired(scores[:, leader], scores[:, arm])
        if arm != incumbent and behind > CERTAIN * error:
            drop(arm, "loses")
        elif any(_gains_nothing(scores, arm, other) for other in racing if other < arm and means[other] >= means[arm]):
            drop(arm, "gains nothing")
    out = {one.arm for one in dropped}
    left = [arm for arm in racing if arm not in out]
    kept = sorted(left, key=lambda arm: (-means[arm], arm))[:most]
    if incumbent in left and incumbent not in kept:
        kept[-1] = incumbent
    for arm in left:
        if arm not in kept:
            drop(arm, "halved")
    return sorted(kept), dropped


def winner(scores: Floats, racing: Sequence[int], incumbent: int) -> int:
    """Best arm left; the incumbent, unless it is behind that arm by more than one standard error.

    ``scores`` as for ``still_racing``. Without any item the incumbent wins.
    """
    if not len(scores):
        return incumbent
    best = max(racing, key=lambda arm: (float(scores[:, arm].mean()), -arm))
    if incumbent not in racing:
        return best
    behind, error = paired(scores[:, best], scores[:, incumbent])
    return best if behind > DOUBT * error else incumbent


def paired(one: Floats, other: Floats) -> tuple[float, float]:
    """Mean of ``one`` less ``other``, (n,) each, and its standard error; n is at least 1."""
    difference = one - other
    spread = ((difference - difference.mean()) ** 2).sum() + SMOOTHING / 4
    return float(difference.mean()), float(np.sqrt(spread) / len(difference))


def most_left(arms: int, spent: int, calls: int) -> int:
    """Number of ``arms`` that may race on, 2 or more: they are halved when 40, 65 and 85 % of the calls are spent.

    The rounds are uneven: an early halving on few items would drop the best arm most often.
    """
    return max(ceil(arms / (1 << sum(spent >= share * calls for share in HALVED_AT))), 2)


def _gains_nothing(scores: Floats, arm: int, preferred: int) -> bool:
    ahead, error = paired(scores[:, arm], scores[:, preferred])
    return ahead + CERTAIN * error < WORTH_HAVING

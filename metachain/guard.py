"""The guard: leave one institution out, try every arm, and let learning in only where it pays."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from metachain.index import similarities
from metachain.kriging import (
    Settings,
    evidence,
    localised,
    plausibility,
    prior_mean,
    residuals,
    solve,
    usage,
    without_diagonal,
)
from metachain.pool import Pool
from metachain.profile import Profile, co_treatment_features
from metachain.reader import vote
from metachain.selection import nearest_first
from metachain.study import Study, split
from metachain.transfer import redundancy

__all__ = ["ARMS", "NEAREST", "Draw", "arm_scores", "best_arm", "draws"]

LABELS = (0, 4, 16)
SEEDS = (0, 1)
QUERIES = 60
BELIEFS = (0.0, 0.1, 0.3, 1.0)
SCALES = (0.0, 0.03, 0.1, 0.3, 1.0)
SLIPS = (0.05, 0.2)
NEAREST = None
"""The arm that learns nothing: plain nearest neighbours."""

ARMS: tuple[Settings | None, ...] = (
    NEAREST,
    *(Settings(b, c, slip) for b, c, slip in product(BELIEFS, SCALES, SLIPS) if b > 0 or slip == SLIPS[0]),
)

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Draw:
    """Rows of a past institution that plays the new one."""

    institution: int
    labels: int
    """Labels that are meant; an institution with few demonstrations gives fewer."""
    support: Rows
    """(k,)."""
    query: Rows
    """(n,), rows of other texts than the support's."""


def draws(pool: Pool, institution: int) -> list[Draw]:
    """Every rehearsal of one institution of a pool; none where it has too few demonstrations, or too few texts.

    Supports are nested: the 4 labels are the first of the 16.
    """
    made = []
    for seed in SEEDS:
        support, query = split(pool, institution, max(LABELS), QUERIES, seed)
        if len(support) and len(query):
            made += [Draw(institution, k, support[:k], query) for k in LABELS]
    return made


def arm_scores(study: Study, draw: Draw, past: Rows, transfer: Floats) -> Floats:
    """Share of the draw's queries that each arm answers right from the institutions ``past``; (len(ARMS),)."""
    truth = study.pool.answer[draw.query]
    weights = redundancy(transfer, past)
    right: dict[Settings | None, float] = {NEAREST: (_plain_vote(study, draw, past) == truth).mean()}
    support, query = study.profile(draw.support, past), study.profile(draw.query, past)
    for arm, fits in _expectations(support, study.pool.answer[draw.support], query, weights):
        right[arm] = (fits.argmax(axis=1) == truth).mean()
    return np.array([right[arm] for arm in ARMS])


def best_arm(scores: Sequence[Floats]) -> Settings | None:
    """Arm with the best mean over ``scores``, each (len(ARMS),); the plainer of two that tie, NEAREST without any."""
    if not len(scores):
        return NEAREST
    means = np.round(np.mean(np.stack(scores), axis=0), 9)
    return ARMS[int(means.argmax())]


def _plain_vote(study: Study, draw: Draw, past: Rows, shots: int = 8) -> NDArray[np.intp]:
    near, past_similarity = study.near(draw.query, past).flat()
    rows = np.concatenate([near, np.tile(draw.support, (len(draw.query), 1))], axis=1)
    own = similarities(study.pool.vectors[draw.query], study.pool.vectors[draw.support])
    similarity = np.concatenate([past_similarity, own], axis=1)
    first = nearest_first(similarity, shots)
    shown = np.take_along_axis(rows, first, axis=1)
    answers = np.where(shown < 0, -1, study.pool.answer[shown])
    return vote(np.take_along_axis(similarity, first, axis=1), answers)


def _expectations(
    support: Profile, answer: NDArray[np.int64], query: Profile, weights: Floats
) -> Iterator[tuple[Settings, Floats]]:
    """Yield how well answers fit the queries by every learning arm, sharing all that arms have in common."""
    features = co_treatment_features(support)
    own = (features @ features.T).toarray()
    across = (co_treatment_features(query) @ features.T).toarray()
    used = usage(support, answer, weights)
    for belief, slip in dict.fromkeys((arm.belief, arm.slip) for arm in ARMS if arm):
        spoken = evidence(support, answer, slip)
        mean = prior_mean(query, localised(weights, across, spoken, belief), len(answer))
        near = prior_mean(support, localised(weights, without_diagonal(own), spoken, belief), len(answer))
        r = residuals(near, answer)
        for scale in SCALES:
            expected = mean + scale * across @ solve(own, r, scale)
            yield Settings(belief, scale, slip), plausibility(expected, used, query.vote)

"""The guard: leave one institution out, try every arm, and let learning in only where it pays."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby, product
from typing import Self

import numpy as np
from numpy.typing import NDArray

from metachain.learning.episodes import Draw
from metachain.learning.gaussian_process import (
    Settings,
    answer_scores,
    evidence,
    fit,
    local_log_weights,
    plausibility,
    prior_mean,
    propagate,
    residuals,
    solve,
    usage,
    without_diagonal,
)
from metachain.learning.index import similarities
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.ranking import nearest_first, plausible_answers, plausible_first, repeated
from metachain.learning.reply_profile import Profile, co_treatment_features
from metachain.learning.transfer import prior_log_weights
from metachain.scoring.metrics import bag_f1
from metachain.scoring.reader import vote

__all__ = ["ARMS", "NEAREST", "arm_scores", "best_arm", "mean_scores", "shown_probabilities"]
BELIEFS = (0.0, 0.1, 0.3, 1.0)
SCALES = (0.0, 0.03, 0.1, 0.3, 1.0)
SLIPS = (0.05, 0.2)
INTERCEPTS = (0.0, 10.0)
CONSTANT = 1.0
"""Scale from which an intercept is worth trying."""
SURENESS = 1e-6
"""So much does the probability of the right answer add to an arm's score: it settles ties, and nothing else."""
SHOTS = 8
NEAREST = None
"""The arm that learns nothing: plain nearest neighbours."""

ARMS: tuple[Settings | None, ...] = (
    NEAREST,
    *(
        Settings(b, c, slip, intercept)
        for b, slip, intercept, c in product(BELIEFS, SLIPS, INTERCEPTS, SCALES)
        if (b > 0 or slip == SLIPS[0]) and (not intercept or (slip == SLIPS[0] and c >= CONSTANT))
    ),
)
KERNELS = {(arm.scale, arm.intercept): arm for arm in ARMS if arm}

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


def arm_scores(study: NeighbourTable, draw: Draw, past: Rows, transfer: Floats) -> Floats:
    """How well each arm serves the draw's queries from the institutions ``past``; (len(ARMS),) in [0, 1].

    Share of the queries answered right, of two that tie the surer arm a millionth higher; where answers are texts, mean
    token F1 of the outputs shown to the right ones.
    """
    pool, truth = study.pool, study.pool.answer[draw.query]
    support, query = study.profile(draw.support, past), study.profile(draw.query, past)
    shown = _Showing.of(study, draw, past)
    nearest = nearest_first(shown.similarity, SHOTS)
    judged = partial(_judgements, support, pool.answer[draw.support], query, prior_log_weights(transfer, past))
    right: dict[Settings | None, float]
    if pool.meaning is None:
        every = np.broadcast_to(np.arange(len(pool.answers)), (len(truth), len(pool.answers)))
        right = {arm: _share_right(fits, truth) for arm, fits in judged(every)}
        right[NEAREST] = float((shown.vote(nearest) == truth).mean()) + SURENESS
    else:
        near = bag_f1(pool.bags, truth, shown.answer)
        right = {arm: shown.mean(near, shown.by(fits)) for arm, fits in judged(shown.answer)}
        right[NEAREST] = shown.mean(near, nearest)
    return np.array([right[arm] for arm in ARMS])


def mean_scores(scores: Sequence[Floats], sums: Floats | float = 0.0, further: int = 0) -> Floats:
    """Mean over ``scores`` and ``further`` ones that ``sums`` is the sum of; (len(ARMS),) as each, nan without any."""
    count = len(scores) + further
    return np.asarray((np.sum(scores, axis=0) + sums) / count) if count else np.full(len(ARMS), np.nan)


def best_arm(scores: Sequence[Floats], sums: Floats | float = 0.0, further: int = 0) -> Settings | None:
    """Arm with the best of ``mean_scores``; the plainer of two that tie, NEAREST without any."""
    means = np.round(mean_scores(scores, sums, further), 9)
    return NEAREST if np.isnan(means).any() else ARMS[int(means.argmax())]


def shown_probabilities(
    study: NeighbourTable, draw: Draw, past: Rows, transfer: Floats, settings: Settings
) -> tuple[Floats, NDArray[np.bool_]]:
    """Probability of every answer that would be shown for the draw's queries, and whether it is right; (m,) each.

    An answer that is shown several times for a query counts once.
    """
    answer = study.pool.answer
    support, query = study.profile(draw.support, past), study.profile(draw.query, past)
    fitted = fit(support, answer[draw.support], prior_log_weights(transfer, past), settings)
    shown = _Showing.of(study, draw, past)
    probability = plausible_answers(answer_scores(fitted, query, shown.answer), shown.answer)
    first, _ = plausible_first(shown.similarity, probability, SHOTS)
    answers = np.where(first < 0, -1, np.take_along_axis(shown.answer, first, axis=1))
    once = (answers >= 0) & ~repeated(answers)
    right = answers == answer[draw.query][:, None]
    return np.take_along_axis(probability, first, axis=1)[once], right[once]


@dataclass(frozen=True)
class _Showing:
    """Candidates for a draw's queries: the labels and every past institution's nearest."""

    answer: NDArray[np.int64]
    """(n, m) answer number, -1 where there is none."""
    similarity: Floats
    """(n, m), -inf where there is none."""

    @classmethod
    def of(cls, study: NeighbourTable, draw: Draw, past: Rows) -> Self:
        pool = study.pool
        near, past_similarity = study.near(draw.query, past).flat()
        rows = np.concatenate([np.tile(draw.support, (len(draw.query), 1)), near], axis=1)
        own = similarities(pool.vectors[draw.query], pool.vectors[draw.support])
        similarity = np.concatenate([own, past_similarity], axis=1).astype(np.float64)
        answer = np.where(rows < 0, -1, pool.answer[rows])
        return cls(answer, np.where(rows < 0, -np.inf, similarity))

    def by(self, fits: Floats) -> Rows:
        """Positions of texts shown, best first, -1 where dropped; (n, 8)."""
        return plausible_first(self.similarity, plausible_answers(fits, self.answer), SHOTS, texts=True)[0]

    def vote(self, first: Rows) -> NDArray[np.intp]:
        """What plain neighbours would say from the candidates at these positions; (n,) answer numbers."""
        return vote(np.take_along_axis(self.similarity, first, axis=1), np.take_along_axis(self.answer, first, axis=1))

    def mean(self, worth: Floats, first: Rows) -> float:
        """Mean of what candidates are worth (n, m) over those shown, the best one counting as much as all."""
        position = np.maximum(first, 0)
        there = (first >= 0) & (np.take_along_axis(self.answer, position, axis=1) >= 0)
        chosen = np.take_along_axis(worth, position, axis=1)
        best = np.take_along_axis(chosen, there.argmax(axis=1)[:, None], axis=1)
        return float(best.mean() + chosen[there].mean()) / 2


def _share_right(fits: Floats, truth: NDArray[np.int64]) -> float:
    sure = fits[np.arange(len(truth)), truth] / fits.sum(axis=1)
    return float((fits.argmax(axis=1) == truth).mean() + SURENESS * sure.mean())


def _judgements(
    support: Profile, answer: NDArray[np.int64], query: Profile, weights: Floats, asked: NDArray[np.int64]
) -> Iterator[tuple[Settings, Floats]]:
    """Yield how well answers ``asked`` about (n, m) fit by every learning arm, sharing all that arms have in common."""
    features = co_treatment_features(support)
    own = (features @ features.T).toarray()
    across = (co_treatment_features(query) @ features.T).toarray()
    used = usage(support, answer, weights)
    smoothers = {key: propagate(across, solve(own, np.eye(len(own)), arm), arm) for key, arm in KERNELS.items()}
    for (belief, slip), arms in groupby(filter(None, ARMS), key=lambda arm: (arm.belief, arm.slip)):
        spoken = evidence(support, answer, slip)
        mean = prior_mean(query, local_log_weights(weights, across, spoken, belief), len(answer))
        near = prior_mean(support, local_log_weights(weights, without_diagonal(own), spoken, belief), len(answer))
        r = residuals(near, answer, support.meaning)
        for arm in arms:
            yield arm, plausibility(mean + smoothers[arm.scale, arm.intercept] @ r, used, query, asked, arm)

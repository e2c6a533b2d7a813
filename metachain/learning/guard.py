"""The guard: leave one institution out, try every arm, and admit learning only where it improves the score."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, product

import numpy as np
from numpy.typing import NDArray

from metachain.learning.answer_fits import experts, fits_of_answers
from metachain.learning.calibration import UNCALIBRATED, Calibration, Forecast, forecast
from metachain.learning.candidates import (
    Candidates,
    Profiles,
    choose,
    episode_candidates,
    episode_fit,
    episode_profiles,
    plausibility,
    weights,
)
from metachain.learning.episodes import Episode
from metachain.learning.gaussian_process import (
    Settings,
    evidence,
    local_log_weights,
    prior_mean,
    propagate,
    residuals,
    solve,
    usage,
    without_diagonal,
)
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.policy import VERDICT, Policy
from metachain.learning.ranking import at_places, nearest_first, plausible_answers, repeated
from metachain.learning.reply_profile import co_treatment_features
from metachain.learning.transfer import prior_log_weights
from metachain.scoring.metrics import bag_f1
from metachain.scoring.reader import READER_TEMPERATURE, vote

__all__ = ["ARMS", "COMMON", "NEAREST", "SHARPNESSES", "GuardResult", "arm_scores", "best_arm", "flattest"]
__all__ += ["likeliest_answers", "mean_scores", "sharpness_scores"]

BELIEFS = (0.0, 0.1, 0.3, 1.0)
SCALES = (0.0, 0.03, 0.1, 0.3, 1.0)
SLIPS = (0.05, 0.2)
INTERCEPTS = (0.0, 10.0)
COMMON = {"usage": 0.8, "vote": 0.33, "lift": 0.5, "coverage": 0.2}
"""Settings of every arm: fitted to the development hospitals, and rounded with fits to all 29 in view."""
CONSTANT = 1.0
"""Scale from which arms with an intercept are tried."""
SURENESS = 1e-6
"""Weight of the right answer's probability in an arm's score: it only breaks ties."""
SHOTS = 8
UNLEARNED_SHARPNESS = 1.0
"""Sharpness without any episode: in proportion to the probability."""
NEAREST = None
"""Arm without learning: plain nearest neighbours."""

ARMS: tuple[Settings | None, ...] = (
    NEAREST,
    *(
        Settings(b, c, slip, intercept, **COMMON)
        for b, slip, intercept, c in product(BELIEFS, SLIPS, INTERCEPTS, SCALES)
        if (b > 0 or slip == SLIPS[0]) and (not intercept or (slip == SLIPS[0] and c >= CONSTANT))
    ),
)
"""All arms that the guard compares; the first is plain nearest neighbours."""
PLAINEST = next(filter(None, ARMS))
"""Any of the learning arms: their ``COMMON`` settings are the same."""
KERNELS = {(arm.scale, arm.intercept): arm for arm in ARMS if arm}
"""One arm for each scale and intercept: arms that share these share their matrices."""
POLICY = Policy(shots=SHOTS)
SHARPNESSES = (0.7, 1.0, 1.3, 1.6, 2.0, 3.0, VERDICT)
"""All sharpnesses that the guard compares, the flattest first."""
SHARPER_TEMPERATURE = READER_TEMPERATURE / 2
"""Of a reader that attends to the nearest demonstrations more than the offline reader does."""
WORTH_OF_ALTERNATIVES = 0.02
"""Maximum loss of that reader, for the sake of one that recognises the right answer among those shown."""

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True)
class GuardResult:
    """Result of the guard: the arm to use with labels, and the decision on learning without labels."""

    settings: Settings | None
    """Settings of the best arm with labels; None where plain nearest neighbours did best."""
    trusts_consensus: bool
    """False where, without labels, plain nearest neighbours did best."""
    scores: Floats
    """(len(LABELS), len(ARMS)) mean score in episodes with 0, 4, 16 labels (``arm_scores``); nan without any."""
    unlabelled: Calibration = UNCALIBRATED
    """Calibration of the probabilities without labels; ``labelled`` is the one with labels."""
    labelled: Calibration = UNCALIBRATED
    sharpness: float = UNLEARNED_SHARPNESS
    """Exponent of an answer's probability in its share of the demonstrations (``flattest``)."""

    def admits(self, labels: int) -> bool:
        """True where learning chooses with this number of labels, False where plain nearest neighbours choose."""
        return self.settings is not None if labels else self.trusts_consensus

    def calibration(self, labels: int) -> Calibration:
        """Calibration of the probabilities with this number of labels."""
        return self.labelled if labels else self.unlabelled

    def sharpness_with(self, labels: int) -> float | None:
        """Sharpness with this number of labels; None where plain nearest neighbours choose."""
        return self.sharpness if self.admits(labels) else None


def arm_scores(table: NeighbourTable, episode: Episode, transfer: Floats) -> Floats:
    """Score of each arm on an episode's queries; (len(ARMS),), in [0, 1] but for the tie-break.

    Share of the queries answered right, plus a millionth of the mean probability of the right answer to break ties.
    Where answers are texts, mean token F1 between the outputs shown and the right ones.
    """
    pool, truth = table.pool, table.pool.answer[episode.query]
    profiles = episode_profiles(table, episode)
    candidates = _with_repetitions(table, episode)
    log_weights = prior_log_weights(transfer, episode.past)
    fits = partial(_fits_by_arm, profiles, pool.answer[episode.support], log_weights)
    nearest = _nearest(candidates)
    right: dict[Settings | None, float]
    if pool.meaning is None:
        every = np.broadcast_to(np.arange(len(pool.answers)), (len(truth), len(pool.answers)))
        right = {arm: _share_right(found, truth) for arm, found in fits(every)}
        right[NEAREST] = float((_voted(candidates, nearest) == truth).mean()) + SURENESS
    else:
        near = bag_f1(pool.bags, truth, candidates.answer)
        right = {
            arm: _mean_shown(near, candidates, _likeliest(candidates, plausible_answers(found, candidates.answer)))
            for arm, found in fits(candidates.answer)
        }
        right[NEAREST] = _mean_shown(near, candidates, nearest)
    return np.array([right[arm] for arm in ARMS])


def mean_scores(scores: Sequence[Floats], sums: Floats | float = 0.0, further: int = 0) -> Floats:
    """Mean of ``scores``, (len(ARMS),) each, and of ``further`` ones with the sum ``sums``; nan without any."""
    count = len(scores) + further
    return np.asarray((np.sum(scores, axis=0) + sums) / count) if count else np.full(len(ARMS), np.nan)


def best_arm(scores: Sequence[Floats], sums: Floats | float = 0.0, further: int = 0) -> Settings | None:
    """Arm with the best of ``mean_scores``; the simpler one where two tie, NEAREST without any scores."""
    means = np.round(mean_scores(scores, sums, further), 9)
    return NEAREST if np.isnan(means).any() else ARMS[int(means.argmax())]


def likeliest_answers(table: NeighbourTable, episode: Episode, transfer: Floats, settings: Settings) -> Forecast:
    """Probabilities, before calibration, of the 8 likeliest answers to each of an episode's queries."""
    candidates, probability = _plausible(table, episode, transfer, settings)
    once = np.where(repeated(candidates.answer), 0.0, probability)
    first = nearest_first(once, SHOTS)
    probable = np.take_along_axis(once, first, axis=1)
    answers = np.where(probable > 0, np.take_along_axis(candidates.answer, first, axis=1), -1)
    return forecast(episode.labels, answers, probable, table.pool.answer[episode.query])


def sharpness_scores(
    table: NeighbourTable, episode: Episode, transfer: Floats, settings: Settings, calibration: Calibration
) -> Floats:
    """Scores of each of ``SHARPNESSES`` on an episode's queries; (len(SHARPNESSES), 2), in [0, 1].

    The first is the share of queries that a vote with ``SHARPER_TEMPERATURE`` answers right from the demonstrations
    shown, the second the share with the right answer among those shown.
    """
    truth = table.pool.answer[episode.query]
    candidates, probability = _plausible(table, episode, transfer, settings)
    probability = calibration.of(probability)
    found = []
    for sharpness in SHARPNESSES:
        first, _ = choose(POLICY, candidates, probability, SHOTS, sharpness=sharpness)
        voted = _voted(candidates, first, SHARPER_TEMPERATURE)
        among = (at_places(candidates.answer, first, -1) == truth[:, None]).any(axis=1)
        found.append((float((voted == truth).mean()), float(among.mean())))
    return np.array(found)


def flattest(scores: Sequence[Floats]) -> float:
    """Flattest sharpness with which the vote loses less than two points; 1 without any scores.

    ``scores`` (len(SHARPNESSES), 2) are of episodes (``sharpness_scores``). The loss is against the sharpest, which
    shows the likeliest answer alone. The flattest has the right answer among those shown most often. A reader who
    counts, or votes with ``READER_TEMPERATURE``, loses nothing with any of them (``apportion_answers``).
    """
    if not scores:
        return UNLEARNED_SHARPNESS
    voted = np.mean(scores, axis=0)[:, 0]
    return SHARPNESSES[int((voted > voted[-1] - WORTH_OF_ALTERNATIVES).argmax())]


def _plausible(
    table: NeighbourTable, episode: Episode, transfer: Floats, settings: Settings
) -> tuple[Candidates, Floats]:
    """Candidates of an episode, and the probability of their answers before calibration."""
    profiles = episode_profiles(table, episode)
    fitted = episode_fit(table, episode, profiles, prior_log_weights(transfer, episode.past), settings)
    candidates = episode_candidates(table, episode)
    return candidates, plausibility(candidates, fitted, profiles.query)


def _with_repetitions(table: NeighbourTable, episode: Episode) -> Candidates:
    """Candidates with what an institution holds several times, in double precision."""
    found = episode_candidates(table, episode, repeated=True)
    return replace(found, similarity=found.similarity.astype(np.float64))


def _nearest(candidates: Candidates) -> Rows:
    """Places of the nearest candidates of each query, nearest first, -1 for none; (n, 8)."""
    first, _ = choose(POLICY, candidates, np.ones(candidates.rows.shape), SHOTS, sharpness=None)
    return first


def _likeliest(candidates: Candidates, probability: Floats) -> Rows:
    """Places of the candidates with the largest weight where answers are texts, best first; (n, 8)."""
    return nearest_first(weights(probability, candidates.similarity, UNLEARNED_SHARPNESS, texts=True), SHOTS)


def _voted(candidates: Candidates, first: Rows, temperature: float = READER_TEMPERATURE) -> Rows:
    """Answer of a vote of the candidates shown (n, k) to each query; (n,) answer numbers."""
    nearest = np.take_along_axis(candidates.similarity, first, axis=1)
    return vote(nearest, at_places(candidates.answer, first, -1), temperature)


def _mean_shown(worth: Floats, candidates: Candidates, first: Rows) -> float:
    """Mean ``worth`` (n, m) of the candidates shown: half for the best of each query, half for all of them."""
    place = np.maximum(first, 0)
    there = (first >= 0) & (np.take_along_axis(candidates.answer, place, axis=1) >= 0)
    shown = np.take_along_axis(worth, place, axis=1)
    best = np.take_along_axis(shown, there.argmax(axis=1)[:, None], axis=1)
    return float(best.mean() + shown[there].mean()) / 2


def _share_right(fits: Floats, truth: NDArray[np.int64]) -> float:
    """Share of queries with the right answer ``truth`` (n,) as best fit (n, C), plus the tie-break."""
    sure = fits[np.arange(len(truth)), truth] / fits.sum(axis=1)
    return float((fits.argmax(axis=1) == truth).mean() + SURENESS * sure.mean())


def _fits_by_arm(
    profiles: Profiles, answer: NDArray[np.int64], weights: Floats, asked: NDArray[np.int64]
) -> Iterator[tuple[Settings, Floats]]:
    """Yield every learning arm with the fit of the answers ``asked`` (n, m), computing shared parts once."""
    support, query = profiles.support, profiles.query
    features = co_treatment_features(support)
    own = (features @ features.T).toarray()
    across = (co_treatment_features(query) @ features.T).toarray()
    weight = experts(usage(support, answer, weights), query, asked, PLAINEST)
    temperature = PLAINEST.coverage_with(len(answer))
    smoothers = {key: propagate(across, solve(own, np.eye(len(own)), arm), arm) for key, arm in KERNELS.items()}
    for (belief, slip), arms in groupby(filter(None, ARMS), key=lambda arm: (arm.belief, arm.slip)):
        label_evidence = evidence(support, answer, slip)
        mean = prior_mean(query, local_log_weights(weights, across, label_evidence, belief), temperature)
        near_labels = local_log_weights(weights, without_diagonal(own), label_evidence, belief)
        r = residuals(prior_mean(support, near_labels, temperature), answer, support.meaning)
        for arm in arms:
            expected = mean + smoothers[arm.scale, arm.intercept] @ r
            yield arm, fits_of_answers(expected, weight, query, asked)

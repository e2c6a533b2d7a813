"""Residual kriging: the exact Gaussian posterior of what a new institution answers, given its few labels.

The prior mean is what past institutions reply, reweighted by the evidence of the labels; the residuals of the labels
are spread with the co-treatment kernel. Gaussian-process regression as in Rasmussen & Williams 2006, eq. 2.25-2.27
and 5.10-5.12.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array

from metachain.profile import Profile, attention, co_treatment_features, consensus, replies_to
from metachain.transfer import familiarity

__all__ = [
    "NOISE",
    "Fit",
    "Settings",
    "evidence",
    "fit",
    "kinship",
    "left_out",
    "localised",
    "plausibility",
    "predict",
    "prior_mean",
    "residuals",
    "solve",
    "usage",
    "variance",
    "without_diagonal",
]

NOISE = 0.3
EVIDENCE_TEMPERATURE = 0.5
UNLABELLED_TEMPERATURE = 0.1
"""Of the coverage softmax where there are no labels: then the nearest institution is the safer one to listen to."""
PLAUSIBILITY_FLOOR = 0.001
USAGE_WEIGHT = 0.3
USAGE_PSEUDO_COUNT = 0.5
VOTE_WEIGHT = 0.2
VOTE_FLOOR = 0.02

Floats = NDArray[np.float64]
Answers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Settings:
    """What is learned once per library."""

    belief: float
    """b ≥ 0: how far the labels move whom to believe."""
    scale: float
    """c ≥ 0: variance of the answers around the prior mean."""
    slip: float
    """ε in (0, 1): probability that an institution answers against its own habit."""


@dataclass(frozen=True, slots=True)
class Fit:
    """One institution's k labels, digested: all that prediction needs."""

    settings: Settings
    redundancy: Floats
    """(S,) log weights from ``transfer.redundancy``."""
    features: csr_array
    """(k, S·C) co-treatment features of the support."""
    evidence: Floats
    """(k, S)."""
    weights: Floats
    """(k, C): ``(K + 0.3 I)⁻¹ r``."""
    usage: Floats
    """(C,) log factors from ``usage``."""


def evidence(support: Profile, answer: Answers, slip: float) -> Floats:
    """``exp((cov_s(x_i) - 1) / 0.5) log(ε + (1 - ε) g_s(x_i, y_i))``: how label i speaks for institution s.

    Returns (k, S), at most 0.
    """
    likelihood: Floats = np.log(slip + (1 - slip) * replies_to(support, answer))
    return familiarity(support, EVIDENCE_TEMPERATURE) * likelihood


def localised(redundancy: Floats, kernel: Floats, evidence: Floats, belief: float) -> Floats:
    """``ℓ_s(x) = ℓ⁰_s + 2 b Σ_i κ(x, x_i) evidence_is``: log weight of each institution near each text.

    ``kernel`` (n, k) between the texts and the support, with zeros where a label must not speak for itself; (n, S).
    """
    return redundancy + 2 * belief * kernel @ evidence


def prior_mean(texts: Profile, log_weights: Floats, labels: int) -> Floats:
    """``m(x, ·) = Σ_s π_s(x) g_s(x, ·)`` with ``π_s(x) = softmax_s(cov_s(x) / 0.15 + log_weights)``; (n, C).

    Without labels the temperature is 0.1.
    """
    if labels:
        return consensus(texts, attention(texts, log_weights))
    return consensus(texts, attention(texts, log_weights, UNLABELLED_TEMPERATURE))


def residuals(mean: Floats, answer: Answers) -> Floats:
    """``r_i = e_{y_i} - m(x_i)`` for the prior mean (k, C) at the support, told nothing of label i itself; (k, C)."""
    r = -mean
    r[np.arange(len(answer)), answer] += 1
    return r


def without_diagonal(kernel: Floats) -> Floats:
    """Copy (k, k) with zeros where a label would speak for itself."""
    return kernel - np.diag(np.diag(kernel))


def solve(kernel: Floats, r: Floats, scale: float) -> Floats:
    """``(c κ + 0.3 I)⁻¹ r`` by Cholesky; (k, C)."""
    solved: Floats = cho_solve(cho_factor(scale * kernel + NOISE * np.eye(len(kernel)), lower=True), r)
    return solved


def fit(support: Profile, answer: Answers, redundancy: Floats, settings: Settings) -> Fit:
    """Digest k labels: ``support`` their profile over S institutions, ``answer`` (k,) their answer numbers."""
    features = co_treatment_features(support)
    if not len(answer):
        empty = np.zeros((0, support.answers))
        unused = np.zeros(support.answers)
        return Fit(settings, redundancy, features, np.zeros((0, len(redundancy))), empty, unused)
    kernel = (features @ features.T).toarray()
    spoken = evidence(support, answer, settings.slip)
    log_weights = localised(redundancy, without_diagonal(kernel), spoken, settings.belief)
    weights = solve(kernel, residuals(prior_mean(support, log_weights, len(answer)), answer), settings.scale)
    return Fit(settings, redundancy, features, spoken, weights, usage(support, answer, redundancy))


def kinship(fitted: Fit, texts: Profile) -> Floats:
    """``κ(x, X)``: how alike past institutions treat each text and each label; (n, k) in [0, 1]."""
    kernel: Floats = (co_treatment_features(texts) @ fitted.features.T).toarray()
    return kernel


def predict(fitted: Fit, texts: Profile, kernel: Floats | None = None) -> Floats:
    """``V(x, ·) = m(x, ·) + c κ(x, X) (c κ(X, X) + 0.3 I)⁻¹ r``: what each text will be answered.

    ``kernel`` (n, k) from ``kinship`` saves computing it again. Returns (n, C), rows sum to about 1.
    """
    kernel = kinship(fitted, texts) if kernel is None else kernel
    log_weights = localised(fitted.redundancy, kernel, fitted.evidence, fitted.settings.belief)
    mean = prior_mean(texts, log_weights, fitted.features.shape[0])
    expected: Floats = mean + fitted.settings.scale * kernel @ fitted.weights
    return expected


def usage(support: Profile, answer: Answers, redundancy: Floats) -> Floats:
    """``0.3 log((n_y + 0.5) / (e_y + 0.5))``: whether an answer is used more than past institutions would use it.

    n_y counts y among the labels (k,), e_y is how often the plain consensus expects it there. Answers that the
    consensus expects and the labels never show are held to be out of use. Returns (C,) log factors, 0 without labels.
    """
    expected = consensus(support, attention(support, redundancy)).sum(axis=0)
    counted = np.bincount(answer, minlength=support.answers)
    factor: Floats = USAGE_WEIGHT * np.log((counted + USAGE_PSEUDO_COUNT) / (expected + USAGE_PSEUDO_COUNT))
    return factor


def plausibility(expected: Floats, usage: Floats, vote: Floats) -> Floats:
    """``max(V(x, y), 0.001) exp(usage_y) (v(x, y) + 0.02)^0.2``: how well each answer fits each text; (n, C), positive.

    ``expected`` V (n, C) from ``predict``, ``usage`` (C,), ``vote`` v (n, C) of plain nearest neighbours: a product of
    experts (Hinton 2002) in which the last two have a small say.
    """
    fits: Floats = np.maximum(expected, PLAUSIBILITY_FLOOR) * np.exp(usage) * (vote + VOTE_FLOOR) ** VOTE_WEIGHT
    return fits


def variance(fitted: Fit, texts: Profile) -> Floats:
    """``c - c² κ(x, X) (c κ(X, X) + 0.3 I)⁻¹ κ(X, x)``: posterior variance of each text's answer; (n,) in [0, c]."""
    scale = fitted.settings.scale
    if not fitted.features.shape[0]:
        return np.full(texts.replies.shape[0], scale)
    kernel = kinship(fitted, texts)
    own = (fitted.features @ fitted.features.T).toarray()
    left: Floats = scale - scale**2 * np.einsum("nk,kn->n", kernel, solve(own, kernel.T, scale))
    return left


def left_out(kernel: Floats, r: Floats, mean: Floats, scale: float) -> Floats:
    """``m(x_i) + r_i - [Q r]_i / Q_ii`` with ``Q = (c κ + 0.3 I)⁻¹``: each label as predicted from the others.

    ``mean`` (k, C) is the prior mean at the support; (k, C). Rasmussen & Williams 2006, eq. 5.12.
    """
    q = solve(kernel, np.eye(len(kernel)), scale)
    predicted: Floats = mean + r - (q @ r) / np.diag(q)[:, None]
    return predicted

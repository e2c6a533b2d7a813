"""Residual kriging: the exact Gaussian posterior of a new institution's answers, given its few labels.

The prior mean is the reweighted replies of past institutions; the labels are evidence for the weights. The residuals of
the labels are spread with the co-treatment kernel. Gaussian-process regression as in Rasmussen & Williams 2006, eq.
2.25-2.27 and 5.10-5.12.
"""

from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array
from scipy.special import softmax

from metachain.learning.reply_profile import (
    COVERAGE_TEMPERATURE,
    Meaning,
    Profile,
    attention,
    co_treatment_features,
    consensus,
    mean_reply,
    replies_to,
)
from metachain.learning.transfer import familiarity

__all__ = ["NOISE", "PLAIN", "Fit", "Settings", "co_treatment_kernel", "evidence", "fit", "fit_of_some"]
__all__ += ["institution_shares", "local_log_weights", "predict", "prior_mean", "propagate"]
__all__ += ["residuals", "solve", "usage", "without_diagonal"]

NOISE = 0.3
EVIDENCE_TEMPERATURE = 0.5
UNLABELLED_TEMPERATURE = 0.1
"""Temperature of the prior mean's coverage softmax without labels, in priors from before ``Settings.coverage``."""
USAGE_PSEUDO_COUNT = 0.5
CERTAIN = 1e-9
"""Expected share of all other answers below which nothing is known about them."""

Floats = NDArray[np.float64]
Answers = NDArray[np.int64]
Listed = NDArray[np.bool_] | None
Scores = NDArray[np.float64] | None
"""(k,) in [0, 1]: probability that the institution would give each answer; None where all are labels (1)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the posterior, learned once for each library."""

    belief: float
    """b ≥ 0: strength with which the labels change the weights of past institutions."""
    scale: float
    """c ≥ 0: variance of the answers around the prior mean."""
    slip: float
    """ε in (0, 1): probability that an institution answers against its own habit."""
    intercept: float = 0.0
    """c₀ ≥ 0: similarity of an institution's answers to any two texts, added to κ; for those that give few answers."""
    usage: float = 0.3
    """Exponent of the usage of an answer in the labels."""
    vote: float = 0.2
    """Exponent of the plain nearest neighbours' vote."""
    lift: float = 0.0
    """Exponent of the pooled regression's lift; 0 in priors from before it."""
    coverage: float | None = None
    """Temperature of the prior mean's coverage softmax. None in priors from before it: 0.15, and 0.1 without labels."""

    def coverage_with(self, labels: int) -> float:
        """Temperature of the prior mean's coverage softmax with k ``labels``."""
        if self.coverage is not None:
            return self.coverage
        return COVERAGE_TEMPERATURE if labels else UNLABELLED_TEMPERATURE

    def stored(self) -> dict[str, float]:
        """Return the settings as a record without what older priors lack, so that their digests stay."""
        return {name: value for name, value in asdict(self).items() if value or name not in ("lift", "coverage")}

    def __repr__(self) -> str:
        """Show ``stored``; the digest of a posterior's inputs is made of it."""
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in self.stored().items())})"


PLAIN = Settings(belief=0.0, scale=0.0, slip=0.05)
"""Settings that compute plausibility where plain nearest neighbours choose."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Posterior of one institution from k labels and scored answers: everything that prediction needs."""

    settings: Settings
    standing: Floats
    """(S,) log weights from ``transfer.prior_log_weights``."""
    features: csr_array
    """(k, S·C) co-treatment features of the support."""
    evidence: Floats
    """(k, S) log evidence of each label for each institution, from ``evidence``."""
    weights: Floats
    """(k, C): ``(c (κ + c₀) + 0.3 I)⁻¹ r``; (k, d) where answers are texts."""
    usage: Floats
    """(C,) log ratios from ``usage``."""
    listed: Listed = None
    """(C,) marks the answers in the institution's list; None where no list is known."""


def evidence(support: Profile, answer: Answers, slip: float, score: Scores = None) -> Floats:
    """``exp((cov_s(x_i) - 1) / 0.5) log(ε + (1 - ε) g_s(x_i, y_i))``: evidence of label i for institution s.

    The evidence of an answer scored s_i is multiplied by ``|2 s_i - 1|``. A score above ½ is evidence for institutions
    that give the answer, one below ½ for those that don't (1 - g in place of g). So a score of 1 is a label, and ½ is
    no evidence. This is the virtual evidence of Pearl 1988 ("Probabilistic Reasoning in Intelligent Systems", 2.2.2),
    tempered so that ½ is no evidence also where institutions differ in how well they know the text. (k, S), at most 0.
    """
    share = replies_to(support, answer)
    if score is None:
        likelihood: Floats = np.log(slip + (1 - slip) * share)
        return familiarity(support, EVIDENCE_TEMPERATURE) * likelihood
    agreement = np.where(score[:, None] < 0.5, 1 - share, share)
    likelihood = np.abs(2 * score - 1)[:, None] * np.log(slip + (1 - slip) * agreement)
    return familiarity(support, EVIDENCE_TEMPERATURE) * likelihood


def local_log_weights(standing: Floats, kernel: Floats, evidence: Floats, belief: float) -> Floats:
    """``ℓ_s(x) = ℓ⁰_s + 2 b Σ_i κ(x, x_i) evidence_is``: log weight of each institution near each text.

    ``kernel`` (n, k) between texts and support, with zeros where a label must not count for itself. Returns (n, S).
    """
    return standing + 2 * belief * kernel @ evidence


def institution_shares(fitted: Fit) -> Floats:
    """``mean_i softmax_s(ℓ_s(x_i))``: share of each past institution in the expectation near the labels; (S,).

    Without labels it is ``softmax_s(ℓ⁰_s)``. Sums to 1.
    """
    if not fitted.features.shape[0]:
        return np.asarray(softmax(fitted.standing))
    kernel = (fitted.features @ fitted.features.T).toarray()
    log_weights = local_log_weights(fitted.standing, kernel, fitted.evidence, fitted.settings.belief)
    return np.asarray(softmax(log_weights, axis=1).mean(axis=0))


def prior_mean(texts: Profile, log_weights: Floats, temperature: float) -> Floats:
    """``m(x, ·) = Σ_s π_s(x) g_s(x, ·)`` with ``π_s(x) = softmax_s(cov_s(x) / temperature + log_weights)``; (n, C).

    ``temperature`` is that of ``Settings.coverage_with``. Where answers are texts it is the mean of their unit vectors,
    (n, d).
    """
    return mean_reply(texts, attention(texts, log_weights, temperature))


def residuals(mean: Floats, answer: Answers, meaning: Meaning = None, score: Scores = None) -> Floats:
    """``r_i = t_i - m(x_i)`` for the prior mean m (k, C) at the support, computed without label i; (k, C).

    For a label ``t_i = e_{y_i}``. For an answer scored s the target follows Jeffrey's rule (1965, "The Logic of
    Decision", ch. 11): ``t = s e_y + (1 - s) m_{-y} / (1 - m_y)``. The answer gets its score as probability; the other
    answers share the rest in proportion to their expectation, or get nothing where it is zero. So r is
    ``(s - m_y) / (1 - m_y)`` times the residual of a label: 0 where the score equals the expectation.

    Where answers are texts, φ(y_i) from ``meaning`` (C, d) replaces e_{y_i}, and the length of m's component along it,
    if positive, replaces m_y; a score below m_y reduces that component only; (k, d).
    """
    if meaning is not None:
        target: Floats = meaning[answer].astype(np.float64)
    else:
        target = np.zeros_like(mean)
        target[np.arange(len(answer)), answer] = 1
    r = target - mean
    if score is None:
        return r
    believed = np.clip((mean * target).sum(axis=1), 0, 1)
    moved, room = score - believed, 1 - believed
    alone = (room < CERTAIN) if meaning is None else (moved <= 0)
    share = np.divide(moved, room, out=np.zeros_like(moved), where=~alone)
    return np.asarray(np.where(alone[:, None], moved[:, None] * target, share[:, None] * r))


def without_diagonal(kernel: Floats) -> Floats:
    """Copy of a kernel (k, k) with a zero diagonal, so that no label counts for itself."""
    without = kernel.copy()
    np.fill_diagonal(without, 0)
    return without


def solve(kernel: Floats, r: Floats, settings: Settings) -> Floats:
    """``(c (κ + c₀) + 0.3 I)⁻¹ r`` by Cholesky; (k, C)."""
    covariance = settings.scale * (kernel + settings.intercept)
    covariance[np.diag_indices_from(covariance)] += NOISE
    return np.asarray(cho_solve(cho_factor(covariance, lower=True), r))


def propagate(kernel: Floats, weights: Floats, settings: Settings) -> Floats:
    """``c (κ(x, X) + c₀) w``: correction of the prior mean by the labels' residuals; (n, C), or (n, d)."""
    return settings.scale * (kernel + settings.intercept) @ weights


def fit(
    support: Profile, answer: Answers, standing: Floats, settings: Settings, listed: Listed = None, score: Scores = None
) -> Fit:
    """Compute the posterior from k labels.

    ``support`` is their reply profile over S institutions, ``answer`` (k,) their answer numbers. ``standing`` (S,) from
    ``transfer.prior_log_weights``; ``listed`` (C,) marks the answers in the institution's list, where it is known. With
    a ``score`` (k,) the rows are scored answers, and those with score 1 are labels.
    """
    features = co_treatment_features(support)
    if not len(answer):
        empty = np.zeros((0, support.answers if support.meaning is None else support.meaning.shape[1]))
        unused = np.zeros(support.answers)
        return Fit(settings, standing, features, np.zeros((0, len(standing))), empty, unused, listed)
    kernel = (features @ features.T).toarray()
    label_evidence = evidence(support, answer, settings.slip, score)
    log_weights = local_log_weights(standing, without_diagonal(kernel), label_evidence, settings.belief)
    mean = prior_mean(support, log_weights, settings.coverage_with(len(answer)))
    r = residuals(mean, answer, support.meaning, score)
    weights = solve(kernel, r, settings)
    used = usage(support, answer, standing, None if score is None else mean + r)
    return Fit(settings, standing, features, label_evidence, weights, used, listed)


def fit_of_some(
    support: Profile,
    answer: Answers,
    standing: Floats,
    settings: Settings,
    counts: NDArray[np.bool_],
    listed: Listed = None,
    score: Scores = None,
) -> Fit:
    """``fit`` of the labels that ``counts`` (k,) marks; the rows of all others are zero."""
    if counts.all():
        return fit(support, answer, standing, settings, listed, score)
    kept = np.flatnonzero(counts)
    fitted = fit(support.take(kept), answer[kept], standing, settings, listed, None if score is None else score[kept])
    spread = csr_array((np.ones(len(kept)), (kept, np.arange(len(kept)))), shape=(len(counts), len(kept)))
    return replace(
        fitted,
        features=csr_array(spread @ fitted.features),
        evidence=np.asarray(spread @ fitted.evidence),
        weights=np.asarray(spread @ fitted.weights),
    )


def co_treatment_kernel(fitted: Fit, texts: Profile) -> Floats:
    """``κ(x, X)``: similarity of past institutions' replies to each text and each label; (n, k) in [0, 1]."""
    return np.asarray((co_treatment_features(texts) @ fitted.features.T).toarray())


def predict(fitted: Fit, texts: Profile, kernel: Floats | None = None) -> Floats:
    """``V(x, ·) = m(x, ·) + c (κ(x, X) + c₀) (c (κ(X, X) + c₀) + 0.3 I)⁻¹ r``: expected answer to each text.

    ``kernel`` (n, k) from ``co_treatment_kernel`` saves computing it again. Returns (n, C), rows sum to about 1; where
    answers are texts, the expected unit vector, itself not of unit length, (n, d).
    """
    kernel = co_treatment_kernel(fitted, texts) if kernel is None else kernel
    log_weights = local_log_weights(fitted.standing, kernel, fitted.evidence, fitted.settings.belief)
    mean = prior_mean(texts, log_weights, fitted.settings.coverage_with(fitted.features.shape[0]))
    return mean + propagate(kernel, fitted.weights, fitted.settings)


def usage(support: Profile, answer: Answers, standing: Floats, targets: Floats | None = None) -> Floats:
    """``log((n_y + 0.5) / (e_y + 0.5))``: use of each answer, relative to its use by past institutions.

    n_y is the count of y among the labels (k,), e_y its count in the plain consensus for the same texts. An answer that
    the consensus expects and no label shows gets a negative ratio. ``targets`` (k, C) are the t_i of ``residuals``,
    counted in place of labels where some are scored answers. Returns (C,) log ratios, 0 without labels, and 0 where
    answers are texts, as these seldom occur twice.
    """
    if support.meaning is not None:
        return np.zeros(support.answers)
    expected = consensus(support, attention(support, standing)).sum(axis=0)
    counted = np.bincount(answer, minlength=support.answers) if targets is None else targets.sum(axis=0)
    return np.asarray(np.log((counted + USAGE_PSEUDO_COUNT) / (expected + USAGE_PSEUDO_COUNT)))

"""Labels of one institution in the order of time, each predicted from those before it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular

from metachain.learning.answer_fits import PLAUSIBILITY_FLOOR, product_of_experts
from metachain.learning.gaussian_process import (
    NOISE,
    USAGE_PSEUDO_COUNT,
    Settings,
    evidence,
    local_log_weights,
    prior_mean,
)
from metachain.learning.reply_profile import Profile, attention, co_treatment_features, consensus

__all__ = ["LabelSequence", "label_sequence"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LabelSequence:
    """k labels, the oldest first, over the U answers that they or past institutions near them give."""

    support: Profile
    standing: Floats
    """(S,) log weights of past institutions."""
    settings: Settings
    answers: Numbers
    """(U,) answer numbers, ascending."""
    place: Numbers
    """(k,) place of each label's answer in ``answers``."""
    age: Numbers
    """(k,) ascending; equal for labels that came in together."""
    kernel: Floats
    """(k, k) co-treatment κ."""
    evidence: Floats
    """(k, S) log evidence of each label for each past institution."""
    expected: Floats
    """(k, U) plain consensus of past institutions."""

    def predictions(self, rows: NDArray[np.intp]) -> Floats:
        """Probability of every answer to the text of each label of ``rows`` (n,), from the earlier ones; (n, U).

        ``rows`` ascend. Plausibility as in ``gaussian_process.fits_of_answers``, scaled to sum to 1, with sequential
        (prequential) residuals: r_t is computed from the labels before t (Dawid 1984, J. Roy. Stat. Soc. A 147). With
        the Cholesky factor L of ``c (κ + c₀) + 0.3 I``, label t less its prediction is ``L_tt (L⁻¹ r)_t``.
        """
        n, settings, among = len(rows), self.settings, np.ix_(rows, rows)
        texts, kernel = self.support.take(rows), self.kernel[among]
        log_weights = local_log_weights(self.standing, np.tril(kernel, -1), self.evidence[rows], settings.belief)
        mean = prior_mean(texts, log_weights, settings.coverage_with(n))[:, self.answers]
        said = np.zeros_like(mean)
        said[np.arange(n), self.place[rows]] = 1
        covariance = settings.scale * (kernel + settings.intercept)
        covariance[np.diag_indices(n)] += NOISE
        factor = cholesky(covariance, lower=True)
        innovation = np.diag(factor)[:, None] * solve_triangular(factor, said - mean, lower=True)
        counted, expected = np.cumsum(said, axis=0) - said, np.cumsum(self.expected[rows], axis=0) - self.expected[rows]
        usage = np.log((counted + USAGE_PSEUDO_COUNT) / (expected + USAGE_PSEUDO_COUNT))
        lift = None if texts.lift is None else texts.lift[:, self.answers]
        product = product_of_experts(usage, texts.vote[:, self.answers], lift, settings)
        fits = np.maximum(said - innovation, PLAUSIBILITY_FLOOR) * product
        return np.asarray(fits / fits.sum(axis=1, keepdims=True))


def label_sequence(
    support: Profile, answer: Numbers, age: Numbers, standing: Floats, settings: Settings
) -> LabelSequence:
    """Sequence of k labels from their reply profile and answer numbers (k,); ``age`` (k,) ascends."""
    features = co_treatment_features(support)
    expected = consensus(support, attention(support, standing))
    near = expected.sum(axis=0) > 0
    near[answer] = True
    answers = np.flatnonzero(near)
    return LabelSequence(
        support,
        standing,
        settings,
        answers,
        np.searchsorted(answers, answer),
        age,
        (features @ features.T).toarray(),
        evidence(support, answer, settings.slip),
        expected[:, answers],
    )

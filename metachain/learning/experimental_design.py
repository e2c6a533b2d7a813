"""Experimental design: a greedy choice of the points that reduce the error of a kriging predictor most."""

from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from metachain.learning.gaussian_process import NOISE
from metachain.learning.reply_profile import Profile, attention, co_treatment_features, consensus
from metachain.learning.transfer import familiarity
from metachain.progress import Progress, silent

__all__ = ["Covariance", "Departures", "InnerProducts", "design"]

SCALE = 3.0
"""c, the predictor's variance of answers; values from 3 to 10 give nearly the same on development hospitals."""
REFERENCES = 1000
"""Maximum number of texts that the error is summed over."""
PAIRS = 10_000_000
"""Maximum number of kernel entries in memory: with very many texts the error is summed over fewer of them."""
WRITTEN_OUT = 4_000_000
"""Maximum number of dense entries computed at a time."""
UNANIMOUS = 1e-12
"""Mean of |ρ|², as a share of |a|², below which ρ is only rounding error: past institutions answer alike."""

Floats = NDArray[np.float64]


class Covariance(Protocol):
    """Covariance of n points, computed on request, so that no n × n matrix is in memory."""

    @property
    def own(self) -> Floats:
        """Variance of each; (n,)."""

    def between(self, rows: NDArray[np.intp]) -> Floats:
        """Covariance of r of them and all; (r, n)."""


@dataclass(frozen=True, slots=True, eq=False)
class InnerProducts:
    """``K(x, x') = ψ(x)·ψ(x')`` of the features ψ (n, ·)."""

    features: csr_array

    @property
    def own(self) -> Floats:
        """Variance of each; (n,)."""
        return np.asarray(self.features.multiply(self.features).sum(axis=1)).ravel()

    def between(self, rows: NDArray[np.intp]) -> Floats:
        """Covariance of r of them and all; (r, n)."""
        return np.asarray((self.features @ self.features[rows].T).toarray(order="F").T)


@dataclass(frozen=True, slots=True, eq=False)
class Departures:
    """``E(x, x') = ρ(x)·ρ(x') + ψ(x)·ψ(x')`` of n texts.

    Half of it is the covariance of past institutions' departures from the consensus,
    ``ρ(x) = concat_s a_s(x) (g_s(x, ·) - m(x, ·))``. The other half allows for departures not seen yet; they are alike
    where answers are alike (ψ, ``reply_profile.co_treatment_features``).

    ``a_s = √(w_s f_s)`` over the root mean square of ρ, ``w_s = exp(ℓ⁰_s)`` from ``transfer.prior_log_weights``, f_s
    familiarity with x, m the prior mean before any label. ρ(x)·ρ(x') is the empirical covariance of
    answers over past institutions: an empirical Bayes prior. ρ is as dense as m and never written out: with
    ``T = concat_s a_s g_s``, which is sparse, and ``A = a ⊗ m``, it is ``T·T' - T·A' - A·T' + (a·a') (m·m')``.
    ``replies`` is T (n, S·C), ``trust`` a (n, S), ``expected`` m (n, C), ``kin`` ψ (n, ·).
    """

    replies: csr_array
    trust: Floats
    expected: Floats
    kin: csr_array

    @classmethod
    def of(cls, profile: Profile, log_weights: Floats) -> Self:
        """Compute it for the texts of a profile; ``log_weights`` (S,) from ``transfer.prior_log_weights``."""
        texts, institutions, _ = profile.entries
        trust = np.sqrt(np.exp(log_weights) * familiarity(profile))
        entries = profile.replies.data * trust[texts, institutions], profile.replies.indices, profile.replies.indptr
        replies = csr_array(entries, shape=profile.replies.shape)
        expected = consensus(profile, attention(profile, log_weights))
        departures = cls(replies, trust, expected, co_treatment_features(profile))
        size, most = float(departures._departing.mean()), float((trust**2).sum(axis=1).mean())
        share = 1 / np.sqrt(size) if size > UNANIMOUS * most else 0.0
        return replace(departures, replies=replies * share, trust=trust * share)

    @property
    def own(self) -> Floats:
        """``E(x, x)``; (n,)."""
        return self._departing + InnerProducts(self.kin).own

    def between(self, rows: NDArray[np.intp]) -> Floats:
        """``E(x, x')`` of r of the texts, x, and all texts, x'; (r, n)."""
        replies, trust, expected = self.replies[rows], self.trust[rows], self.expected[rows]
        covariance = InnerProducts(self.kin).between(rows)
        covariance += (trust @ self.trust.T) * (expected @ self.expected.T)
        needed = np.unique(replies.indices).astype(np.intp)
        narrow = replies[:, needed]
        for some in _steps(len(self.trust), len(needed)):
            covariance[:, some] -= narrow @ _common(self.trust[some], self.expected[some], needed)
        columns = np.arange(replies.shape[1])
        for some in _steps(len(rows), len(columns)):
            departing = replies[some].T.toarray() - _common(trust[some], expected[some], columns)
            covariance[some] += (self.replies @ departing).T
        return covariance

    @property
    def _departing(self) -> Floats:
        """``|ρ(x)|²``; (n,)."""
        texts = np.repeat(np.arange(len(self.trust)), np.diff(self.replies.indptr))
        institutions, answers = np.divmod(self.replies.indices, self.expected.shape[1])
        stored = self.replies.data
        both = stored * (stored - 2 * self.trust[texts, institutions] * self.expected[texts, answers])
        common = (self.trust**2).sum(axis=1) * (self.expected**2).sum(axis=1)
        return np.asarray(np.maximum(common + np.bincount(texts, both, len(self.trust)), 0.0))


def design(
    kin: Covariance,
    errors: Covariance,
    counts: Floats,
    free: NDArray[np.bool_],
    budget: int,
    progress: Progress = silent,
) -> list[tuple[int, float]]:
    """Choose up to ``budget`` texts to observe, one after the other, each with the share of the error it removes.

    The predictor is kriging with ``K = c κ``, κ from ``kin``, and noise 0.3. The true answers depart from the prior
    mean with covariance E, from ``errors``. Observing x leaves ``E ← (I - k eᵀ) E (I - k eᵀ)ᵀ`` with
    ``k = K(·, x) / (K(x, x) + 0.3)`` and e the unit vector of x, and ``K ← K - K(·, x) K(x, ·) / (K(x, x) + 0.3)``.
    Each step chooses the text that lowers the remaining error ``Σ_q n_q E(q, q)`` most, by
    ``Σ_q n_q [2 k_q E(q, x) - k_q² E(x, x)]``. If the predictor's covariance were the true one, E(q, x) = K(q, x) with
    K(x, x) + 0.3 as an answer's own variance, that would be ``Σ_q n_q K(q, x)² / (K(x, x) + 0.3)``, integrated
    variance reduction (Seo et al. 2000). ``counts`` (n,) are the n_q. Texts that are not ``free`` (n,) were observed
    before. Ties go to the lower row.
    """
    state = _State(kin, errors, counts)
    for row in np.flatnonzero(~free):
        state.observe(int(row))
    free = free.copy()
    chosen = []
    wanted = min(budget, int(free.sum()))
    for done in range(wanted):
        progress("choosing", done, wanted)
        gains = np.where(free, np.round(state.gains(), 9), -np.inf)
        x = int(gains.argmax())
        chosen.append((x, float(np.clip(gains[x], 0.0, 1.0))))
        free[x] = False
        state.observe(x)
    progress("choosing", wanted, wanted)
    return chosen


@dataclass(frozen=True, slots=True)
class _Observed:
    """One observation x: its weight in the prediction of every text, and the true covariance before it.

    ``weight`` (n,) is ``K(·, x) / pivot``, ``pivot`` ``K(x, x) + 0.3``, ``error`` (n,) ``E(·, x)``, own ``E(x, x)``.
    """

    weight: Floats
    pivot: float
    error: Floats
    own: float


class _State:
    """K and E after the observations so far: between the reference texts and all; other columns on request."""

    def __init__(self, kin: Covariance, errors: Covariance, counts: Floats) -> None:
        self._kin, self._errors = kin, errors
        self._references = _spread(len(counts))
        self._counts = counts[self._references]
        self._across = SCALE * kin.between(self._references)
        self._truth = errors.between(self._references)
        self._variance = SCALE * kin.own
        self._error = errors.own
        self._observed: list[_Observed] = []

    def gains(self) -> Floats:
        """Share of the remaining error that observing each text removes; (n,)."""
        pivot = self._variance + NOISE
        covered = np.einsum("q,qn,qn->n", self._counts, self._across, self._truth)
        spread = np.einsum("q,qn,qn->n", self._counts, self._across, self._across)
        removed: Floats = 2 * covered / pivot - spread * self._error / pivot**2
        remaining = float(self._counts @ self._error[self._references])
        return removed / remaining if remaining > 0 else np.zeros_like(removed)

    def observe(self, x: int) -> None:
        """Update K and E as if the answer to text x were known."""
        column, error = self._columns(x)
        pivot, own = float(column[x] + NOISE), float(error[x])
        weight = column / pivot
        at = self._references
        self._across -= np.outer(column[at], weight)
        self._truth -= np.outer(weight[at], error) + np.outer(error[at] - own * weight[at], weight)
        self._variance -= column * weight
        self._error -= weight * (2 * error - own * weight)
        self._observed.append(_Observed(weight, pivot, error, own))

    def _columns(self, x: int) -> tuple[Floats, Floats]:
        """``K(·, x)`` and ``E(·, x)`` as they are now; (n,) each."""
        column = SCALE * self._kin.between(np.array([x]))[0]
        error = self._errors.between(np.array([x]))[0]
        for one in self._observed:
            column -= one.pivot * one.weight * one.weight[x]
            error -= one.weight * one.error[x] + (one.error - one.own * one.weight) * one.weight[x]
        return column, error


def _spread(n: int) -> NDArray[np.intp]:
    """Rows that the error is summed over: all n, or as many evenly spaced ones as fit in memory."""
    return np.linspace(0, n - 1, max(1, min(n, REFERENCES, PAIRS // max(n, 1)))).round().astype(np.intp)


def _common(trust: Floats, expected: Floats, columns: NDArray[np.intp]) -> Floats:
    """Some ``columns`` of A for m texts, transposed: one text a column; (len(columns), m)."""
    institutions, answers = np.divmod(columns, expected.shape[1])
    return np.ascontiguousarray(trust.T)[institutions] * np.ascontiguousarray(expected.T)[answers]


def _steps(texts: int, numbers: int) -> list[slice]:
    """Slices of the texts, such that a slice with so many numbers a text fits in memory."""
    step = max(1, WRITTEN_OUT // max(1, numbers))
    return [slice(start, start + step) for start in range(0, texts, step)]

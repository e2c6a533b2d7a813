"""How a new institution is expected to depart from the consensus: the covariance of its answers."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from metachain.design import InnerProducts
from metachain.profile import Profile, attention, co_treatment_features, consensus
from metachain.transfer import familiarity

__all__ = ["Departures"]

HELD = 4_000_000
"""Numbers of the texts' common replies that are written out at a time."""

UNANIMOUS = 1e-12
"""Mean of |ρ|², as a share of |a|², under which it is all rounding: past institutions answer alike."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Departures:
    """``E(x, x') = ρ(x)·ρ(x') + ψ(x)·ψ(x')`` of n texts.

    Half as past institutions depart from the consensus, ``ρ(x) = concat_s a_s(x) (g_s(x, ·) - m(x, ·))``, half in ways
    not seen yet, alike where answers are alike (ψ, ``profile.co_treatment_features``).

    ``a_s = √(w_s f_s)`` over the root mean square of ρ, ``w_s = exp(ℓ⁰_s)`` from ``transfer.standing``, f_s familiarity
    with x, m the prior mean before any label. ρ(x)·ρ(x') is the covariance of answers between institutions, as past
    ones show it: an empirical Bayes prior. ρ is as dense as m and never written out: with ``T = concat_s a_s g_s``,
    which is sparse, and ``A = a ⊗ m``, it is ``T·T' - T·A' - A·T' + (a·a') (m·m')``.
    """

    told: csr_array
    """(n, S·C) T."""
    trust: Floats
    """(n, S) a."""
    expected: Floats
    """(n, C) m."""
    kin: csr_array
    """(n, ·) ψ."""

    @classmethod
    def of(cls, profile: Profile, log_weights: Floats) -> Self:
        """Of the texts of a profile; ``log_weights`` (S,) from ``transfer.standing``."""
        texts, institutions, _ = profile.entries
        trust = np.sqrt(np.exp(log_weights) * familiarity(profile))
        entries = profile.replies.data * trust[texts, institutions], profile.replies.indices, profile.replies.indptr
        told = csr_array(entries, shape=profile.replies.shape)
        expected = consensus(profile, attention(profile, log_weights))
        departures = cls(told, trust, expected, co_treatment_features(profile))
        size, most = float(departures._departing.mean()), float((trust**2).sum(axis=1).mean())
        share = 1 / np.sqrt(size) if size > UNANIMOUS * most else 0.0
        return replace(departures, told=told * share, trust=trust * share)

    @property
    def own(self) -> Floats:
        """``E(x, x)``; (n,)."""
        return self._departing + InnerProducts(self.kin).own

    def between(self, rows: NDArray[np.intp]) -> Floats:
        """``E(x, x')`` of some of the texts, x, and all; (r, n)."""
        told, trust, expected = self.told[rows], self.trust[rows], self.expected[rows]
        covariance = InnerProducts(self.kin).between(rows)
        covariance += (trust @ self.trust.T) * (expected @ self.expected.T)
        needed = np.unique(told.indices).astype(np.intp)
        narrow = told[:, needed]
        for some in _steps(len(self.trust), len(needed)):
            covariance[:, some] -= narrow @ _common(self.trust[some], self.expected[some], needed)
        columns = np.arange(told.shape[1])
        for some in _steps(len(rows), len(columns)):
            departing = told[some].T.toarray() - _common(trust[some], expected[some], columns)
            covariance[some] += (self.told @ departing).T
        return covariance

    @property
    def _departing(self) -> Floats:
        """``|ρ(x)|²``; (n,)."""
        texts = np.repeat(np.arange(len(self.trust)), np.diff(self.told.indptr))
        institutions, answers = np.divmod(self.told.indices, self.expected.shape[1])
        both = self.told.data * (self.told.data - 2 * self.trust[texts, institutions] * self.expected[texts, answers])
        common = (self.trust**2).sum(axis=1) * (self.expected**2).sum(axis=1)
        length: Floats = np.maximum(common + np.bincount(texts, both, len(self.trust)), 0.0)
        return length


def _common(trust: Floats, expected: Floats, columns: NDArray[np.intp]) -> Floats:
    """Some of the numbers of A of m texts, one text a column; (len(columns), m)."""
    institutions, answers = np.divmod(columns, expected.shape[1])
    return np.ascontiguousarray(trust.T)[institutions] * np.ascontiguousarray(expected.T)[answers]


def _steps(texts: int, numbers: int) -> list[slice]:
    step = max(1, HELD // max(1, numbers))
    return [slice(start, start + step) for start in range(0, texts, step)]

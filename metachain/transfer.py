"""How well one past institution answers another's inputs, and which of them say the same."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from metachain.profile import Profile, replies_to

__all__ = ["familiarity", "redundancy", "transfer_row"]

FAMILIARITY_TEMPERATURE = 0.25

Floats = NDArray[np.float64]


def familiarity(profile: Profile, temperature: float = FAMILIARITY_TEMPERATURE) -> Floats:
    """``exp((cov_s(x) - 1) / 0.25)``: how much s's reply to x counts; (n, S) in (0, 1]."""
    weights: Floats = np.exp((profile.coverage - 1) / temperature)
    return weights


def transfer_row(profile: Profile, answer: NDArray[np.int64]) -> Floats:
    """Mean share of the right answer in each institution's reply to one institution's items; (S,) in [0, 1].

    ``profile`` of n items of that institution in all S; ``answer`` (n,) what it really answers. Items that s knows
    count more.
    """
    weights = familiarity(profile)
    row: Floats = (weights * replies_to(profile, answer)).sum(axis=0) / weights.sum(axis=0)
    return row


def redundancy(transfer: Floats, institutions: Sequence[int] | NDArray[np.integer]) -> Floats:
    """``ℓ⁰_s = -½ log Σ_u A[s, u]⁴``: makes institutions that say the same count once; (S,), at most 0.

    A is the symmetric part of the transfer matrix (S_all, S_all) among ``institutions``, with unit diagonal.
    """
    chosen = np.asarray(institutions, np.intp)
    among = transfer[np.ix_(chosen, chosen)]
    agreement = (among + among.T) / 2
    np.fill_diagonal(agreement, 1.0)
    log_weights: Floats = -0.5 * np.log((agreement**4).sum(axis=0))
    return log_weights

"""How well one past institution answers another's inputs, which of them say the same, and which say nothing sound."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from metachain.learning.reply_profile import Profile, replies_to

__all__ = [
    "familiarity",
    "prior_log_weights",
    "redundancy",
    "screening",
    "shared_answers",
    "transfer_row",
    "with_listed",
]

FAMILIARITY_TEMPERATURE = 0.25
SCREENED_BELOW = 0.5
"""Share of the median institution's best agreement with another, under which an institution is doubted."""
SCREENING_WEIGHT = 2.0
SHARING_WEIGHT = 4.0
SHARING_FLOOR = 0.01

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
    """``-½ log Σ_u A[s, u]⁴``: makes institutions that say the same count once; (S,), at most 0.

    A is the symmetric part of the transfer matrix (S_all, S_all) among ``institutions``, with unit diagonal.
    """
    log_weights: Floats = -0.5 * np.log((_agreement(transfer, institutions, 1.0) ** 4).sum(axis=0))
    return log_weights


def screening(transfer: Floats, institutions: Sequence[int] | NDArray[np.integer]) -> Floats:
    """``2 min(0, log((r_s + 0.01) / 0.5))``: holds back institutions that agree with nobody; (S,), at most 0.

    ``r_s = max_u A[s, u] / median_s max_u A[s, u]`` for u ≠ s: an institution whose best agreement with another is
    under half of the usual one gives answers that nothing bears out, as where its answers were mixed up. With fewer
    than three institutions there is no usual one, and nobody is held back.

    ``transfer`` (S_all + T, S_all) may have the rows of T further institutions that ask and never answer; they bear
    out answers too, each by its row alone.
    """
    asking = transfer[transfer.shape[1] :, np.asarray(institutions, np.intp)]
    best = np.concatenate([_agreement(transfer, institutions, 0.0), asking]).max(axis=0, initial=0.0)
    usual = np.median(best) if len(best) > 2 else 0.0
    if usual == 0:
        return np.zeros(len(best))
    held: Floats = SCREENING_WEIGHT * np.minimum(0.0, np.log((best / usual + 0.01) / SCREENED_BELOW))
    return held


def prior_log_weights(transfer: Floats, institutions: Sequence[int] | NDArray[np.integer]) -> Floats:
    """``ℓ⁰_s``, log weight of each institution before any label: ``redundancy`` and ``screening``; (S,), at most 0."""
    return redundancy(transfer, institutions) + screening(transfer, institutions)


def shared_answers(gives: NDArray[np.bool_], listed: NDArray[np.bool_]) -> Floats:
    """``4 log(cos(u_s, u) + 0.01)``: institutions whose answers are those that a new one lists count most; (S,).

    ``gives`` (S, C) which answers each past institution gives at all, ``listed`` (C,) those that the new one does; the
    cosine of two sets is their intersection over the geometric mean of their sizes (Ochiai 1957).
    """
    sizes = gives.sum(axis=1) * listed.sum()
    shared = (gives & listed).sum(axis=1) / np.sqrt(np.maximum(sizes, 1))
    log_weights: Floats = SHARING_WEIGHT * np.log(shared + SHARING_FLOOR)
    return log_weights


def with_listed(log_weights: Floats, gives: NDArray[np.bool_], listed: NDArray[np.bool_] | None) -> Floats:
    """``log_weights`` (S,) plus ``shared_answers`` where the new institution has a list of answers."""
    return log_weights if listed is None else log_weights + shared_answers(gives, listed)


def _agreement(transfer: Floats, institutions: Sequence[int] | NDArray[np.integer], diagonal: float) -> Floats:
    chosen = np.asarray(institutions, np.intp)
    among = transfer[np.ix_(chosen, chosen)]
    agreement: Floats = (among + among.T) / 2
    np.fill_diagonal(agreement, diagonal)
    return agreement

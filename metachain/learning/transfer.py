"""Transfer between past institutions, and prior weights that count duplicates once and screen out unreliable ones."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from metachain.learning.reply_profile import Profile, replies_to

__all__ = ["familiarity", "prior_log_weights", "redundancy", "screening", "shared_answers", "transfer_row"]
__all__ += ["with_listed"]

FAMILIARITY_TEMPERATURE = 0.25
SCREENED_BELOW = 0.5
"""Best agreement with another institution, as a share of the median one, below which an institution is screened."""
SCREENING_WEIGHT = 2.0
SHARING_WEIGHT = 4.0
SHARING_FLOOR = 0.01

Floats = NDArray[np.float64]


def familiarity(profile: Profile, temperature: float = FAMILIARITY_TEMPERATURE) -> Floats:
    """``exp((cov_s(x) - 1) / 0.25)``: weight of s's reply to x; (n, S) in (0, 1]."""
    return np.asarray(np.exp((profile.coverage - 1) / temperature))


def transfer_row(profile: Profile, answer: NDArray[np.int64]) -> Floats:
    """Mean share of the right answer in each institution's reply to one institution's items; (S,) in [0, 1].

    ``profile`` holds the replies to n of its items, ``answer`` (n,) its own answers. Items familiar to s count more.
    """
    weights = familiarity(profile)
    return np.asarray((weights * replies_to(profile, answer)).sum(axis=0) / weights.sum(axis=0))


def redundancy(transfer: Floats, institutions: Sequence[int] | NDArray[np.integer]) -> Floats:
    """``-½ log Σ_u A[s, u]⁴``: log weight by which institutions that answer alike count once; (S,), at most 0.

    A is the symmetric part of the transfer matrix (S_all, S_all) among ``institutions``, with unit diagonal.
    """
    return np.asarray(-0.5 * np.log((_agreement(transfer, institutions, 1.0) ** 4).sum(axis=0)))


def screening(transfer: Floats, institutions: Sequence[int] | NDArray[np.integer]) -> Floats:
    """``2 min(0, log((r_s + 0.01) / 0.5))``: log weight against institutions without agreement; (S,), at most 0.

    ``r_s = max_u A[s, u] / median_s max_u A[s, u]`` for u ≠ s. If the best agreement of an institution with another is
    under half of the median, no other institution confirms its answers; they may have been mixed up. With fewer than
    three institutions there is no median, and none is screened.

    ``transfer`` (S_all + T, S_all) may have rows of T institutions with statistics only; each confirms by its row only.
    """
    asking = transfer[transfer.shape[1] :, np.asarray(institutions, np.intp)]
    best = np.concatenate([_agreement(transfer, institutions, 0.0), asking]).max(axis=0, initial=0.0)
    usual = np.median(best) if len(best) > 2 else 0.0
    if usual == 0:
        return np.zeros(len(best))
    return np.asarray(SCREENING_WEIGHT * np.minimum(0.0, np.log((best / usual + 0.01) / SCREENED_BELOW)))


def prior_log_weights(transfer: Floats, institutions: Sequence[int] | NDArray[np.integer]) -> Floats:
    """``ℓ⁰_s``, log weight of each institution before any label: ``redundancy`` + ``screening``; (S,), at most 0."""
    return redundancy(transfer, institutions) + screening(transfer, institutions)


def shared_answers(gives: NDArray[np.bool_], listed: NDArray[np.bool_]) -> Floats:
    """``4 log(cos(u_s, u) + 0.01)``: log weight by the answers shared with the list of the new institution; (S,).

    ``gives`` (S, C) marks the answers that each past institution gives, ``listed`` (C,) those of the new one. The
    cosine of two sets is their intersection over the geometric mean of their sizes (Ochiai 1957).
    """
    sizes = gives.sum(axis=1) * listed.sum()
    shared = (gives & listed).sum(axis=1) / np.sqrt(np.maximum(sizes, 1))
    return np.asarray(SHARING_WEIGHT * np.log(shared + SHARING_FLOOR))


def with_listed(log_weights: Floats, gives: NDArray[np.bool_], listed: NDArray[np.bool_] | None) -> Floats:
    """``log_weights`` (S,), plus ``shared_answers`` where the new institution has a list of answers."""
    return log_weights if listed is None else log_weights + shared_answers(gives, listed)


def _agreement(transfer: Floats, institutions: Sequence[int] | NDArray[np.integer], diagonal: float) -> Floats:
    """``A``, the symmetric part of the transfer matrix among ``institutions``, with the given diagonal; (S, S)."""
    chosen = np.asarray(institutions, np.intp)
    among = transfer[np.ix_(chosen, chosen)]
    agreement: Floats = (among + among.T) / 2
    np.fill_diagonal(agreement, diagonal)
    return agreement

"""Apportionment: demonstrations are given out among answers in proportion to the probability of the answers."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metachain.learning.ranking import at_places, nearest_first
from metachain.scoring.reader import READER_TEMPERATURE

__all__ = ["Given", "apportion_answers", "apportion_meanings", "attention"]

DECIMALS = 9
"""Of the attention already paid, so that the last bits of a sum decide nothing."""

Floats = NDArray[np.float64]
Rows = NDArray[np.integer]
Places = NDArray[np.intp]


class Given(NamedTuple):
    """Places given out for n queries, those of the largest weight first; -1 for none."""

    places: Places
    """(n, shots)."""
    quotients: Floats
    """(n, shots) quotients by which the places were given, 0 for none."""


def apportion_answers(weight: Floats, similarity: NDArray[np.floating], answer: Rows, shots: int) -> Given:
    """Choose the ``shots`` largest of ``q_c = w_c / (1 + 2 A_c)`` among m candidates for each of n queries.

    w (n, m) is the weight of the candidate's answer, 0 for none; A_c sums the ``attention`` to the candidates with the
    same answer that are nearer than c. Where all get the same attention and the likeliest answer leads anyway, this is
    the apportionment of the shots among the answers by Sainte-Laguë (1910; Webster's method). It maximises
    ``Σ_y w_y Σ_{i < n_y} 1 / (2 i + 1)`` for n_y demonstrations of answer y. This is an expected utility over models of
    different skill: for each model that gives the right answer after one demonstration of it, 1/3 of a model needs two,
    1/5 needs three, and so on. Where attention differs, a demonstration uses up the more of its answer's share, the
    more a reader attends to it.

    The likeliest answer leads: each demonstration of an alternative waits until the likeliest answer has more of them
    than the alternative with it, and no less attention (one demonstration may stand beside a single one). So a reader
    who counts or votes with the same attention gives the likeliest answer, at any sharpness. A demonstration to which
    more attention would go than to all of the likeliest answer is left out. Nothing is given that the likeliest answer
    would be given first, had it more candidates. A smaller number of shots gives a part of what a larger one gives. All
    arrays are (n, m), ``similarity`` is -inf where ``weight`` is 0.
    """
    order = np.lexsort((-similarity, answer, -weight), axis=1)
    weight, attended = (np.take_along_axis(one, order, axis=1) for one in (weight, attention(similarity)))
    starts = _starts(np.take_along_axis(answer, order, axis=1))
    likeliest = (starts.cumsum(axis=1) == 1) & (weight > 0)
    supply = np.where(likeliest, attended, 0.0).sum(axis=1, keepdims=True)
    quiet = likeliest | (attended <= supply)
    weight, attended = np.where(quiet, weight, 0.0), np.where(quiet, attended, 0.0)
    paid = _before(attended, starts)
    quotient = weight / (1 + 2 * paid)
    waited = _waits(np.round(paid + attended, DECIMALS), _before(quiet.astype(np.float64), starts), likeliest)
    quotient = np.where(likeliest, quotient, np.minimum(quotient, at_places(quotient, waited, 0.0)))
    least = weight[:, :1] / (1 + 2 * supply)
    return _given(order, np.where(quotient >= least, quotient, 0.0), shots)


def apportion_meanings(
    weight: Floats, similarity: NDArray[np.floating], vectors: NDArray[np.float32], shots: int
) -> Given:
    """Apportion where answers are texts: ``A_c = Σ_j a_j cos²(φ_c, φ_j)``, over the candidates j already chosen.

    Candidates with equal meaning share what one answer gets. ``vectors`` φ (n, m, d) are the answers' unit vectors;
    chosen one by one, each time the largest quotient.
    """
    n, m = weight.shape
    everyone, attended = np.arange(n), attention(similarity)
    left, paid, quotients = weight.copy(), np.zeros((n, m)), np.zeros((n, m))
    for _ in range(min(shots, m)):
        quotient = left / (1 + 2 * paid)
        best = quotient.argmax(axis=1)
        quotients[everyone, best] += quotient[everyone, best]
        alike = np.einsum("nmd,nd->nm", vectors, vectors[everyone, best]) ** 2
        paid += attended[everyone, best][:, None] * alike
        left[everyone, best] = 0.0
    order = np.argsort(-weight, axis=1, kind="stable")
    return _given(order, np.take_along_axis(quotients, order, axis=1), shots)


def attention(similarity: NDArray[np.floating]) -> Floats:
    """``exp((h - max h) / 0.2)``: attention of a reader to each candidate, as a share of that to the nearest.

    ``similarity`` h (n, m), -inf for none, which gets 0. The weights of Nadaraya (1964) and Watson (1964), with the
    temperature of the offline reader.
    """
    nearest = similarity.max(axis=1, keepdims=True, initial=-1.0)
    return np.asarray(np.exp((similarity - nearest) / READER_TEMPERATURE), np.float64)


def _starts(answer: Rows) -> NDArray[np.bool_]:
    """Mark the first candidate of each answer (n, m), where candidates with the same answer stand together."""
    starts = np.ones(answer.shape, bool)
    starts[:, 1:] = answer[:, 1:] != answer[:, :-1]
    return starts


def _before(values: Floats, starts: NDArray[np.bool_]) -> Floats:
    """Sum of the ``values`` left of each of the same answer; all (n, m), ``starts`` as ``_starts`` gives it."""
    before = values.cumsum(axis=1) - values
    left = before - np.maximum.accumulate(np.where(starts, before, 0.0), axis=1)
    return np.asarray(np.round(np.maximum(left, 0.0), DECIMALS), np.float64)


def _waits(reached: Floats, count: Floats, likeliest: NDArray[np.bool_]) -> Places:
    """Place (n, m) of the likeliest answer's candidate for which each candidate waits; -1 if it waits for ever.

    ``reached`` (n, m) is the attention to a candidate and to those of its answer left of it, ``count`` their number.
    The likeliest answer's candidates stand first.
    """
    own = np.where(likeliest, reached, np.inf)
    loud = np.array([np.searchsorted(one, row) for one, row in zip(own, reached, strict=True)]).reshape(reached.shape)
    has = likeliest.sum(axis=1, keepdims=True)
    often = np.where(count == 0, np.minimum(1, has - 1), count + 1)
    waited = np.maximum(loud, often)
    return np.asarray(np.where(waited < has, waited, -1), np.intp)


def _given(order: Places, quotient: Floats, shots: int) -> Given:
    """Keep the ``shots`` largest quotients (n, m), in their order; ``order`` (n, m) are the places behind them."""
    best = np.sort(nearest_first(quotient, shots), axis=1)
    quotients = np.take_along_axis(quotient, best, axis=1)
    last = np.argsort(quotients == 0, axis=1, kind="stable")
    quotients = np.take_along_axis(quotients, last, axis=1)
    places = np.take_along_axis(order, np.take_along_axis(best, last, axis=1), axis=1)
    return Given(np.where(quotients > 0, places, -1), quotients)

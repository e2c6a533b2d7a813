"""Fit of answers to texts: their expectation, times what experts of other kinds say for them."""

import numpy as np

from metachain.embedding.similarity import unit_rows
from metachain.learning.gaussian_process import Answers, Fit, Floats, Listed, Settings, predict
from metachain.learning.index import SIMILARITY_DECIMALS
from metachain.learning.reply_profile import Profile

__all__ = ["PLAUSIBILITY_FLOOR", "UNLISTED", "answer_scores", "experts", "fits_of_answers", "product_of_experts"]

PLAUSIBILITY_FLOOR = 0.001
VOTE_FLOOR = 0.02
UNLISTED = 1e-4
TEXT_TEMPERATURE = 0.6
"""Temperature of the cosine between a text answer and the expected one."""


def product_of_experts(usage: Floats, vote: Floats, lift: Floats | None, settings: Settings) -> Floats:
    """``exp(usage_y)^u (v(x, y) + 0.02)^w l(x, y)^z``, positive, for arguments that broadcast.

    A product of experts (Hinton 2002, "Training Products of Experts by Minimizing Contrastive Divergence"). The
    exponents u, w and z are ``usage``, ``vote`` and ``lift`` of the settings. Raises ValueError where the settings use
    a lift and there is none.
    """
    product = np.exp(settings.usage * usage) * (vote + VOTE_FLOOR) ** settings.vote
    if not settings.lift:
        return np.asarray(product)
    if lift is None:
        raise ValueError("these settings use the pooled regression's lift, which the reply profile lacks")
    return np.asarray(product * lift**settings.lift)


def experts(usage: Floats, texts: Profile, answer: Answers, settings: Settings, listed: Listed = None) -> Floats:
    """``product_of_experts`` for answers (n, m) to each text: what speaks for them beside their expectation; (n, m).

    ``usage`` (C,) are the log ratios. Where a list is known, an answer that isn't ``listed`` (C,) counts a
    ten-thousandth. 1 where answers are texts. Results for negative answer numbers are undefined.
    """
    if texts.meaning is not None:
        return np.ones(answer.shape)
    answer = np.maximum(answer, 0)
    vote = np.take_along_axis(texts.vote, answer, axis=1)
    lift = None if texts.lift is None else np.take_along_axis(texts.lift, answer, axis=1)
    known = 1.0 if listed is None else np.where(listed[answer], 1.0, UNLISTED)
    return product_of_experts(usage[answer], vote, lift, settings) * known


def fits_of_answers(expected: Floats, weight: Floats, texts: Profile, answer: Answers) -> Floats:
    """``max(V(x, y), 0.001) E(x, y)``: fit of answers to texts; (n, m), positive.

    ``answer`` (n, m) are answer numbers; results for negative ones are undefined. ``expected`` is V (n, C) from
    ``predict``, ``weight`` E (n, m) from ``experts``. Where answers are texts, ``exp(cos(V(x), φ(y)) / 0.6)``, the
    closeness to the expected answer, times E.
    """
    answer = np.maximum(answer, 0)
    if texts.meaning is not None:
        mean = unit_rows(np.asarray(expected, np.float32))
        cosine = [texts.meaning[asked] @ vector for asked, vector in zip(answer, mean, strict=True)]
        rounded = np.round(np.array(cosine, float).reshape(answer.shape), SIMILARITY_DECIMALS)
        return np.asarray(np.exp(rounded / TEXT_TEMPERATURE) * weight)
    return np.asarray(np.maximum(np.take_along_axis(expected, answer, axis=1), PLAUSIBILITY_FLOOR) * weight)


def answer_scores(fitted: Fit, texts: Profile, answer: Answers, kernel: Floats | None = None) -> Floats:
    """``fits_of_answers`` of answers (n, m) to each text; (n, m), positive. ``kernel`` as for ``predict``."""
    weight = experts(fitted.usage, texts, answer, fitted.settings, fitted.listed)
    return fits_of_answers(predict(fitted, texts, kernel), weight, texts, answer)

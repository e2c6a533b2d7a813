"""Fusion of the posterior's answer to a query with a language model's."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from metachain.errors import DataError
from metachain.selection.selection import AnswerProbability

__all__ = ["Fusion", "FusionTrial", "WordTrial", "fusible_labels", "learn_fusion", "log_posterior"]

RIDGE = 1e-3
"""Penalty of the squared weights, beside the mean negative log-likelihood of a trial."""
MOST_PROBABLE = 10
"""Number of the posterior's answers that a fusion chooses from."""
LEAST = 1e-9
"""Smallest probability of an answer; its logarithm is finite."""
MARGINS = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
"""Margins that are tried, in nats, before the one that always keeps the model's answer."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fusion:
    """Weights of two opinions on a query's answer: the posterior's p, and a language model's.

    Where the model's probabilities q of the labels are known, the answer is ``argmax_y α log p(y) + w log q(y)``, a
    logarithmic pool of opinions (Genest & Zidek 1986). Where only its words are known, the model's answer a gives way
    to the posterior's best answer b where ``log p(b) - log p(a)`` is over the margin. Raises DataError for a weight or
    margin that is negative or not finite, and where both weights are 0.
    """

    posterior: float = 1.0
    """α ≥ 0; 0 leaves the decision to the model."""
    model: float = 1.0
    """w ≥ 0; 0 leaves the decision to the posterior."""
    margin: float | None = None
    """In nats, 0 or more; 0 leaves the decision to the posterior. None keeps every answer of the model."""

    def __post_init__(self) -> None:
        for name, value in (("posterior", self.posterior), ("model", self.model), ("margin", self.margin or 0.0)):
            if not (isfinite(value) and value >= 0):
                raise DataError(f"{name!r} of a fusion must be a finite number, 0 or more, got {value!r}")
        if not self.posterior and not self.model:
            raise DataError("one of the two weights of a fusion must be over 0")

    def probabilities(self, log_posterior: Floats, log_model: Floats) -> Floats:
        """Probabilities (m,) of labels, from their log-probabilities (m,) by the posterior and by the model.

        Both are normalised over the labels first, so log-probabilities of any constant offset will do.
        """
        pooled: Floats = softmax(self.posterior * log_posterior + self.model * log_softmax(log_model))
        return pooled

    def worded(self, answer: str, answers: Sequence[AnswerProbability]) -> str:
        """Choose between a model's answer in words and the most probable of ``answers``, which is the first.

        An answer of the model that is not among them has the smallest of their probabilities.
        """
        if not answers or self.margin is None:
            return answer
        own, best = log_posterior([answer, answers[0].answer], answers)
        return answers[0].answer if best - own > self.margin else answer


@dataclass(frozen=True, slots=True)
class FusionTrial:
    """A query of a held-out episode, with two opinions on each of its m labels, and the right answer."""

    labels: tuple[str, ...]
    log_posterior: tuple[float, ...]
    """(m,) natural logarithms of calibrated probabilities (``log_posterior``)."""
    log_model: tuple[float, ...]
    """(m,) natural logarithms of the model's probabilities, up to a constant."""
    truth: str


@dataclass(frozen=True, slots=True)
class WordTrial:
    """A query of a held-out episode, with the posterior's answers, the model's answer and the right one."""

    answers: tuple[AnswerProbability, ...]
    """Most probable first."""
    answer: str
    truth: str


def fusible_labels(known: Iterable[str], answers: Sequence[AnswerProbability]) -> list[str]:
    """Labels to choose from: those ``known``, and the ten most probable of ``answers``; in alphabetical order."""
    return sorted({*known, *(one.answer for one in answers[:MOST_PROBABLE])})


def log_posterior(labels: Sequence[str], answers: Sequence[AnswerProbability]) -> Floats:
    """Log-probability (m,) of labels by the posterior, in nats; labels not among ``answers`` get the smallest given.

    Without answers all labels are equally probable.
    """
    known = {one.answer: max(one.probability, LEAST) for one in answers}
    return np.log([known.get(label, min(known.values(), default=1.0)) for label in labels])


def learn_fusion(scored: Sequence[FusionTrial] = (), worded: Sequence[WordTrial] = ()) -> Fusion:
    """Learn the weights from trials with scores, and the margin from trials with words; what has none stays as it is.

    The weights α, w ≥ 0 minimise the mean negative log-likelihood of the right answers, a conditional logit (McFadden
    1974), plus ``RIDGE (α² + w²)``; where neither opinion helps, the posterior decides, with nearly uniform
    probabilities. Trials whose right answer is not among their labels teach nothing. The margin is
    the largest whose share of right answers is within one standard error (paired over trials) of the best.
    """
    margin = _margin(worded) if worded else None
    usable = [one for one in scored if one.truth in one.labels]
    if not usable:
        return Fusion(margin=margin)
    opinions, right = _stacked(usable)
    found = minimize(_loss, np.ones(2), (opinions, right), jac=True, method="L-BFGS-B", bounds=[(0, None)] * 2)
    posterior, model = map(float, found.x)
    return Fusion(posterior if posterior or model else LEAST, model, margin)


def _stacked(trials: Sequence[FusionTrial]) -> tuple[Floats, NDArray[np.intp]]:
    """Log-probabilities (2, n, m) of both opinions, -inf where a trial has fewer labels; places (n,) of the truths."""
    width = max(len(one.labels) for one in trials)
    opinions = np.full((2, len(trials), width), -np.inf)
    for row, one in enumerate(trials):
        for opinion, given in enumerate((one.log_posterior, one.log_model)):
            opinions[opinion, row, : len(one.labels)] = log_softmax(given)
    return opinions, np.array([one.labels.index(one.truth) for one in trials])


def _loss(weights: Floats, opinions: Floats, right: NDArray[np.intp]) -> tuple[float, Floats]:
    """Mean negative log-likelihood of the right answers plus the ridge, and its gradient (2,)."""
    there = np.isfinite(opinions[0])
    known = np.where(there, opinions, 0.0)
    log_pooled = log_softmax(np.where(there, np.tensordot(weights, known, 1), -np.inf), axis=1)
    rows = np.arange(len(right))
    expected = (np.exp(log_pooled) * known).sum(axis=2).mean(axis=1)
    loss = -log_pooled[rows, right].mean() + RIDGE * float(weights @ weights)
    return loss, expected - known[:, rows, right].mean(axis=1) + 2 * RIDGE * weights


def _margin(trials: Sequence[WordTrial]) -> float | None:
    margins = (*MARGINS, None)
    fused = [
        [Fusion(margin=margin).worded(one.answer, one.answers) == one.truth for one in trials] for margin in margins
    ]
    right = np.array(fused, float)
    behind = right[right.mean(axis=1).argmax()] - right
    error = np.sqrt((behind**2).sum(axis=1)) / len(trials)
    return margins[int(np.flatnonzero(behind.mean(axis=1) <= error)[-1])]

"""Which demonstrations mislead a model wherever they are shown: found in its outcomes, by regression."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, orth
from scipy.sparse import csr_array

__all__ = ["Exposure", "Harm", "Key", "misleading", "suspects"]

LEAST_QUERIES = 5
"""Different queries that a demonstration must have been shown for."""
MOST_EXAMINED = 2000
"""Demonstrations; those shown most often."""
CERTAIN = 4.0
"""Standard deviations that the harm must be from nothing, as thousands of demonstrations are looked at."""
LEAST_HARM = 0.25
PRIOR_SPREAD = 0.2
"""Standard deviation of what one demonstration is thought, in advance, to add to a score."""
LEAST_NOISE = 0.1
"""Standard deviation of a score that is expected at the least."""
REFITS = 2
"""The first with all variance taken for noise, the second with what the first leaves."""

Key = tuple[str, str]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Exposure:
    """One answer of a model, by what it was shown and what it earned."""

    query: str
    shown: tuple[Key, ...]
    """Institution and id, in prompt order."""
    worth: tuple[float, ...]
    """What an answer would earn that copies each demonstration shown, in [0, 1]."""
    score: float


@dataclass(frozen=True, slots=True)
class Harm:
    """What showing a demonstration does to a score, beyond what the rightness of the answers shown explains."""

    effect: float
    """Posterior mean."""
    deviation: float
    """Posterior standard deviation."""
    queries: int
    """Different queries that it was shown for."""


def misleading(exposures: Sequence[Exposure]) -> Mapping[Key, Harm]:
    """Find demonstrations under which the same queries are answered worse; worst first.

    Scores are compared within each query, so that its difficulty doesn't count, and beside how right the answers shown
    were (their mean, best, first and last worth, and how many), so that a demonstration isn't blamed for an
    institution's other convention. The effects of all demonstrations together are Gaussian with standard deviation
    0.2 in advance (ridge regression; Hoerl & Kennard 1970). Named are those shown for 5 queries or more whose effect is
    below -0.25, and below 0 by 4 standard deviations.
    """
    return {
        key: harm
        for key, harm in _harms(exposures, LEAST_QUERIES).items()
        if harm.effect < -LEAST_HARM and harm.effect + CERTAIN * harm.deviation < 0
    }


def suspects(exposures: Sequence[Exposure]) -> list[Key]:
    """Demonstrations that may mislead, shown for as little as one query; the likeliest first."""
    harms = {key: harm for key, harm in _harms(exposures, 1).items() if harm.effect < 0}
    return sorted(harms, key=lambda key: (harms[key].effect / harms[key].deviation, key))


def _harms(exposures: Sequence[Exposure], least: int) -> Mapping[Key, Harm]:
    """Effect of every demonstration that was shown for ``least`` queries or more, the worst first."""
    asked: dict[Key, set[str]] = defaultdict(set)
    for one in exposures:
        for key in one.shown:
            asked[key].add(one.query)
    often = sorted((key for key in asked if len(asked[key]) >= least), key=lambda key: (-len(asked[key]), key))
    examined = often[:MOST_EXAMINED]
    if not examined:
        return {}
    effect, deviation = _effects(exposures, examined)
    found = {
        key: Harm(float(effect[place]), float(deviation[place]), len(asked[key])) for place, key in enumerate(examined)
    }
    return dict(sorted(found.items(), key=lambda item: (item[1].effect, item[0])))


def _effects(exposures: Sequence[Exposure], examined: Sequence[Key]) -> tuple[Floats, Floats]:
    """Posterior mean and standard deviation of each demonstration's effect; (D,) each."""
    number = {key: place for place, key in enumerate(examined)}
    query: dict[str, int] = {}
    group = np.array([query.setdefault(one.query, len(query)) for one in exposures])
    shown = [(row, number[key]) for row, one in enumerate(exposures) for key in set(one.shown) if key in number]
    rows, columns = np.array(shown).T
    indicator = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(exposures), len(examined)))
    context = np.array([_context(one) for one in exposures])
    score = np.array([one.score for one in exposures])
    design = _within(indicator.toarray(), group)
    others = orth(_within(context, group))
    score = _within(score[:, None], group)[:, 0]
    design -= others @ (others.T @ design)
    score -= others @ (others.T @ score)
    noise = float(score.var())
    for _ in range(REFITS):
        noise = max(noise, LEAST_NOISE**2)
        precision = design.T @ design / noise + np.eye(len(examined)) / PRIOR_SPREAD**2
        covariance = cho_solve(cho_factor(precision, lower=True), np.eye(len(examined)))
        effect = covariance @ (design.T @ score) / noise
        noise = float(((score - design @ effect) ** 2).mean())
    return effect, np.sqrt(np.diag(covariance))


def _context(one: Exposure) -> list[float]:
    worth = one.worth
    if not worth:
        return [0.0] * 6
    return [1.0, len(worth), sum(worth) / len(worth), max(worth), worth[0], worth[-1]]


def _within(values: Floats, group: NDArray[np.intp]) -> Floats:
    """Values (n, d) less the mean of their group."""
    total = np.zeros((int(group.max()) + 1, values.shape[1]))
    np.add.at(total, group, values)
    centred: Floats = values - (total / np.bincount(group)[:, None])[group]
    return centred

"""Demonstrations that mislead a model wherever they are shown, found by regression on its outcomes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, orth
from scipy.sparse import csr_array

__all__ = ["Exposure", "Harm", "Key", "misleading", "suspects"]

LEAST_QUERIES = 5
"""Minimum number of different queries for which a demonstration must have been shown."""
MOST_EXAMINED = 2000
"""Maximum number of demonstrations examined: those shown most often."""
CERTAIN = 4.0
"""Standard deviations by which the effect must be below 0, as thousands of demonstrations are tested."""
LEAST_HARM = 0.25
"""Least harm to a score, in [0, 1]."""
PRIOR_SPREAD = 0.2
"""Prior standard deviation of one demonstration's effect on a score."""
LEAST_NOISE = 0.1
"""Minimum standard deviation of the noise in a score."""
REFITS = 2
"""Number of fits: the first takes all variance as noise, the second the residual variance of the first."""

Key = tuple[str, str]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Exposure:
    """One answer of a model, its score in [0, 1], and the demonstrations shown."""

    query: str
    shown: tuple[Key, ...]
    """Institution and id of each demonstration shown, in prompt order."""
    worth: tuple[float, ...]
    """Score, in [0, 1], for copying the answer of each demonstration shown."""
    score: float


@dataclass(frozen=True, slots=True)
class Harm:
    """Effect on the score of showing a demonstration, beyond the effect of how right the answers shown are."""

    effect: float
    """Posterior mean; ``deviation`` is the posterior standard deviation."""
    deviation: float
    queries: int
    """Number of different queries for which it was shown."""


def misleading(exposures: Sequence[Exposure]) -> Mapping[Key, Harm]:
    """Find demonstrations that make the answers to the same queries worse; most harmful first.

    Scores are compared within each query, so that the query's difficulty doesn't count. The regression also controls
    for how right the answers shown were (mean, best, first and last worth, and their number), so that a demonstration
    isn't blamed for following another institution's convention. The effects have independent Gaussian priors with
    standard deviation 0.2 (ridge regression; Hoerl & Kennard 1970). A demonstration is returned if it was shown for 5
    queries or more and its effect is below -0.25, and below 0 by 4 standard deviations.
    """
    return {
        key: harm
        for key, harm in _harms(exposures, LEAST_QUERIES).items()
        if harm.effect < -LEAST_HARM and harm.effect + CERTAIN * harm.deviation < 0
    }


def suspects(exposures: Sequence[Exposure]) -> list[Key]:
    """Demonstrations that may mislead, shown for one query or more; the likeliest first."""
    harms = {key: harm for key, harm in _harms(exposures, 1).items() if harm.effect < 0}
    return sorted(harms, key=lambda key: (harms[key].effect / harms[key].deviation, key))


def _harms(exposures: Sequence[Exposure], least: int) -> Mapping[Key, Harm]:
    """Effect of each demonstration that was shown for ``least`` queries or more; the most harmful first."""
    asked: dict[Key, set[str]] = defaultdict(set)
    for one in exposures:
        for key in one.shown:
            asked[key].add(one.query)
    often = [key for key in asked if len(asked[key]) >= least]
    examined = sorted(often, key=lambda key: (-len(asked[key]), key))[:MOST_EXAMINED]
    if not examined:
        return {}
    effect, deviation = _effects(exposures, examined)
    pairs = zip(examined, effect.tolist(), deviation.tolist(), strict=True)
    found = {key: Harm(mean, spread, len(asked[key])) for key, mean, spread in pairs}
    return dict(sorted(found.items(), key=lambda item: (item[1].effect, item[0])))


def _effects(exposures: Sequence[Exposure], examined: Sequence[Key]) -> tuple[Floats, Floats]:
    """Posterior mean and standard deviation of the effects of D demonstrations; (D,) each."""
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
    """Controls of the regression: shown at all, number shown, and mean, best, first and last worth."""
    worth = one.worth
    return [1.0, len(worth), sum(worth) / len(worth), max(worth), worth[0], worth[-1]] if worth else [0.0] * 6


def _within(values: Floats, group: NDArray[np.intp]) -> Floats:
    """Values (n, d) less the mean of their group; ``group`` (n,) are group numbers."""
    total = np.zeros((int(group.max()) + 1, values.shape[1]))
    np.add.at(total, group, values)
    return np.asarray(values - (total / np.bincount(group)[:, None])[group])

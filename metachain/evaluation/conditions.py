"""The ten conditions of the meta-learning pattern, five for its use and five against; one number decides each."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from metachain.evaluation.bootstrap import Interval, mean_interval

__all__ = ["FEWEST_FOR_INTERVAL", "LACKING_AT", "RELATED", "RULES", "Condition", "Rule", "decide_by_count"]
__all__ += ["decide_by_mean"]

RELATED = 0.10
"""Least excess transfer of an institution that counts as related to another."""
LACKING_AT = 4
"""Own labels with which an institution counts as lacking them."""
FEWEST_FOR_INTERVAL = 4
"""Institutions; a bootstrap of fewer values would promise too much."""

Floats = NDArray[np.float64]
Kind = Literal["use", "avoid"]
Side = Literal["at least", "under"]


@dataclass(frozen=True, slots=True)
class Rule:
    """Definition of a condition: its measure and the threshold."""

    name: str
    kind: Kind
    side: Side
    """Side of the threshold on which the condition holds."""
    threshold: float
    unit: str
    """Things counted, or ``of`` the things that the measure is a share of."""
    meaning: str
    """Meaning of the measure, in plain words."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Outcome of one of the ten conditions for one library."""

    name: str
    kind: Kind
    holds: bool | None
    """None where undecided: nothing could be measured, or the interval includes the threshold."""
    measure: float | None
    """None where nothing could be measured."""
    interval: Interval | None
    """95 % bootstrap interval over institutions; None for counts, and with fewer than 4 institutions."""
    side: Side
    threshold: float
    unit: str
    explanation: str
    """Meaning of the measure, and the reason where it is undecided."""


_RELATED_ONES = "institutions whose inputs another one answers at least 10 points better than by chance"
_FEW = f"queries right with half of an institution's own demonstrations, minus those right with {LACKING_AT} of them"
_ADAPTING = "queries right with 16 labels, minus those right with what was learned from the others alone"
_DIFFERING = "near-identical texts of two institutions that are answered differently"
_WAYS = "ways of answering: institutions that answer 3 of 4 near-identical texts alike count once"
_UNRELATED = "inputs that the best other institution answers right, minus those right by chance"
_ABUNDANT = "institutions where half of their own demonstrations score as well as 16 labels with all other institutions"
_SIMPLE = "queries right by learning with 4 and 16 labels, minus those right by plain nearest neighbours"
_SECONDS = "seconds to embed and learn this library from scratch on this machine as it is now"

RULES = (
    Rule("many related tasks", "use", "at least", 5, "institutions", _RELATED_ONES),
    Rule("few examples per task", "use", "at least", 0.05, "of its queries", _FEW),
    Rule("tasks from one distribution", "use", "at least", 2 / 3, "of institutions", _RELATED_ONES),
    Rule("fast adaptation needed", "use", "at least", 0.02, "of its queries", _ADAPTING),
    Rule("personalisation at scale", "use", "at least", 0.1, "of near-identical texts", _DIFFERING),
    Rule("a single task", "avoid", "under", 3, "ways of answering", _WAYS),
    Rule("unrelated tasks", "avoid", "under", 0.05, "of its inputs", _UNRELATED),
    Rule("abundant data per task", "avoid", "at least", 0.5, "of institutions", _ABUNDANT),
    Rule("simple transfer suffices", "avoid", "under", 0.02, "of its queries", _SIMPLE),
    Rule("compute limits", "avoid", "at least", 600.0, "seconds", _SECONDS),
)


def decide_by_count(rule: Rule, number: float | None) -> Condition:
    """Decide by a number without an interval; None where it could not be measured."""
    if number is None:
        return _condition(rule, None, None, None, "could not be measured")
    return _condition(rule, (number >= rule.threshold) == (rule.side == "at least"), number, None)


def decide_by_mean(rule: Rule, values: Floats) -> Condition:
    """Decide by the mean over institutions (S,), nan for an institution without a number.

    The condition is decided where the interval of the mean lies on one side of the threshold.
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return _condition(rule, None, None, None, "could not be measured")
    mean, span = float(known.mean()), mean_interval(known, fewest=FEWEST_FOR_INTERVAL)
    if span is None:
        return _condition(rule, None, mean, None, f"measured at {len(known)} only, too few for an interval")
    low, high = span
    if low < rule.threshold <= high:
        return _condition(rule, None, mean, span, "the threshold lies within the interval")
    return _condition(rule, (low >= rule.threshold) == (rule.side == "at least"), mean, span)


def _condition(rule: Rule, holds: bool | None, value: float | None, span: Interval | None, why: str = "") -> Condition:
    explanation = f"{rule.meaning} ({why})" if why else rule.meaning
    return Condition(rule.name, rule.kind, holds, value, span, rule.side, rule.threshold, rule.unit, explanation)

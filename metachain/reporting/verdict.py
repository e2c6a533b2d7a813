"""Verdict on an evaluation, in plain words."""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from metachain.evaluation.bootstrap import Interval
from metachain.evaluation.result import Evaluation
from metachain.evaluation.result_rows import SummaryRow, at_skill
from metachain.reporting.comparison import BASELINE, OURS, differences, ordered, tally, variants
from metachain.reporting.wording import listed, number, percent, score

__all__ = ["verdict"]

SIDES = {1: "wins at", 0: "shows no difference at", -1: "loses at"}
SYNTHETIC = "These numbers come from a generated, synthetic world: they show how it works, not how well."


class _Outcome(NamedTuple):
    """Summary rows of metachain, a row a label count, sorted by the intervals of the gain over the baseline."""

    rows: list[SummaryRow]
    won: list[SummaryRow]
    """Wins at every skill of the reader."""
    split: list[SummaryRow]
    """Wins at some skills only."""
    lost: list[SummaryRow]
    """Losses at some skill and wins at none; the row is that of the lowest skill that loses."""
    open: list[SummaryRow]
    curves: Mapping[int, Sequence[SummaryRow]]
    """Rows by label count, in ascending order of skill."""

    @property
    def headline(self) -> SummaryRow:
        """The row that the verdict details: the most labels among wins, else losses, else undecided rows."""
        return (self.won or self.split or self.lost or self.open)[-1]

    @property
    def skills(self) -> list[str]:
        """Skills of the readers, in ascending order."""
        return [f"{row.skill:g}" for row in self.curves[self.rows[0].labels]]


def verdict(result: Evaluation) -> str:
    """Compare metachain with plain nearest neighbours in two to four sentences, and advise.

    It beats them at a label count where its gain is shown at every skill of the reader that was tried. Where there were
    further readers, one more sentence gives their gains, and where the skill decides, one says at which it loses.
    """
    rows = [row for row in result.summary if row.selector == OURS and _known(row.gain)]
    sentences = _judged(result, rows) if at_skill(rows) else _unjudged(result)
    if result.settings.synthetic:
        sentences.append(SYNTHETIC)
    return " ".join(sentences)


def _judged(result: Evaluation, rows: list[SummaryRow]) -> list[str]:
    outcome = _outcome(rows)
    labels = outcome.headline.labels
    details = *_by_skill(outcome), *_who(result, labels), *_other_readers(result, labels)
    return [_comparison(outcome), *details, _advice(outcome)]


def _outcome(rows: list[SummaryRow]) -> _Outcome:
    main = sorted(at_skill(rows), key=lambda row: row.labels)
    by_skill = sorted(rows, key=lambda row: row.skill)
    curves = {row.labels: [one for one in by_skill if one.labels == row.labels] for row in main}
    found = _Outcome(main, [], [], [], [], curves)
    for row in main:
        curve = curves[row.labels]
        sides = set(map(_side, curve))
        if 1 in sides:
            (found.won if sides == {1} else found.split).append(row)
        elif -1 in sides:
            found.lost.append(next(one for one in curve if _side(one) < 0))
        else:
            found.open.append(row)
    return found


def _unjudged(result: Evaluation) -> list[str]:
    present = ordered(row.selector for row in result.summary)
    missing = [name for name in (OURS, BASELINE) if name not in present]
    why = f"it has no scores of {listed(missing)}" if missing else f"no gain over {BASELINE} could be computed"
    scored = f"It scored {listed(present)}." if present else "It scored nothing."
    return [
        f"This evaluation can't say whether {OURS} pays: {why}.",
        f"{scored} Evaluate both {OURS} and {BASELINE} on the same institutions to know.",
    ]


def _comparison(outcome: _Outcome) -> str:
    nearest = f"{BASELINE} (plain nearest neighbours)"
    loses = f"; it loses at {_counts(outcome.lost)}: {_gain(outcome.lost[-1])}" if outcome.lost else ""
    if outcome.won:
        ends = (*outcome.won[:1], *outcome.won[1:][-1:])
        skills = f", whatever the reader's skill ({listed(outcome.skills)}); at skill 0" if outcome.skills[1:] else ""
        gains = listed(_gain(row) for row in ends)
        return f"{OURS} beats {nearest} at {_counts(outcome.won)}{skills}: {gains}{loses}{_unshown(outcome)}."
    if outcome.split:
        gain = f"at skill 0: {_gain(outcome.headline)}"
        return f"{OURS} beats {nearest} only at some skills of the reader; {gain}{loses}{_unshown(outcome)}."
    if outcome.lost:
        return f"{OURS} loses to {nearest} at {_counts(outcome.lost)}: {_gain(outcome.lost[-1])}{_unshown(outcome)}."
    where = "at any label count" if len(outcome.rows) > 1 else f"at {_counts(outcome.rows)}"
    return f"No difference between {OURS} and {nearest} could be shown {where}: {_gain(outcome.headline)}."


def _unshown(outcome: _Outcome) -> str:
    if not outcome.open:
        return ""
    return f"; at {_counts(outcome.open)} no difference could be shown: {_gain(outcome.open[-1])}"


def _by_skill(outcome: _Outcome) -> list[str]:
    """Skills at which it wins, loses, or shows no difference, for label counts where these differ."""
    parts = []
    for curve in outcome.curves.values():
        runs = [(side, list(rows)) for side, rows in groupby(curve, _side)]
        if len(runs) > 1:
            told = listed(f"{SIDES[side]} {_skills(rows)}" for side, rows in runs)
            parts.append(f"at {_counts(curve[:1])} it {told}")
    return [f"The reader's skill decides: {'; '.join(parts)}."] if parts else []


def _who(result: Evaluation, labels: int) -> list[str]:
    """Institutions that gain and lose, the worst decile, and what is shown, at the headline's label count."""
    parts = []
    here = differences(result.scores).get(labels)
    if here:
        gain, lose = tally(here)
        noun = "institution gains" if gain == len(here) == 1 else "institutions gain"
        losers = {0: "none loses", 1: "1 loses"}.get(lose, f"{lose} lose")
        parts.append(f"{gain} of {len(here)} {noun} and {losers}")
    rows = {row.selector: row for row in at_skill(result.summary) if row.labels == labels}
    ours, baseline = rows[OURS], rows.get(BASELINE)
    if baseline and _known(ours.worst_decile):
        worst, before = score(ours.worst_decile), score(baseline.worst_decile)
        parts.append(f"the worst decile of institutions scores {worst} ({BASELINE}: {before})")
    shown = f"; {_shown(ours, baseline)}" if baseline and _known(ours.recall) and _known(baseline.recall) else ""
    return [f"At {_counts([ours])}, {', and '.join(parts)}{shown}."] if parts else []


def _shown(ours: SummaryRow, baseline: SummaryRow) -> str:
    """The best answers shown and their number, beside the baseline's."""
    own, other = (f"{number(row.distinct)} different ones on {number(row.shots)}" for row in (ours, baseline))
    return (
        f"the best answer shown scores {score(ours.recall)}, of {own} demonstrations "
        f"({BASELINE}: {score(baseline.recall)}, of {other})"
    )


def _other_readers(result: Evaluation, labels: int) -> list[str]:
    """Gain with each further reader at the headline's label count."""
    further = list(variants(result).get("reader", {}).items())[1:]
    gains = [f"{name} {_gain(rows[labels])}" for name, rows in further if labels in rows and _known(rows[labels].gain)]
    return [f"Other readers find: {listed(gains)}."] if gains else []


def _advice(outcome: _Outcome) -> str:
    keep = f"keep {BASELINE}, the simpler one"
    if outcome.won:
        suffix = len(outcome.won) > 1 and outcome.rows[-len(outcome.won) :] == outcome.won
        all_won = len(outcome.won) == len(outcome.rows)
        first = "at every label count tried" if all_won else f"from {_counts(outcome.won[:1])} on"
        where = first if suffix else f"at {_counts(outcome.won)}"
        depends = f"; at {_counts(outcome.split)} that depends on your model's skill" if outcome.split else ""
        return (
            f"It pays to use {OURS} {where}{depends}{f'; at {_counts(outcome.lost)} {keep}' if outcome.lost else ''}."
        )
    if outcome.split:
        return f"It pays only with a model of a skill at which {OURS} wins; else {keep}."
    if outcome.lost:
        return f"It does not pay here: {keep}."
    return f"Nothing here says that it pays: {keep}, or evaluate with more institutions or more labels."


def _gain(row: SummaryRow) -> str:
    interval = _interval(row)
    where = _counts([row]) + (f" and skill {row.skill:g}" if row.skill else "")
    if interval is None:
        return f"{percent(row.gain)} at {where} (too few institutions for an interval)"
    spread = f"95 % interval {percent(interval[0])} to {percent(interval[1])}"
    includes = "" if interval[0] > 0 or interval[1] < 0 else ", which includes 0"
    return f"{percent(row.gain)} at {where} ({spread}{includes})"


def _counts(rows: Sequence[SummaryRow]) -> str:
    noun = "label" if [row.labels for row in rows] == [1] else "labels"
    return f"{listed(row.labels for row in rows)} {noun}"


def _skills(rows: Sequence[SummaryRow]) -> str:
    """Range of the skills of rows that follow each other, and of their gains."""
    ends = (*rows[:1], *rows[1:][-1:])
    return f"skill {' to '.join(f'{row.skill:g}' for row in ends)} ({' to '.join(percent(row.gain) for row in ends)})"


def _side(row: SummaryRow) -> int:
    """1 where the interval of the gain lies above 0, -1 where it lies below, else 0."""
    interval = _interval(row)
    return 0 if interval is None else (interval[0] > 0) - (interval[1] < 0)


def _interval(row: SummaryRow) -> Interval | None:
    """Interval of the gain, where both ends are finite."""
    return row.ci95 if row.ci95 and all(map(_known, row.ci95)) else None


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)

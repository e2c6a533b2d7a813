"""Verdict on an evaluation, in plain words."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from metachain.evaluation.bootstrap import Interval
from metachain.evaluation.result import Evaluation
from metachain.evaluation.result_rows import SummaryRow
from metachain.reporting.comparison import BASELINE, OURS, differences, ordered, tally, variants
from metachain.reporting.wording import listed, percent, score

__all__ = ["verdict"]

SYNTHETIC = "These numbers come from a generated, synthetic world: they show how it works, not how well."


class _Outcome(NamedTuple):
    """Summary rows of metachain, sorted by the interval of their gain over the baseline."""

    rows: list[SummaryRow]
    won: list[SummaryRow]
    lost: list[SummaryRow]
    open: list[SummaryRow]
    headline: SummaryRow
    """Row that the verdict details: the most labels among wins, else losses, else undecided rows."""


def verdict(result: Evaluation) -> str:
    """Compare metachain with plain nearest neighbours in two to four sentences, and advise.

    Where there were further readers, one more sentence gives their gains.
    """
    rows = [row for row in result.summary if row.selector == OURS and _known(row.gain)]
    sentences = _judged(result, sorted(rows, key=lambda row: row.labels)) if rows else _unjudged(result)
    if result.settings.synthetic:
        sentences.append(SYNTHETIC)
    return " ".join(sentences)


def _judged(result: Evaluation, rows: list[SummaryRow]) -> list[str]:
    won = [row for row in rows if (interval := _interval(row)) and interval[0] > 0]
    lost = [row for row in rows if (interval := _interval(row)) and interval[1] < 0]
    unsure = [row for row in rows if row not in won and row not in lost]
    top = (won or lost or unsure)[-1]
    outcome = _Outcome(rows, won, lost, unsure, top)
    return [_comparison(outcome), *_who(result, top), *_other_readers(result, top.labels), _advice(outcome)]


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
    if outcome.won:
        ends = (*outcome.won[:1], *outcome.won[1:][-1:])
        text = f"{OURS} beats {nearest} at {_counts(outcome.won)}: {listed(_gain(row) for row in ends)}"
        text += f"; it loses at {_counts(outcome.lost)}: {_gain(outcome.lost[-1])}" if outcome.lost else ""
        return f"{text}{_unshown(outcome)}."
    if outcome.lost:
        return f"{OURS} loses to {nearest} at {_counts(outcome.lost)}: {_gain(outcome.lost[-1])}{_unshown(outcome)}."
    where = "at any label count" if len(outcome.rows) > 1 else f"at {_counts(outcome.rows)}"
    return f"No difference between {OURS} and {nearest} could be shown {where}: {_gain(outcome.headline)}."


def _unshown(outcome: _Outcome) -> str:
    if not outcome.open:
        return ""
    return f"; at {_counts(outcome.open)} no difference could be shown: {_gain(outcome.open[-1])}"


def _who(result: Evaluation, row: SummaryRow) -> list[str]:
    """Numbers of institutions that gain and lose, and the worst decile, at the headline's label count."""
    labels, parts = row.labels, []
    here = differences(result.scores).get(labels)
    if here:
        gain, lose = tally(here)
        noun = "institution gains" if gain == len(here) == 1 else "institutions gain"
        losers = {0: "none loses", 1: "1 loses"}.get(lose, f"{lose} lose")
        parts.append(f"{gain} of {len(here)} {noun} and {losers}")
    baseline = [other for other in result.summary if other.selector == BASELINE and other.labels == labels]
    if baseline and _known(row.worst_decile):
        worst, before = score(row.worst_decile), score(baseline[0].worst_decile)
        parts.append(f"the worst decile of institutions scores {worst} ({BASELINE}: {before})")
    return [f"At {_counts([row])}, {', and '.join(parts)}."] if parts else []


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
        return f"It pays to use {OURS} {where}{f'; at {_counts(outcome.lost)} {keep}' if outcome.lost else ''}."
    if outcome.lost:
        return f"It does not pay here: {keep}."
    return f"Nothing here says that it pays: {keep}, or evaluate with more institutions or more labels."


def _gain(row: SummaryRow) -> str:
    interval = _interval(row)
    if interval is None:
        return f"{percent(row.gain)} at {_counts([row])} (too few institutions for an interval)"
    spread = f"95 % interval {percent(interval[0])} to {percent(interval[1])}"
    includes = "" if interval[0] > 0 or interval[1] < 0 else ", which includes 0"
    return f"{percent(row.gain)} at {_counts([row])} ({spread}{includes})"


def _counts(rows: Sequence[SummaryRow]) -> str:
    noun = "label" if [row.labels for row in rows] == [1] else "labels"
    return f"{listed(row.labels for row in rows)} {noun}"


def _interval(row: SummaryRow) -> Interval | None:
    """Interval of the gain, where both ends are finite."""
    return row.ci95 if row.ci95 and all(map(_known, row.ci95)) else None


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)

"""Tables and sentences that the command line prints: evaluations, diagnoses, selections, receipts."""

from collections.abc import Callable, Mapping, Sequence
from math import isnan
from typing import TypeVar

from rich.console import Group
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from metachain.cli.shared.console import one_line, out, short
from metachain.evaluation.ablation import PARTS
from metachain.evaluation.conditions import Condition
from metachain.evaluation.diagnosis import Diagnosis
from metachain.evaluation.gain_forecast import Gain
from metachain.evaluation.result import Evaluation
from metachain.evaluation.result_rows import PartWorth, SummaryRow, at_skill
from metachain.learning.changes import Change, describe_change
from metachain.learning.episodes import LABELS
from metachain.learning.guard import ARMS, NEAREST
from metachain.learning.own_labels import Conflict
from metachain.learning.prior import GuardResult
from metachain.learning.unlearning import Receipt
from metachain.reporting.comparison import BASELINE, OURS, differences, fares, ordered, variants, worths
from metachain.reporting.verdict import verdict
from metachain.reporting.wording import listed, number, percent, points, score, share
from metachain.selection.selection import Selection

__all__ = ["print_changes", "print_conflicts", "print_diagnosis", "print_evaluation", "print_institutions"]
__all__ += ["print_lesson", "print_receipt", "print_selection", "print_summary", "print_verdict"]
Row = TypeVar("Row", SummaryRow, PartWorth)
HOLDS = {True: "yes", False: "no", None: "can't tell"}
KINDS = {
    "demonstration": "a demonstration",
    "answer": "an answer",
    "institution": "an institution",
    "patient": "a patient",
}


def print_summary(summary: Sequence[SummaryRow]) -> None:
    """Print mean scores and gains over ``semantic`` at every label count, and the interval of metachain's gain.

    A second table has what was shown at the largest label count, and the mean scores by skill, where known.
    """
    labels = sorted({row.labels for row in summary})
    cells = {(row.selector, row.labels): row for row in at_skill(summary)}
    table = Table(_selector_column(), *(f"{k} labels" for k in labels), title=f"mean score, and gain over {BASELINE}")
    for selector in ordered(row.selector for row in summary):
        ours = selector == OURS
        table.add_row(selector, *(_cell(cells.get((selector, k))) for k in labels), style="bold" if ours else None)
        if ours:
            table.add_row("  95 %", *(_interval(cells.get((selector, k))) for k in labels))
    out.print(table)
    if labels:
        _print_shown([row for row in summary if row.labels == labels[-1]])


def print_verdict(result: Evaluation) -> None:
    """Print in two to four sentences whether metachain beats plain nearest neighbours, and for whom."""
    out.print(verdict(result))


def print_lesson(lesson: GuardResult) -> None:
    """Print the scores of the guard's episodes, and its decision."""
    if all(map(isnan, lesson.scores.flat)):
        out.print(
            "nothing could be rehearsed: no institution has two demonstrations; plain nearest neighbours are kept"
        )
        return
    nearest = ARMS.index(NEAREST)
    for labels, scores in zip(LABELS, lesson.scores, strict=True):
        learned = max(score for place, score in enumerate(scores) if place != nearest)
        out.print(f"  rehearsed with {labels:>2} labels: nearest {scores[nearest]:.3f}, best learned {learned:.3f}")
    if lesson.settings is None:
        out.print("the guard keeps plain nearest neighbours: learning does not pay in this library")
    else:
        chosen = lesson.settings
        out.print(f"the guard lets learning in: belief {chosen.belief}, scale {chosen.scale}, slip {chosen.slip}")


def print_selection(selection: Selection) -> None:
    """Print the demonstrations of a selection in prompt order, each with its reason."""
    if not selection.chosen:
        out.print("no demonstrations to show")
        return
    best = "first" if selection.best_first else "last"
    title = f"chosen by {selection.method}, the best {best}"
    table = Table("", "input", "output", "why", title=title, show_lines=True)
    in_order = selection.in_order
    for place, one in enumerate(in_order, start=1):
        texts = (str(place), short(one.demonstration.input), short(one.demonstration.output), one_line(one.reason))
        table.add_row(*map(Text, texts))
    out.print(table)


def print_conflicts(institution: str, found: Sequence[Conflict]) -> None:
    """Print how many texts of an institution have several answers, with an example; nothing without any."""
    if not found:
        return
    newest, other = found[0].newest, found[0].others[0]
    out.print(
        f"{len(found)} text(s) of {institution} have several answers: the newest counts. "
        f"{short(newest.input)!r} was {short(other.output)!r}, and is {short(newest.output)!r}. "
        "Where both are right, add them with --keep-both"
    )


def print_past_changes(changes: Mapping[str, Sequence[Change]], outdated: int) -> None:
    """Print the changes of past institutions, and how many demonstrations are outdated; nothing without any."""
    for name, some in changes.items():
        for one in some:
            out.print(one_line(f"{name} has changed: {describe_change(one, own=False)}"))
    if outdated:
        out.print(f"{outdated} demonstration(s) of past institutions are outdated: neither learned from nor shown")


def print_changes(institution: str, changes: Sequence[Change], texts: Mapping[str, str]) -> None:
    """Print the sure changes of an institution's answers, and the ``texts`` of ids whose labels would settle them."""
    for one in changes:
        if one.sure:
            out.print(one_line(f"{institution} has changed: {describe_change(one)}"))
            asked = ", ".join(repr(short(texts[known])) for known in one.to_settle if known in texts)
            if asked:
                out.print(one_line(f"to settle it, label again: {asked}"))


def print_diagnosis(found: Diagnosis, texts: Mapping[str, Mapping[str, str]]) -> None:
    """Print the ten conditions with the numbers that decide them, the forecast, changes, and the verdict.

    ``texts`` are those of ids, by institution, for each of ``Diagnosis.changes``.
    """
    title = f"{found.institutions} institutions, {found.demonstrations} demonstrations"
    if found.conflicts:
        title += f", {found.conflicts} text(s) with several answers of one institution"
    table = Table("condition, and what is measured", "holds", "measured", "holds if", title=title)
    for kind, heading in (("use", "use meta-learning when"), ("avoid", "don't when")):
        table.add_row(heading, style="bold")
        for one in found.conditions:
            if one.kind == kind:
                what = Group(one.name, Padding(Text(one.explanation, style="dim"), (0, 0, 0, 2)))
                table.add_row(what, HOLDS[one.holds], _measured(one), f"{one.side} {_amount(one, one.threshold)}")
    out.print(table)
    if any(one.institutions for one in found.forecast):
        _print_forecast(found)
    print_past_changes(found.past_changes, found.outdated)
    for name, changes in found.changes.items():
        print_changes(name, changes, texts[name])
    out.print(f"{found.verdict}: {found.advice}")


def _print_forecast(found: Diagnosis) -> None:
    title = "forecast of the gain at a new institution"
    table = Table("own labels", "over plain nearest neighbours", "over its own labels alone", title=title)
    for one in found.forecast:
        table.add_row(str(one.labels), *(_mean_gain(gain) for gain in (one.over_nearest, one.over_own)))
    out.print(table)


def print_receipt(receipt: Receipt) -> None:
    """Print the counts of what was forgotten, what was learned again, and what is lost."""
    erased = receipt.erased
    counts = ", ".join(f"{count} of {one_line(name)}" for name, count in erased.demonstrations.items()) or "none"
    out.print(
        f"forgotten at {erased.at}: {KINDS[erased.what]}. Demonstrations: {counts}; "
        f"{erased.outcomes} recorded answers, {erased.embeddings} vectors"
    )
    out.print(f"receipt {erased.id}, SHA-256 of the records {erased.sha256}")
    if receipt.learned_again:
        out.print(f"learned again without it: {', '.join(map(one_line, receipt.learned_again))}")
    if receipt.lost:
        out.print(f"not there any more: {', '.join(map(one_line, receipt.lost))}")
    if not receipt.scrubbed:
        out.print("another process still reads: old bytes stay in the file's log until it stops; then run this again")


def print_evaluation(result: Evaluation) -> None:
    """Print the summary, the harm, the calibration, metachain's gain by variant, and the worth of its parts."""
    print_summary(result.summary)
    if result.harm:
        parts = (f"{share(row.share)} at {row.labels} labels" for row in result.harm)
        out.print(f"runs of {OURS} more than one point worse than {BASELINE}: {listed(parts)}")
    if result.calibration:
        parts = (f"{score(row.ece)} at {row.labels} labels" for row in result.calibration)
        out.print(f"expected calibration error of the probabilities that {OURS} gives: {listed(parts)}")
    for kind, rows in variants(result).items():
        _print_by_labels(kind, rows, _gain, title=f"gain of {OURS} over {BASELINE} by {kind}")
    done = [part.past for part in result.past]
    left_out = [size for size in result.settings.past if size != "all" and size not in done]
    if left_out:
        out.print(f"--past {listed(left_out)} left out: not every institution has more past institutions than that")
    if result.ablation:
        parts_left_out = worths(result.ablation)
        title = f"what each part is worth: mean of {OURS} minus that without it, in points"
        _print_by_labels("part", parts_left_out, _worth, title=title)
        for part in parts_left_out:
            out.print(f"  {part}: {PARTS[part]}")


def print_institutions(result: Evaluation) -> None:
    """Print each institution's scores at the largest label count, largest losses first."""
    counts = differences(result.scores)
    if not counts:
        out.print(f"no table by institution: none was scored with both {OURS} and {BASELINE}")
        return
    labels = max(counts)
    table = Table("institution", "queries", BASELINE, OURS, "difference", title=f"each institution at {labels} labels")
    for one in fares(result.scores, labels):
        numbers = (str(one.queries), score(one.baseline), score(one.ours), score(one.difference, signed=True))
        table.add_row(Text(short(one_line(one.institution), 60)), *numbers)
    out.print(table)


def _print_shown(summary: Sequence[SummaryRow]) -> None:
    """Print what each selector shows at one label count, where that was measured, and its score by skill."""
    skills = sorted({row.skill for row in summary})
    means = {(row.selector, row.skill): row.mean for row in summary}
    rows = {row.selector: row for row in at_skill(summary) if row.recall is not None}
    if not rows:
        return
    graded = skills if len(skills) > 1 else []
    title = f"demonstrations at {summary[0].labels} labels: best answer shown, distinct answers, number"
    heads = "shown", "distinct", "shots", *(f"skill {skill:g}" for skill in graded)
    table = Table(_selector_column(), *heads, title=f"{title}; score by skill" if graded else title)
    for selector in ordered(rows):
        row = rows[selector]
        measures = score(row.recall), number(row.distinct), number(row.shots)
        by_skill = (score(means.get((selector, skill))) for skill in graded)
        table.add_row(selector, *measures, *by_skill, style="bold" if selector == OURS else None)
    out.print(table)


def _selector_column() -> Column:
    return Column("selector", no_wrap=True)


def _measured(one: Condition) -> str:
    if one.measure is None:
        return "–"
    span = "\n[{}, {}]".format(*(_amount(one, end) for end in one.interval)) if one.interval else ""
    return _amount(one, one.measure) + span


def _amount(one: Condition, number: float) -> str:
    if one.unit.startswith("of "):
        return f"{number:.1%}"
    return f"{number:.1f}" if 0 < number < 10 and number % 1 else f"{number:.0f}"


def _cell(row: SummaryRow | None) -> str:
    if row is None:
        return "–"
    if not row.gain or row.gain == -1:
        return f"{row.mean:.3f}"
    return f"{row.mean:.3f} {row.gain:+.0%}"


def _interval(row: SummaryRow | None) -> Text:
    return Text("{:+.0%}… {:+.0%}".format(*row.ci95) if row and row.ci95 else "–")


def _print_by_labels(
    heading: str, rows: Mapping[str, Mapping[int, Row]], cell: Callable[[Row | None], str], *, title: str
) -> None:
    labels = sorted({count for row in rows.values() for count in row})
    table = Table(heading, *(f"{count} labels" for count in labels), title=title)
    for name, row in rows.items():
        table.add_row(name, *(cell(row.get(count)) for count in labels))
    out.print(table)


def _worth(row: PartWorth | None) -> str:
    if row is None:
        return "–"
    return points(row.points) + ("\n{} to {}".format(*map(points, row.ci95)) if row.ci95 else "")


def _mean_gain(gain: Gain) -> str:
    if gain.mean is None:
        return "–"
    return percent(gain.mean) + (" [{}, {}]".format(*map(percent, gain.interval)) if gain.interval else "")


def _gain(row: SummaryRow | None) -> str:
    if row is None or row.gain is None:
        return "–"
    return percent(row.gain) + ("\n{} to {}".format(*map(percent, row.ci95)) if row.ci95 else "")

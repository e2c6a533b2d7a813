"""What the command line prints: progress, tables, and errors."""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import isnan
from typing import Any

from rich.console import Console, Group
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from metachain import progress
from metachain.comparison import BASELINE, OURS, ordered
from metachain.condition import Condition
from metachain.diagnosis import Diagnosis
from metachain.forgetting import Receipt
from metachain.guard import ARMS, LABELS, NEAREST
from metachain.prior import Lesson
from metachain.selection import Selection

__all__ = [
    "asking",
    "one_line",
    "out",
    "print_diagnosis",
    "print_lesson",
    "print_receipt",
    "print_selection",
    "print_summary",
    "short",
    "working",
]

INTERRUPTED = 130
KINDS = {
    "demonstration": "a demonstration",
    "answer": "an answer",
    "institution": "an institution",
    "patient": "a patient",
}
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

# No markup and no emoji codes: what is printed holds other people's texts, and "[/b]" or ":x:" are words there.
out = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)


@contextmanager
def working() -> Iterator[progress.Progress]:
    """Show progress on standard error, one bar a stage; Ctrl-C ends the command with status 130 and no traceback."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    tasks: dict[str, TaskID] = {}
    with _interruptible(), Progress(*columns, console=err) as bars:

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield show


@contextmanager
def asking(what: str) -> Iterator[progress.AskedProgress]:
    """Show how far a model has answered, with calls, tokens, money and time left; Ctrl-C as in ``working``."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[used]}")
    with _interruptible(), Progress(*columns, TimeRemainingColumn(), console=err) as bars:
        tasks: list[TaskID] = []

        def show(asked: progress.Asked) -> None:
            if not tasks:
                tasks.append(bars.add_task(what, total=asked.total, used=""))
            bars.update(tasks[0], completed=asked.done, used=_used(asked))

        yield show


@contextmanager
def _interruptible() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        err.print("stopped; what was stored is kept, run the command again to go on")
        sys.exit(INTERRUPTED)


def _used(asked: progress.Asked) -> str:
    money = "" if asked.money is None else f", {asked.money:.2f} spent"
    return f"{asked.calls} calls, {asked.tokens} tokens{money}"


def print_summary(summary: Sequence[Mapping[str, Any]]) -> None:
    """Print mean scores and gains over ``semantic`` at every label count, and the interval of metachain's gain."""
    labels = sorted({row["labels"] for row in summary})
    cells = {(row["selector"], row["labels"]): row for row in summary}
    name = Column("selector", no_wrap=True)
    table = Table(name, *(f"{k} labels" for k in labels), title=f"mean score, and gain over {BASELINE}")
    for selector in ordered(row["selector"] for row in summary):
        ours = selector == OURS
        table.add_row(selector, *(_cell(cells.get((selector, k))) for k in labels), style="bold" if ours else None)
        if ours:
            table.add_row("  95 %", *(_interval(cells.get((selector, k))) for k in labels))
    out.print(table)


def print_lesson(lesson: Lesson) -> None:
    """Print how the guard's rehearsals went, and what it decided."""
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
    in_order = reversed(selection.chosen) if selection.best_first else selection.chosen
    for place, one in enumerate(in_order, start=1):
        texts = (str(place), short(one.demonstration.input), short(one.demonstration.output), one_line(one.reason))
        table.add_row(*map(Text, texts))
    out.print(table)


def print_diagnosis(found: Diagnosis) -> None:
    """Print the ten conditions with the numbers that decide them, and the verdict."""
    title = f"{found.institutions} institutions, {found.demonstrations} demonstrations"
    table = Table("condition, and what is measured", "holds", "measured", "holds if", title=title)
    for kind, heading in (("use", "use meta-learning when"), ("avoid", "don't when")):
        table.add_row(heading, style="bold")
        for one in found.conditions:
            if one.kind == kind:
                what = Group(one.name, Padding(Text(one.explanation, style="dim"), (0, 0, 0, 2)))
                table.add_row(what, _answer(one), _measured(one), f"{one.side} {_amount(one, one.threshold)}")
    out.print(table)
    out.print(f"{found.verdict}: {found.advice}")


def _answer(one: Condition) -> str:
    return "can't tell" if one.holds is None else "yes" if one.holds else "no"


def _measured(one: Condition) -> str:
    if one.measure is None:
        return "–"
    span = "\n[{}, {}]".format(*(_amount(one, end) for end in one.interval)) if one.interval else ""
    return _amount(one, one.measure) + span


def _amount(one: Condition, number: float) -> str:
    if one.unit.startswith("of "):
        return f"{number:.1%}"
    return f"{number:.1f}" if 0 < number < 10 and number % 1 else f"{number:.0f}"


def _cell(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "–"
    if not row["gain"] or row["gain"] == -1:
        return f"{row['mean']:.3f}"
    return f"{row['mean']:.3f} {row['gain']:+.0%}"


def _interval(row: Mapping[str, Any] | None) -> Text:
    return Text("{:+.0%}… {:+.0%}".format(*row["ci95"]) if row and row["ci95"] else "–")


def short(text: str, width: int = 120) -> str:
    """One line of at most ``width`` characters."""
    line = one_line(text)
    return line if len(line) <= width else line[: width - 1] + "…"


def one_line(text: str) -> str:
    """Without line breaks, nor control characters: a stored text must not be able to steer the terminal."""
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", " ".join(text.split()))


def print_receipt(receipt: Receipt) -> None:
    """Say what was forgotten, what was learned again, and what could not be."""
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

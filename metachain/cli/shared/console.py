"""Output of the command line: the consoles, progress bars, and texts that can't steer the terminal."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from metachain import progress

__all__ = ["asking", "one_line", "out", "short", "working"]

INTERRUPTED = 130
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

# No markup and no emoji codes: stored texts may hold "[/b]" or ":x:", which are printed as they are.
out = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)


@contextmanager
def working() -> Iterator[progress.Progress]:
    """Show progress on standard error, one bar a stage; Ctrl-C ends the command with status 130."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    tasks: dict[str, TaskID] = {}
    with _interruptible(), Progress(*columns, console=err) as bars:

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield show


@contextmanager
def asking(title: str) -> Iterator[progress.ModelProgressCallback]:
    """Show a model's progress with calls, tokens, money and the time left; Ctrl-C as in ``working``."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[used]}")
    with _interruptible(), Progress(*columns, TimeRemainingColumn(), console=err) as bars:
        tasks: list[TaskID] = []

        def show(asked: progress.ModelProgress) -> None:
            if not tasks:
                tasks.append(bars.add_task(title, total=asked.total, used=""))
            money = "" if asked.money is None else f", {asked.money:.2f} spent"
            used = f"{asked.calls} calls, {asked.tokens} tokens{money}"
            bars.update(tasks[0], completed=asked.done, used=used)

        yield show


@contextmanager
def _interruptible() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        err.print("stopped; what was stored is kept, run the command again to go on")
        sys.exit(INTERRUPTED)


def short(text: str, width: int = 120) -> str:
    """Shorten a text to one line of at most ``width`` characters."""
    line = one_line(text)
    return line if len(line) <= width else line[: width - 1] + "…"


def one_line(text: str) -> str:
    """Replace line breaks and control characters, so that a stored text can't steer the terminal."""
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", " ".join(text.split()))

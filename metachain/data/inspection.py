"""Inspection of a file: what it is, how it would be read, and what stands in the way."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from metachain.data.columns import likely_columns, quoted
from metachain.data.demonstration import Demonstration
from metachain.data.look_alikes import look_alike_key
from metachain.data.reader import rows_of_file
from metachain.data.reading import Findings, Reading
from metachain.data.rows import MAX_REPORTED, Rejected, Row, from_record
from metachain.errors import DataError
from metachain.label_sets import label_sets, proposed_separator
from metachain.normal_form import normal_form
from metachain.progress import Progress, silent

__all__ = ["Inspection", "inspected"]

PLACEHOLDER = "NAME"
"""Institution in the command where the file names none."""
SHOWN = 5
MOST_TEXTS = 200_000
"""Inputs that are remembered to find those with several answers."""
MOST_LABELS = 20_000
DEEPEST = 4


@dataclass(slots=True)
class Inspection:
    """Result of an inspection."""

    path: Path
    found: Findings
    reading: Reading
    """The way in which the file was read: the one asked for, with the likely columns where some were missing."""
    complaint: str = ""
    """Reason why the file can't be read at all; else empty."""
    guessed: Mapping[str, str] = field(default_factory=dict)
    """Columns that look like our fields and were not named."""
    needs_institution: bool = False
    rows: int = 0
    good: int = 0
    first: Sequence[Demonstration] = ()
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Numbers of rejected rows by reason."""
    examples: Sequence[str] = ()
    """First five reasons, with the numbers of their rows."""
    institutions: Mapping[str, int] = field(default_factory=dict)
    labels: int = 0
    alike: Sequence[Sequence[str]] = ()
    """Labels that differ only in case, blanks, punctuation or zeros at the front."""
    conflicts: Sequence[tuple[str, str, str]] = ()
    """Texts with several answers: institution, input, and the answers."""
    conflicting: int = 0
    label_separator: str = ""
    """Signs that seem to separate several labels in one output; empty for single labels."""
    set_example: str = ""
    """An output with several labels."""

    def command(self, library: str = "hospitals.db") -> str:
        """The ``metachain add`` command that takes the file as it was inspected."""
        reading, options = self.reading, []
        for ours, theirs in reading.columns.items():
            options.append(f"--column {quoted(f'{ours}={theirs}')}")
        if reading.institution is not None:
            options.append(f"--institution {quoted(reading.institution)}")
        elif self.needs_institution:
            options.append(f"--institution {PLACEHOLDER}")
        for name in ("format", "sheet", "encoding", "records", "template"):
            if value := getattr(reading, name):
                options.append(f"--{name} {quoted(value)}")
        if reading.header_line:
            options.append(f"--header-line {reading.header_line}")
        options += [f"--where {quoted(one)}" for one in reading.where]
        if self.label_separator:
            options.append(f"--label-separator {quoted(self.label_separator)}")
        options += [f"--missing {quoted(one)}" for one in reading.missing or ()]
        return " ".join(["metachain add", library, quoted(str(self.path)), *options])


def inspected(path: str | Path, reading: Reading | None = None, progress: Progress = silent) -> Inspection:
    """Read a file to its end and sum up what it is; nothing is stored.

    Where columns are missing, the likely ones are tried. A file that can't be read is no error: ``complaint`` says why.
    """
    path, reading = Path(path), reading or Reading()
    tried = Inspection(path, Findings(), reading)
    try:
        rows = rows_of_file(path, reading, silent, tried.found)
        head = [row for row, _ in zip(rows, range(SHOWN * 4), strict=False)]
        if any(not isinstance(from_record(row, reading.institution), Rejected) for row in head):
            return _summed(path, reading, {}, progress)
    except DataError as error:
        tried.complaint = str(error)
    for guess in _guesses(path, reading):
        found = Findings()
        try:
            head = [row for row, _ in zip(rows_of_file(path, guess, silent, found), range(SHOWN * 4), strict=False)]
        except DataError:
            continue
        if any(not isinstance(from_record(row, guess.institution), Rejected) for row in head):
            added = {ours: one for ours, one in guess.columns.items() if ours not in reading.columns}
            return _summed(path, guess, added, progress)
    return tried if tried.complaint else _summed(path, reading, {}, progress)


def _guesses(path: Path, reading: Reading) -> Iterator[Reading]:
    """Ways to read a file whose columns are not named as ours, the likeliest first."""
    if reading.institution is None:
        yield replace(reading, institution=PLACEHOLDER)
    names = _names(path, reading)
    likely = {
        ours: name for ours, name in likely_columns(names).items() if ours != "id" and ours not in reading.columns
    }
    likely = {ours: name for ours, name in likely.items() if name != ours and ours not in names}
    if likely:
        guess = replace(reading, columns={**reading.columns, **likely})
        yield guess
        if reading.institution is None and "institution" not in guess.columns:
            yield replace(guess, institution=PLACEHOLDER)


def _names(path: Path, reading: Reading) -> list[str]:
    """Columns of a table, or the paths into its first records that lead to a text.

    A table's header is the row that names the likeliest columns.
    """
    best: list[str] = []
    for line in [reading.header_line] if reading.header_line else [0, *range(1, 13)]:
        seen = Findings()
        free = replace(reading, columns={}, required=(), institution="", where=(), header_line=line, template="none")
        try:
            next(iter(rows_of_file(path, free, silent, seen)), None)
        except DataError:
            continue
        names = [name for name in seen.names if name.strip()]
        if seen.format in ("json", "jsonl"):
            first = seen.first or {}
            return [*(name for name in names if not isinstance(first.get(name), (dict, list))), *_paths(first)]
        if {"input", "output"} <= set(likely_columns(names)):
            return names
        best = best or names
    return best


def _paths(value: Any, before: str = "", depth: int = 0) -> Iterator[str]:
    if depth > DEEPEST:
        return
    if isinstance(value, Mapping):
        for name, inner in list(value.items())[:50]:
            yield from _paths(inner, f"{before}.{name}" if before else str(name), depth + 1)
    elif isinstance(value, list) and value:
        yield from _paths(value[0], f"{before}.0", depth + 1)
    elif isinstance(value, str) and "." in before:
        yield before


def _summed(path: Path, reading: Reading, guessed: Mapping[str, str], progress: Progress) -> Inspection:
    """Read the whole file and count."""
    given = None if reading.institution == PLACEHOLDER else reading.institution
    result = Inspection(path, Findings(), replace(reading, institution=given), guessed=guessed)
    result.needs_institution = reading.institution == PLACEHOLDER
    counts = _Counts()
    try:
        for row in rows_of_file(path, reading, progress, result.found):
            counts.take(row, reading.institution)
    except DataError as error:
        result.complaint = str(error)
    result.rows, result.good, result.first = counts.rows, counts.good, counts.first
    result.rejected, result.examples = counts.rejected, counts.examples
    result.institutions = {} if result.needs_institution else counts.institutions
    result.labels = len(counts.labels)
    result.label_separator, result.set_example = proposed_separator(counts.labels)
    if sets := label_sets(result.label_separator):
        singles: Counter[str] = Counter()
        for label, count in counts.labels.items():
            singles.update(dict.fromkeys(sets.labels(label), count))
        counts.labels = singles
    result.alike, result.conflicts = _alike(counts.labels), counts.conflicts[:MAX_REPORTED]
    result.conflicting = len(counts.conflicts)
    return result


@dataclass(slots=True)
class _Counts:
    rows: int = 0
    good: int = 0
    first: list[Demonstration] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    institutions: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    conflicts: list[tuple[str, str, str]] = field(default_factory=list)
    _answers: dict[int, int] = field(default_factory=dict)
    _conflicting: set[int] = field(default_factory=set)

    def take(self, row: Row, institution: str | None) -> None:
        """Count one row."""
        self.rows += 1
        made = from_record(row, institution)
        if isinstance(made, Rejected):
            self.rejected[made.reason[:80]] += 1
            if len(self.examples) < MAX_REPORTED:
                self.examples.append(str(made))
            return
        self.good += 1
        if len(self.first) < SHOWN:
            self.first.append(made)
        self.institutions[made.institution] += 1
        if len(self.labels) < MOST_LABELS:
            self.labels[made.label] += 1
        key, answer = hash((made.institution, normal_form(made.input))), hash(made.label)
        if len(self._answers) < MOST_TEXTS and self._answers.setdefault(key, answer) != answer:
            if key not in self._conflicting:
                self.conflicts.append((made.institution, made.input, made.output))
            self._conflicting.add(key)


def _alike(labels: Counter[str]) -> list[list[str]]:
    """Groups of labels that look alike, the most frequent first in each."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for label, _ in labels.most_common():
        groups[look_alike_key(label.removesuffix(".0")) or label].append(label)
    return [group for group in groups.values() if len(group) > 1]

"""The ``audit`` command: who was shown whose demonstrations, on the screen or as JSON Lines, and what is too old."""

import json
import re
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.table import Table
from rich.text import Text

from metachain.cli.console import one_line, out, short
from metachain.cli.options import LibraryPath
from metachain.errors import DataError
from metachain.files import check_writable, writing_text
from metachain.library.audit import AuditEntry
from metachain.library.connect import without_password
from metachain.library.library import Library
from metachain.timestamps import parse_moment_option

__all__ = ["AuditQuery", "audit", "print_audit", "prune_audit"]


def audit(
    library: LibraryPath,
    institution: Annotated[str, typer.Option(help="Who asked.")] = "",
    source: Annotated[str, typer.Option(help="Whose demonstrations were shown.")] = "",
    since: Annotated[str, typer.Option(help="From this day or moment on, as 2026-11-01.")] = "",
    until: Annotated[str, typer.Option(help="Before this day or moment.")] = "",
    model: Annotated[str, typer.Option(help="Which model they were shown to.")] = "",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all of them here, one a line; - for standard output.")
    ] = None,
    prune: Annotated[
        str, typer.Option(help="Delete what is older than an age such as 90d or 12h, or than a day or moment.")
    ] = "",
) -> None:
    """Say who was shown whose demonstrations, when and under which rules: ids and numbers, never a text."""
    asked = AuditQuery(institution, source, since, until, model)
    if not prune:
        print_audit(library, asked, json_file)
        return
    if asked != AuditQuery() or json_file:
        raise DataError("--prune deletes by age alone; leave the other options out")
    prune_audit(library, prune)


ROWS = 50
"""So many entries are printed, the newest."""
STANDARD_OUTPUT = Path("-")
AGE = re.compile(r"(\d{1,6})([dh])")
UNITS = {"d": "days", "h": "hours"}


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which entries are wanted, in the words of the command line; empty for all."""

    institution: str = ""
    source: str = ""
    since: str = ""
    until: str = ""
    model: str = ""

    def of(self, library: Library) -> Iterator[AuditEntry]:
        """The entries, oldest first."""
        return library.audit.entries(
            self.institution or None,
            self.source or None,
            parse_moment_option("--since", self.since) if self.since else None,
            parse_moment_option("--until", self.until) if self.until else None,
            self.model or None,
        )


def print_audit(library: str, asked: AuditQuery, json_file: Path | None) -> None:
    """Print the newest entries, the last one last; or write all of them, one JSON object a line."""
    if json_file and json_file != STANDARD_OUTPUT:
        check_writable(json_file)
        if json_file.resolve() == Path(library).resolve():
            raise DataError(f"--json would overwrite {json_file}, which is read; name another file")
    with Library.open(library, create=False) as opened:
        found = asked.of(opened)
        if json_file is None:
            _print(found)
        elif json_file == STANDARD_OUTPUT:
            _write(found, sys.stdout)
        else:
            with writing_text(json_file) as file:
                count = _write(found, file)
            out.print(f"{count} selections: {json_file}")


def prune_audit(library: str, words: str) -> None:
    """Delete what is older than an age or a moment, and say how much that was."""
    before = _before(words)
    with Library.open(library, create=False) as opened:
        count = opened.audit.prune(before)
    moment = before.isoformat(timespec="seconds")
    out.print(f"{count} selections before {moment} are no longer in the audit of {without_password(library)}")


def _print(entries: Iterator[AuditEntry]) -> None:
    newest: deque[AuditEntry] = deque(maxlen=ROWS)
    count = 0
    for one in entries:
        newest.append(one)
        count += 1
    if not count:
        out.print("no selections")
        return
    table = Table("when", "who asked", "shown", "chosen by", "rules", "prior", "model", "tokens", "selection")
    for one in newest:
        table.add_row(*map(Text, _cells(one)))
    out.print(table)
    if count > ROWS:
        out.print(f"the newest {ROWS} of {count} selections; --json FILE writes all of them")


def _cells(one: AuditEntry) -> Iterable[str]:
    asker = one_line(one.institution) + (f" ({one_line(one.purpose)})" if one.purpose else "")
    known = (one.demonstration_tokens, one.input_tokens, one.output_tokens)
    tokens = "/".join("–" if number is None else str(number) for number in known)
    return (
        one.at,
        short(asker, 60),
        _shown(one),
        one.method,
        str(one.rules),
        one.prior[:8],
        short(one.model or "–", 40),
        tokens,
        one.id,
    )


def _shown(one: AuditEntry) -> str:
    """Ids by their institution, in the order in which each comes first."""
    first = {name: place for place, (name, _) in reversed(list(enumerate(one.shown)))}
    by_source = groupby(sorted(one.shown, key=lambda key: first[key[0]]), key=lambda key: key[0])
    parts = (f"{short(name, 40)}: {', '.join(short(id, 24) for _, id in some)}" for name, some in by_source)
    return "\n".join(parts) or "nothing"


def _write(entries: Iterable[AuditEntry], file: TextIO) -> int:
    count = 0
    for one in entries:
        file.write(json.dumps(asdict(one)) + "\n")
        count += 1
    return count


def _before(words: str) -> datetime:
    """The moment that an age such as ``90d`` or ``12h`` reaches back to, or a moment as it is given."""
    age = AGE.fullmatch(words)
    if age is None:
        return parse_moment_option("--prune", words, "an age such as 90d or 12h, or ")
    try:
        return datetime.now(UTC) - timedelta(**{UNITS[age[2]]: int(age[1])})
    except OverflowError:
        raise DataError(f"--prune reaches back before the calendar begins: {words!r}; give a smaller age") from None

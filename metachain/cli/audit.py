"""``metachain audit``: lists selections and other events, writes them, verifies them, deletes old ones."""

import json
import sys
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.table import Table
from rich.text import Text

from metachain import cli
from metachain import library as libraries
from metachain.cli.shared.options import LibraryPath, check_json_file
from metachain.errors import DataError
from metachain.files import writing_text
from metachain.timestamps import parse_age_option, parse_moment_option

__all__ = ["audit"]

ROWS = 50
"""Maximum number of entries printed; the newest are."""
BROKEN = 1
"""Exit status of a verification that finds a changed record."""
TITLES = ("when", "who asked", "actor", "shown", "chosen by", "rules", "prior", "model", "tokens", "selection")
EVENT_TITLES = ("when", "event", "institution", "key", "actor", "detail", "id")
STANDARD_OUTPUT = Path("-")


# Longer than 40 lines: the signature is the command line.
def audit(
    library: LibraryPath,
    institution: Annotated[str, typer.Option(help="Only selections for this target institution.")] = "",
    source: Annotated[str, typer.Option(help="Only selections that showed demonstrations of this institution.")] = "",
    since: Annotated[str, typer.Option(help="Only from this day or moment on, as 2026-11-01.")] = "",
    until: Annotated[str, typer.Option(help="Only before this day or moment.")] = "",
    model: Annotated[str, typer.Option(help="Only selections shown to this model.")] = "",
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Write all of them to this file, one JSON object a line; - for standard output."),
    ] = None,
    prune: Annotated[
        str, typer.Option(help="Delete entries older than an age such as 90d or 12h, or than a day or moment.")
    ] = "",
    events: Annotated[
        bool, typer.Option("--events", help="List the other events, such as keys made, rules changed and exports.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Verify the hash chain of all of them; exit status 1 if it is broken.")
    ] = False,
    head: Annotated[
        str, typer.Option(metavar="NUMBER:SHA256", help="Earlier head that --verify must find in the chain.")
    ] = "",
) -> None:
    """List past selections and other events without texts, or verify that the record is unchanged.

    Example: metachain audit hospitals.db --source mercy
    """
    limits = any((institution, source, since, until, model, json_file))
    if prune and (limits or events or verify or head):
        raise DataError("--prune deletes by age alone; leave the other options out")
    if (verify or head) and (limits or events or not verify):
        raise DataError("--verify takes no other option but --head, and --head needs --verify")
    if prune:
        _prune(library, prune)
    elif verify:
        _verify(library, head)
    else:
        _list(library, institution, source, since, until, model, json_file, events=events)


def _list(
    library: str,
    institution: str,
    source: str,
    since: str,
    until: str,
    model: str,
    json_file: Path | None,
    *,
    events: bool,
) -> None:
    if events and (source or model):
        raise DataError("--source and --model are of selections; leave them out with --events")
    if json_file != STANDARD_OUTPUT:
        check_json_file(json_file, library)
    with libraries.Library.open(library, create=False) as opened:
        asked = institution or None
        begin = parse_moment_option("--since", since) if since else None
        end = parse_moment_option("--until", until) if until else None
        what = "events" if events else "selections"
        found: Iterable[libraries.AuditEntry | libraries.Event] = (
            opened.audit.events(asked, begin, end)
            if events
            else opened.audit.entries(asked, source or None, begin, end, model or None)
        )
        if json_file is None:
            _print(found, what)
        elif json_file == STANDARD_OUTPUT:
            _write(found, sys.stdout)
        else:
            with writing_text(json_file) as file:
                count = _write(found, file)
            cli.out.print(f"{count} {what}: {json_file}")


def _verify(library: str, head: str) -> None:
    noted = libraries.Head.read(head) if head else None
    with libraries.Library.open(library, create=False) as opened:
        found = opened.audit.verify(noted)
    if found.broken:
        cli.out.print(f"the audit is broken: {found.broken}; {found.entries} entries before it are in order")
        raise typer.Exit(BROKEN)
    cli.out.print(f"{found.entries} entries are as they were recorded; the head is {found.head}")


def _prune(library: str, age: str) -> None:
    before = parse_age_option("--prune", age)
    with libraries.Library.open(library, create=False) as opened:
        count = opened.audit.prune(before)
    moment, place = before.isoformat(timespec="seconds"), libraries.without_password(library)
    cli.out.print(f"{count} selections before {moment} are no longer in the audit of {place}")


def _print(entries: "Iterable[libraries.AuditEntry | libraries.Event]", what: str) -> None:
    """Print the newest entries, the newest one last."""
    newest: deque[libraries.AuditEntry | libraries.Event] = deque(maxlen=ROWS)
    count = 0
    for entry in entries:
        newest.append(entry)
        count += 1
    if not count:
        cli.out.print(f"no {what}")
        return
    table = Table(*(EVENT_TITLES if what == "events" else TITLES))
    for entry in newest:
        table.add_row(*map(Text, _cells(entry) if isinstance(entry, libraries.AuditEntry) else _event_cells(entry)))
    cli.out.print(table)
    if count > ROWS:
        cli.out.print(f"the newest {ROWS} of {count} {what}; --json FILE writes all of them")


def _event_cells(event: "libraries.Event") -> Iterable[str]:
    detail = cli.one_line(json.dumps(event.detail))
    institution, actor = cli.short(event.institution, 40), cli.short(event.actor, 40)
    return event.at, event.kind, institution, event.key, actor, cli.short(detail, 120), event.id


def _cells(entry: "libraries.AuditEntry") -> Iterable[str]:
    asker = cli.one_line(entry.institution) + (f" ({cli.one_line(entry.purpose)})" if entry.purpose else "")
    counts = (entry.demonstration_tokens, entry.input_tokens, entry.output_tokens)
    tokens = "/".join("–" if number is None else str(number) for number in counts)
    return (
        entry.at,
        cli.short(asker, 60),
        cli.short(entry.actor, 40),
        _shown(entry),
        entry.method,
        str(entry.rules),
        entry.prior[:8],
        cli.short(entry.model or "–", 40),
        tokens,
        entry.id,
    )


def _shown(entry: "libraries.AuditEntry") -> str:
    """Ids of the demonstrations by institution, institutions in the order of their first demonstration."""
    first = {name: place for place, (name, _) in reversed(list(enumerate(entry.shown)))}
    by_source = groupby(sorted(entry.shown, key=lambda key: first[key[0]]), key=lambda key: key[0])
    parts = (f"{cli.short(name, 40)}: {', '.join(cli.short(id, 24) for _, id in keys)}" for name, keys in by_source)
    return "\n".join(parts) or "nothing"


def _write(entries: "Iterable[libraries.AuditEntry | libraries.Event]", file: TextIO) -> int:
    count = 0
    for entry in entries:
        file.write(json.dumps(asdict(entry)) + "\n")
        count += 1
    return count

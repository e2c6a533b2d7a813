"""``metachain key``: makes, rotates, revokes and lists the API keys of a library's server."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

import typer
from rich.table import Column, Table
from rich.text import Text

from metachain import cli
from metachain import library as libraries
from metachain.cli.shared.options import LibraryPath
from metachain.errors import DataError, StorageError
from metachain.files import private
from metachain.timestamps import now, parse_duration, parse_moment_option

if TYPE_CHECKING:
    from metachain.library.api_keys import Key, Keys

__all__ = ["key"]


# Longer than 40 lines: the signature is the command line.
def key(
    library: LibraryPath,
    institution: Annotated[str, typer.Argument(help="Institution of the new key; leave out to list all keys.")] = "",
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="Scope of the key: ask, explain, texts, read, label, feedback or adapt; may be given several times."
        ),
    ] = None,
    admin: Annotated[
        bool, typer.Option("--admin", help="Make a key of no institution that allows everything.")
    ] = False,
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Make a key of no institution that reads the server's metrics only.")
    ] = False,
    until: Annotated[
        str, typer.Option(help="Day or moment at which the key ends, or never; 365 days from now if left out.")
    ] = "",
    to: Annotated[
        Path | None, typer.Option(help="New file for the key's secret, for its owner alone; it is then not printed.")
    ] = None,
    revoke: Annotated[str, typer.Option(metavar="ID", help="Revoke the key with this id.")] = "",
    rotate: Annotated[
        str, typer.Option(metavar="ID", help="Make a key in place of the one with this id, which ends after --grace.")
    ] = "",
    grace: Annotated[
        str, typer.Option(help="Time for which a rotated key still counts, in hours or days, such as 12h or 7d.")
    ] = "24h",
) -> None:
    """Make an API key for `metachain serve`, rotate or revoke one, or list all; a secret is shown once only.

    Example: metachain key hospitals.db st-marys
    """
    if bool(revoke) + bool(rotate) + bool(institution) + admin + metrics > 1:
        raise DataError("name an institution, or take one of --admin, --metrics, --rotate and --revoke")
    if rotate and scope:
        raise DataError("a rotated key keeps its scopes; leave out --scope, or make another key")
    if revoke:
        with libraries.Library.open(library, create=False) as opened:
            opened.keys.revoke(revoke)
        cli.out.print(f"key {revoke} counts no more")
    elif rotate:
        lasting = parse_duration(grace)
        if lasting is None:
            raise DataError(f"--grace must be a time such as 24h or 7d, got {grace!r}")
        ends, old = _end(until), f"key {rotate} ends in {grace}, if not before"
        _hand_out(library, to, lambda keys: keys.rotate(rotate, ends, lasting), old)
    elif institution or admin or metrics:
        ends, scopes = _end(until), ["metrics"] if metrics else scope or []
        _hand_out(library, to, lambda keys: keys.make(institution or None, scopes, ends))
    else:
        _list(library)


def _end(until: str) -> "datetime | Literal['never'] | None":
    if until == "never":
        return "never"
    return parse_moment_option("--until", until, "never, or ") if until else None


def _hand_out(library: str, to: Path | None, make: "Callable[[Keys], tuple[Key, str]]", also: str = "") -> None:
    """Make a key, and tell about it and ``also``; its secret goes to the file, or to the terminal."""
    with libraries.Library.open(library, create=False) as opened, _new_file(to) as file:
        key, secret = make(opened.keys)
        print(secret, file=file)
    if also:
        cli.out.print(also)
    owner = cli.one_line(key.institution) if key.institution else "no institution"
    told = f"it is in {to}" if to else "it is shown this once:"
    ends = f"ends {key.until}" if key.until else "never ends"
    cli.out.print(f"key {key.id} of {owner} allows {', '.join(sorted(key.scopes))} and {ends}; {told}")
    if not to:
        cli.out.print(secret)


@contextmanager
def _new_file(path: Path | None) -> Iterator[TextIO]:
    """A file that is made for its owner alone, and removed again if the block fails; without a path, none."""
    if path is None:
        yield StringIO()
        return
    try:
        file = open(path, "x", encoding="ascii", opener=private)  # noqa: SIM115 - closed below
    except FileExistsError:
        raise DataError(f"{path} is there already; give the path of a new file (--to)") from None
    except OSError as error:
        raise StorageError(f"can't write {path}: {error.strerror}; give a path in a folder you may write") from error
    try:
        with file:
            yield file
    except BaseException:
        path.unlink()
        raise


def _list(library: str) -> None:
    with libraries.Library.open(library, create=False) as opened:
        keys = opened.keys.all()
    if not keys:
        cli.out.print("no key; make one: metachain key LIBRARY INSTITUTION")
        return
    table = Table(Column("id", no_wrap=True), "institution", "allows", "made", "until", "last used")
    for one in keys:
        ended = " (ended)" if one.until is not None and now() >= one.until else ""
        owner = cli.one_line(one.institution) if one.institution else "none"
        scopes, until, used = ", ".join(sorted(one.scopes)), f"{one.until or 'never'}{ended}", one.used or "never"
        table.add_row(*map(Text, (one.id, owner, scopes, one.made, until, used)))
    cli.out.print(table)

"""``metachain key``: makes, revokes and lists the API keys of a library's server."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.table import Table
from rich.text import Text

from metachain import cli
from metachain import library as libraries
from metachain.cli.options import LibraryPath
from metachain.errors import DataError, StorageError
from metachain.files import private
from metachain.timestamps import now, parse_moment_option

__all__ = ["key"]


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
    until: Annotated[str, typer.Option(help="Day or moment at which the key ends.")] = "",
    to: Annotated[
        Path | None, typer.Option(help="New file for the key's secret, for its owner alone; it is then not printed.")
    ] = None,
    revoke: Annotated[str, typer.Option(metavar="ID", help="Revoke the key with this id.")] = "",
) -> None:
    """Make an API key for `metachain serve`, revoke one, or list all; a key's secret is shown once only.

    Example: metachain key hospitals.db st-marys
    """
    if bool(revoke) + bool(institution) + admin + metrics > 1:
        raise DataError("name an institution, or take one of --admin, --metrics and --revoke")
    if revoke:
        with libraries.Library.open(library, create=False) as opened:
            opened.keys.revoke(revoke)
        cli.out.print(f"key {revoke} counts no more")
    elif institution or admin or metrics:
        _make(library, institution or None, ["metrics"] if metrics else scope or [], until, to)
    else:
        _list(library)


def _make(library: str, institution: str | None, scopes: Sequence[str], until: str, to: Path | None) -> None:
    ends = parse_moment_option("--until", until) if until else None
    with libraries.Library.open(library, create=False) as opened, _new_file(to) as file:
        key, secret = opened.keys.make(institution, scopes, ends)
        print(secret, file=file)
    owner = cli.one_line(institution) if institution else "no institution"
    told = f"it is in {to}" if to else "it is shown this once:"
    cli.out.print(f"key {key.id} of {owner} allows {', '.join(sorted(key.scopes))}; {told}")
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
    table = Table("id", "institution", "allows", "made", "until")
    for one in keys:
        ended = " (ended)" if one.until is not None and now() >= one.until else ""
        owner = cli.one_line(one.institution) if one.institution else "none"
        table.add_row(*map(Text, (one.id, owner, ", ".join(sorted(one.scopes)), one.made, f"{one.until or ''}{ended}")))
    cli.out.print(table)

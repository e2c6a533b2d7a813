"""The ``key`` command: who may ask a server of the library."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from metachain.cli.console import one_line, out
from metachain.cli.options import LibraryPath
from metachain.errors import DataError
from metachain.library.library import Library
from metachain.timestamps import now, parse_moment_option

__all__ = ["key", "list_keys", "make_key", "revoke_key"]


def key(
    library: LibraryPath,
    institution: Annotated[str, typer.Argument(help="Who asks with it; left out, those there are get listed.")] = "",
    scope: Annotated[
        list[str] | None,
        typer.Option(help="What it allows: ask, explain, texts, read, label, feedback, adapt; may be given again."),
    ] = None,
    admin: Annotated[bool, typer.Option("--admin", help="Make one of no institution that allows everything.")] = False,
    metrics: Annotated[bool, typer.Option("--metrics", help="Make one that reads the server's numbers alone.")] = False,
    until: Annotated[str, typer.Option(help="The day or moment from which on it counts no more.")] = "",
    revoke: Annotated[str, typer.Option(metavar="ID", help="Take a key away.")] = "",
) -> None:
    """Make a key for a caller of `metachain serve`, which is told once; take one away; or list what there is."""
    if bool(revoke) + bool(institution) + admin + metrics > 1:
        raise DataError("name an institution, or take one of --admin, --metrics and --revoke")
    if revoke:
        revoke_key(library, revoke)
    elif institution or admin or metrics:
        make_key(library, institution or None, ["metrics"] if metrics else scope or [], until)
    else:
        list_keys(library)


def make_key(library: str, institution: str | None, scopes: Sequence[str], until: str) -> None:
    """Make a key and print its secret on standard output, alone on its line; all else goes before it."""
    ends = parse_moment_option("--until", until) if until else None
    with Library.open(library, create=False) as opened:
        key, secret = opened.keys.make(institution, scopes, ends)
    whose = one_line(institution) if institution else "no institution"
    out.print(f"key {key.id} of {whose} allows {', '.join(sorted(key.scopes))}; it is shown this once:")
    out.print(secret, highlight=False, soft_wrap=True, markup=False)


def revoke_key(library: str, id: str) -> None:
    """Take a key away."""
    with Library.open(library, create=False) as opened:
        opened.keys.revoke(id)
    out.print(f"key {id} counts no more")


def list_keys(library: str) -> None:
    """Print which keys there are; their secrets nobody knows."""
    with Library.open(library, create=False) as opened:
        keys = opened.keys.all()
    if not keys:
        out.print("no key: a server answers on its own machine alone; make one: metachain key LIBRARY INSTITUTION")
        return
    table = Table("id", "institution", "allows", "made", "until")
    for one in keys:
        ended = " (ended)" if one.until is not None and now() >= one.until else ""
        whose = one_line(one.institution) if one.institution else "none"
        table.add_row(*map(Text, (one.id, whose, ", ".join(sorted(one.scopes)), one.made, f"{one.until or ''}{ended}")))
    out.print(table)

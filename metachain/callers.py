"""The ``key`` command: who may ask a server of the library."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from metachain.console import one_line, out
from metachain.library import Library
from metachain.moments import moment_said, now

__all__ = ["list_keys", "make_key", "revoke_key"]


def make_key(library: str, institution: str | None, scopes: Sequence[str], until: str) -> None:
    """Make a key and print its secret on standard output, alone on its line; all else goes before it."""
    ends = moment_said("--until", until) if until else None
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

"""Look-alikes at the command line: told, and taken along only where somebody says so."""

import sys

import typer

from metachain.cli.shared.console import one_line, out, short
from metachain.library.library import Library
from metachain.library.likeness import LookAlikes
from metachain.normal_form import normal_form

__all__ = ["print_look_alikes", "taken_along"]

MOST = 5
NAME_CHARACTERS = 60


def print_look_alikes(library: str, found: LookAlikes) -> None:
    """Print institutions and labels that look alike, at most five groups each, and the command that joins them."""
    for kind, groups in (("institution", found.institutions), ("label", found.labels)):
        for group in groups[:MOST]:
            more = f" and {len(group) - MOST} more" if len(group) > MOST else ""
            command = f"metachain rename {library} {kind} {_quoted(group[-1])} {_quoted(group[0])}"
            out.print(f"{kind}s that look alike: {', '.join(map(_quoted, group[:MOST]))}{more}. If one: {command}")
        if len(groups) > MOST:
            out.print(f"… and {len(groups) - MOST} more groups of {kind}s that look alike")


def taken_along(library: Library, institution: str, option: str, *, wanted: bool) -> tuple[str, ...]:
    """Institutions whose names look like one and that are to be treated like it.

    These are all of them if ``wanted``, which the ``option`` of the command says. Else a person at a terminal is asked;
    elsewhere there are none, and what is left is told.
    """
    institution = normal_form(institution)
    alike = library.names_like(institution)
    if not alike or wanted:
        return alike
    named = ", ".join(map(_quoted, alike[:MOST])) + (f" and {len(alike) - MOST} more" if len(alike) > MOST else "")
    if sys.stdin.isatty():
        return alike if typer.confirm(f"{named} look like {_quoted(institution)}; take them too?") else ()
    out.print(f"left as they are, though they look like {_quoted(institution)}: {named}. To take them too: {option}")
    return ()


def _quoted(name: str) -> str:
    return repr(short(one_line(name), NAME_CHARACTERS))

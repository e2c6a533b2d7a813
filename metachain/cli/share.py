"""``metachain share``: states or lists the sharing rules of institutions."""

from collections.abc import Sequence
from typing import Annotated

import typer

from metachain import cli
from metachain import library as libraries
from metachain.cli.shared.options import LibraryPath
from metachain.errors import DataError
from metachain.normal_form import normal_form
from metachain.timestamps import parse_moment_option

__all__ = ["share"]


# Longer than 40 lines: the signature is the command line.
def share(
    library: LibraryPath,
    institution: Annotated[
        str, typer.Argument(help="Institution that shares; leave out to list the rules of all.")
    ] = "",
    with_: Annotated[
        str,
        typer.Option(
            "--with", help="Audience that may be shown its demonstrations: everyone, nobody, group:NAME,… or names."
        ),
    ] = "",
    statistics: Annotated[
        str, typer.Option(help="Audience that may learn from its statistics but see no text; as for --with.")
    ] = "",
    purpose: Annotated[
        list[str] | None, typer.Option(help="Allow this purpose only; may be given several times.")
    ] = None,
    until: Annotated[str, typer.Option(help="Day or moment at which the rule ends, as 2027-12-31.")] = "",
    live: Annotated[
        bool,
        typer.Option("--live", help="Share also what comes in at run time, before anybody releases it by review."),
    ] = False,
    also: Annotated[bool, typer.Option("--also", help="Keep the institution's earlier rules.")] = False,
    alike: Annotated[
        bool, typer.Option("--alike", help="Set the rule for institutions with look-alike names too; else told.")
    ] = False,
    everybody: Annotated[bool, typer.Option("--all", help="Set the rule for every institution in the library.")] = (
        False
    ),
) -> None:
    """Set the sharing rules of an institution, in place of its earlier ones; or list all rules.

    Sharing is off by default.

    Example: metachain share hospitals.db mercy --with group:north --until 2027-12-31
    """
    if not institution and not everybody:
        _list_rules(library)
        return
    if institution and everybody:
        raise DataError("name one institution, or take --all, not both")
    grants = _grants(with_, statistics, purpose or [], until, live=live)
    with libraries.Library.open(library, create=False) as opened:
        earlier = opened.sharing.grants() if also else {}
        names = [normal_form(institution)] if institution else list(opened.institutions())
        names += cli.taken_along(opened, institution, "--alike", wanted=alike) if institution else ()
        opened.sharing.state_all({name: [*earlier.get(name, ()), *grants] for name in names})
    named = ", ".join(map(cli.one_line, names)) if institution else "every institution"
    for grant in grants:
        cli.out.print(f"{named} shares {grant.use} with {grant.to}")
    cli.out.print("selections heed it from now on; a prior heeds it when it is learned again: metachain learn")


def _list_rules(library: str) -> None:
    with libraries.Library.open(library, create=False) as opened:
        rules, groups = opened.sharing.grants(), opened.sharing.groups()
        names = sorted({*opened.institutions(), *rules})
    for name in names:
        for grant in rules.get(name, ()):
            purposes = f" for {', '.join(grant.purposes)}" if grant.purposes else ""
            until = f" until {grant.until:%Y-%m-%d %H:%M} UTC" if grant.until else ""
            live = ", live ones too," if grant.live else ""
            cli.out.print(f"{cli.one_line(name)} shares {grant.use}{live} with {grant.to}{purposes}{until}")
        if name not in rules:
            cli.out.print(f"{cli.one_line(name)} shares nothing: it has no rule")
    for group, members in groups.items():
        cli.out.print(f"group {group}: {', '.join(members)}")


def _grants(
    demonstrations: str, statistics: str, purposes: Sequence[str], until: str, *, live: bool
) -> "list[libraries.Grant]":
    if not demonstrations and not statistics:
        raise DataError("say who may use its demonstrations (--with …), its statistics (--statistics …), or both")
    if live and not demonstrations:
        raise DataError("--live says which demonstrations are shared: say with whom (--with …)")
    ends = parse_moment_option("--until", until) if until else None
    audiences = {"demonstrations": demonstrations, "statistics": statistics}
    return [
        libraries.Grant(libraries.Audience.read(words), use, tuple(purposes), ends, live and use == "demonstrations")  # type: ignore[arg-type]
        for use, words in audiences.items()
        if words
    ]

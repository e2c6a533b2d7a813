"""Who may use what, and who has: rules, groups, what is shared, the audit."""

from pathlib import Path
from typing import Annotated

import typer

from metachain.commands.options import Institution, LibraryPath, Purpose
from metachain.errors import DataError

__all__ = ["audit", "export", "group", "share"]


def share(
    library: LibraryPath,
    institution: Annotated[
        str, typer.Argument(help="Whose rules to state; left out, those there are get listed.")
    ] = "",
    with_: Annotated[
        str,
        typer.Option("--with", help="Who may be shown its demonstrations: everyone, nobody, group:NAME,… or names."),
    ] = "",
    statistics: Annotated[
        str, typer.Option(help="Who may learn from its statistics without being shown anything; as for --with.")
    ] = "",
    purpose: Annotated[
        list[str] | None, typer.Option(help="For which purpose alone; may be given several times.")
    ] = None,
    until: Annotated[str, typer.Option(help="The day or moment from which on it counts no more, as 2027-12-31.")] = "",
    also: Annotated[bool, typer.Option("--also", help="Keep what it allowed before.")] = False,
    everybody: Annotated[bool, typer.Option("--all", help="For every institution in the library.")] = False,
) -> None:
    """State who may use what of an institution, in place of what it allowed before; or list what is allowed."""
    from metachain.agreements import list_rules, state_rules

    if not institution and not everybody:
        list_rules(library)
        return
    if institution and everybody:
        raise DataError("name one institution, or take --all, not both")
    state_rules(library, institution, with_, statistics, purpose or [], until, also=also)


def group(
    library: LibraryPath,
    name: Annotated[str, typer.Argument(help="Of the group, as sharing rules call it.")],
    institutions: Annotated[list[str] | None, typer.Argument(help="Its members; none ends the group.")] = None,
) -> None:
    """Say which institutions belong to a group, in place of those that did."""
    from metachain.console import out
    from metachain.library import Library

    with Library.open(library, create=False) as opened:
        opened.sharing.group(name, institutions or [])
    out.print(f"group {name}: {', '.join(sorted(institutions or [])) or 'nobody'}")


def export(
    library: LibraryPath,
    institution: Institution,
    file: Annotated[Path, typer.Argument(help="Where the JSON Lines are written, whole or not at all.")],
    own: Annotated[bool, typer.Option("--own", help="The institution's own demonstrations too.")] = False,
    purpose: Purpose = "",
) -> None:
    """Write the demonstrations that others share with an institution."""
    from metachain.exporting import export as write

    write(library, institution, file, purpose, own=own)


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
    from metachain.auditing import Asked, print_audit, prune_audit

    asked = Asked(institution, source, since, until, model)
    if not prune:
        print_audit(library, asked, json_file)
        return
    if asked != Asked() or json_file:
        raise DataError("--prune deletes by age alone; leave the other options out")
    prune_audit(library, prune)

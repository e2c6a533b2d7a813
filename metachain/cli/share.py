"""Who may use what, and who has: rules, groups, what is shared, the audit."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from metachain.cli.console import one_line, out
from metachain.cli.options import Institution, LibraryPath, Purpose
from metachain.data.demonstration import Demonstration
from metachain.errors import DataError, NotFoundError
from metachain.files import check_writable, writing_text
from metachain.library.library import Library
from metachain.library.sharing import Audience, Grant
from metachain.timestamps import parse_moment_option

__all__ = ["export", "group", "list_rules", "share", "state_rules", "write_export"]


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
    from metachain.cli.console import out
    from metachain.library.library import Library

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
    write_export(library, institution, file, purpose, own=own)


def list_rules(library: str) -> None:
    """Print every institution's rules; one that never stated any shares with nobody."""
    with Library.open(library, create=False) as opened:
        allowed, groups = opened.sharing.grants(), opened.sharing.groups()
        names = sorted({*opened.institutions(), *allowed})
    for name in names:
        for one in allowed.get(name, ()):
            purposes = f" for {', '.join(one.purposes)}" if one.purposes else ""
            until = f" until {one.until:%Y-%m-%d %H:%M} UTC" if one.until else ""
            out.print(f"{one_line(name)} shares {one.use} with {one.to}{purposes}{until}")
        if name not in allowed:
            out.print(f"{one_line(name)} shares nothing: it has no rule")
    for group, members in groups.items():
        out.print(f"group {group}: {', '.join(members)}")


def state_rules(
    library: str,
    institution: str,
    demonstrations: str,
    statistics: str,
    purposes: Sequence[str],
    until: str,
    *,
    also: bool,
) -> None:
    """State the rules of an institution, or of all where ``institution`` is empty, and say what follows."""
    if not demonstrations and not statistics:
        raise DataError("say who may use its demonstrations (--with …), its statistics (--statistics …), or both")
    ends = parse_moment_option("--until", until) if until else None
    said = {"demonstrations": demonstrations, "statistics": statistics}
    stated = [
        Grant(Audience.read(words), use, tuple(purposes), ends)  # type: ignore[arg-type]  # the two there are
        for use, words in said.items()
        if words
    ]
    with Library.open(library, create=False) as opened:
        before = opened.sharing.grants() if also else {}
        names = [institution] if institution else list(opened.institutions())
        opened.sharing.state_all({name: [*before.get(name, ()), *stated] for name in names})
    for one in stated:
        out.print(f"{institution or 'every institution'} shares {one.use} with {one.to}")
    out.print("selections heed it from now on; a prior heeds it when it is learned again: metachain learn")


def write_export(library: str, institution: str, file: Path, purpose: str = "", *, own: bool = False) -> None:
    """Write the demonstrations that others share with an institution now, and its ``own``, whole or not at all.

    Raises NotFoundError where there are none, and StorageError where the file can't be written.
    """
    check_writable(file)
    with Library.open(library, create=False, purpose=purpose) as opened:
        found = list(opened.shared_demonstrations(institution))
        if own and institution in opened.institutions():
            found += opened.demonstrations(institution)
    if not found:
        raise NotFoundError(
            f"nobody shares demonstrations with {institution!r}{f' for {purpose!r}' if purpose else ''}; "
            "let some: metachain share LIBRARY INSTITUTION --with everyone"
        )
    with writing_text(file) as written:
        written.writelines(map(_line, found))
    institutions = len({one.institution for one in found})
    out.print(f"{len(found)} demonstrations of {institutions} institutions: {file}")


def _line(one: Demonstration) -> str:
    record = {"institution": one.institution, "id": one.id, "input": one.input, "output": one.output}
    return json.dumps({**record, "metadata": dict(one.metadata)} if one.metadata else record) + "\n"

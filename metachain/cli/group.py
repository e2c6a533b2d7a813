"""``metachain group``: names a group of institutions, to which sharing rules may refer."""

from typing import Annotated

import typer

from metachain import cli
from metachain import library as libraries
from metachain.cli.shared.options import LibraryPath

__all__ = ["group"]


def group(
    library: LibraryPath,
    name: Annotated[str, typer.Argument(help="Name of the group in sharing rules.")],
    institutions: Annotated[
        list[str] | None, typer.Argument(help="Members of the group; leave out to dissolve it.")
    ] = None,
) -> None:
    """Set the members of a group of institutions, in place of its former members.

    Example: metachain group hospitals.db north mercy st-marys
    """
    with libraries.Library.open(library, create=False) as opened:
        opened.sharing.group(name, institutions or [])
    cli.out.print(f"group {name}: {', '.join(sorted(institutions or [])) or 'nobody'}")

"""``metachain export``: writes the demonstrations that others share with an institution."""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from metachain import cli
from metachain import library as libraries
from metachain.cli.shared.options import Institution, LibraryPath, Purpose, Recorded
from metachain.errors import NotFoundError
from metachain.files import check_writable, writing_text

__all__ = ["export", "write_export"]


def export(
    library: LibraryPath,
    institution: Institution,
    file: Annotated[Path, typer.Argument(help="JSON Lines file to write; it is written completely or not at all.")],
    own: Annotated[bool, typer.Option("--own", help="Include the institution's own demonstrations.")] = False,
    audit: Recorded = True,
    purpose: Purpose = "",
) -> None:
    """Write the demonstrations that others share with an institution.

    Example: metachain export hospitals.db st-marys shared.jsonl
    """
    write_export(library, institution, file, purpose, own=own, audit=audit)


def write_export(
    library: str, institution: str, file: Path, purpose: str = "", *, own: bool = False, audit: bool = True
) -> None:
    """Write the demonstrations that others share with an institution now, with its ``own`` if asked for.

    The audit records it first, unless ``audit`` is False. The file is written completely or not at all. Raises
    NotFoundError where there are no demonstrations, and StorageError where the file or the audit can't be written.
    """
    check_writable(file)
    with libraries.Library.open(library, create=False, purpose=purpose, audit=audit) as opened:
        found = list(opened.shared_demonstrations(institution))
        if own and institution in opened.institutions():
            found += opened.demonstrations(institution)
        if not found:
            raise NotFoundError(
                f"nobody shares demonstrations with {institution!r}{f' for {purpose!r}' if purpose else ''}; "
                "let some: metachain share LIBRARY INSTITUTION --with everyone"
            )
        counts = Counter(one.institution for one in found)
        contents = libraries.records_sha256((*one.key, one.input, one.output) for one in found)
        opened.audit.note("export", institution, {"demonstrations": counts, "contents_sha256": contents})
    with writing_text(file) as written:
        for one in found:
            record = {"institution": one.institution, "id": one.id, "input": one.input, "output": one.output}
            metadata = {"metadata": dict(one.metadata)} if one.metadata else {}
            written.write(json.dumps({**record, **metadata}) + "\n")
    cli.out.print(f"{len(found)} demonstrations of {len(counts)} institutions: {file}")

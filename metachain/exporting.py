"""The ``export`` command: what an institution may use of a library, as a file that ``add`` and ``evaluate`` read."""

import json
from pathlib import Path

from metachain.console import out
from metachain.demonstration import Demonstration
from metachain.errors import NotFoundError
from metachain.files import check_writable, writing_text
from metachain.library import Library

__all__ = ["export"]


def export(library: str, institution: str, file: Path, purpose: str = "", *, own: bool = False) -> None:
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

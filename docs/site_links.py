"""For MkDocs: links that leave docs/ name files of the repository, which the built site doesn't have."""

import re
from typing import Any

OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./([^)#]+)[^)]*\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Show the file's name in place of a link to it."""
    return OUTSIDE.sub(
        lambda found: f"{found[1]} (`{found[2]}`)" if found[2] not in found[1] else f"`{found[2]}`", markdown
    )

"""Where metachain keeps what can be made again."""

import os
from pathlib import Path

from metachain.errors import StorageError

__all__ = ["cache_folder"]


def cache_folder() -> Path:
    """``metachain`` in the user's cache folder, ``$XDG_CACHE_HOME`` or ``~/.cache``; it need not exist.

    Raises StorageError where the user has no home folder.
    """
    home = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(home) if home else Path.home() / ".cache") / "metachain"
    except RuntimeError:
        raise StorageError("there is no home folder to keep a cache in; set XDG_CACHE_HOME to a folder") from None

"""Files written completely or not at all, and the folder of the user's cache."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from metachain.errors import MetachainError, StorageError

__all__ = ["cache_folder", "check_writable", "write_text", "writing_text"]


def write_text(text: str, path: str | Path) -> Path:
    """Write UTF-8 text to ``path`` and return the path. Raises StorageError as ``writing_text`` does."""
    with writing_text(path) as file:
        file.write(text)
    return Path(path)


@contextmanager
def writing_text(path: str | Path) -> Iterator[TextIO]:
    """Open a file for UTF-8 text that appears at ``path`` when the block ends without an error.

    Until then it is a temporary file beside ``path``. Raises StorageError with the place and the reason if the file
    can't be written.
    """
    path = Path(path)
    check_writable(path)
    target = path.resolve()
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with open(unfinished, "w", encoding="utf-8", errors="xmlcharrefreplace", newline="") as file:
            yield file
        os.replace(unfinished, target)
    except MetachainError:
        raise
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StorageError(f"can't write {path}: {reason}; give a path in a folder you may write") from error
    finally:
        with suppress(OSError):
            unfinished.unlink()


def check_writable(path: Path) -> None:
    """Check before long work that its result can be written to ``path``. Raises StorageError."""
    folder = path.resolve().parent
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise StorageError(f"can't write {path}: {folder} does not exist or may not be written; make it first")
    if os.path.isdir(path):
        raise StorageError(f"can't write {path}: it is a folder; give the path of a file in it")
    if os.path.exists(path) and not os.path.isfile(path):
        raise StorageError(f"can't write {path}: it is a device or a pipe, not a file; give the path of a file")


def cache_folder() -> Path:
    """Folder ``metachain`` in the user's cache folder, ``$XDG_CACHE_HOME`` or ``~/.cache``; it may not exist yet.

    Raises StorageError if the user has no home folder.
    """
    home = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(home) if home else Path.home() / ".cache") / "metachain"
    except RuntimeError:
        raise StorageError("there is no home folder to keep a cache in; set XDG_CACHE_HOME to a folder") from None

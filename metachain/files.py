"""Writing of files, each as a whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp
from typing import TextIO

from metachain.errors import MetachainError, StorageError

__all__ = ["PRIVATE", "cache_folder", "check_writable", "private", "replacing", "write_text", "writing_text"]

PRIVATE = 0o600
"""Permissions of new files: to be read and written by their owner alone."""


def write_text(text: str, path: str | Path) -> Path:
    """Write UTF-8 text to ``path``; returns the path. Raises the errors of ``writing_text``."""
    with writing_text(path) as file:
        file.write(text)
    return Path(path)


@contextmanager
def writing_text(path: str | Path) -> Iterator[TextIO]:
    """A file for UTF-8 text; it appears at ``path`` when the block ends without an error.

    Raises StorageError with the path and the reason if it can't be written.
    """
    path = Path(path)
    check_writable(path)
    try:
        with (
            replacing(path) as unfinished,
            open(unfinished, "w", encoding="utf-8", errors="xmlcharrefreplace", newline="") as file,
        ):
            yield file
    except MetachainError:
        raise
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StorageError(f"can't write {path}: {reason}; give a path in a folder you may write") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Path of a temporary file beside ``path``, which it replaces when the block ends without an error.

    Its name is random, and it is for its owner alone; if ``path`` was there, its permissions are kept.
    """
    target = path.resolve()
    handle, name = mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    os.close(handle)
    unfinished = Path(name)
    try:
        yield unfinished
        with suppress(FileNotFoundError):
            shutil.copymode(target, unfinished)
        os.replace(unfinished, target)
    finally:
        with suppress(OSError):
            unfinished.unlink()


def private(path: str, flags: int) -> int:
    """Open a file as ``open`` does; a file that is made is for its owner alone (``opener=private``)."""
    return os.open(path, flags, PRIVATE)


def check_writable(path: Path) -> None:
    """Check, before long work, that its result can be written. Raises StorageError if not."""
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
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "metachain"
    except RuntimeError:
        raise StorageError("there is no home folder to keep a cache in; set XDG_CACHE_HOME to a folder") from None

"""Search for texts in the files of a folder while a server works in it."""

from collections.abc import Collection
from pathlib import Path

__all__ = ["files_with"]


def files_with(folder: Path, words: Collection[bytes]) -> list[str]:
    """Names of the files below a folder that hold one of the words; files deleted meanwhile count as empty."""
    return [path.name for path in folder.rglob("*") if any(word in _content(path) for word in words)]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.is_file() else b""
    except FileNotFoundError:
        return b""

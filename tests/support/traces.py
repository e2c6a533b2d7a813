"""Which files hold something, of a folder in which a server is at work."""

from collections.abc import Collection
from pathlib import Path

__all__ = ["files_with"]


def files_with(folder: Path, words: Collection[bytes]) -> list[str]:
    """Names of the files below a folder that hold one of the words; what the server deletes meanwhile holds none."""
    return [path.name for path in folder.rglob("*") if any(word in _content(path) for word in words)]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.is_file() else b""
    except FileNotFoundError:
        return b""

"""Places of libraries: an address or a path means what it says, or is refused; it never becomes a file of that name."""

import re
from dataclasses import dataclass
from os import name as operating_system
from pathlib import Path, PurePath
from urllib.parse import parse_qsl, unquote, urlsplit

from metachain.errors import DataError

__all__ = ["FilePlace", "file_place", "is_address"]

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9.]*(\+[A-Za-z0-9_.]+)?://")
FORM = "a library is a path, or a database postgresql+psycopg://USER@HOST:PORT/DATABASE"
MEMORY = ":memory:"
WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")
MODES = {"ro": (False, True), "rw": (False, False), "rwc": (True, False)}
"""SQLite's modes: whether a file is made where there is none, and whether it is only read."""


@dataclass(frozen=True, slots=True)
class FilePlace:
    """An SQLite file."""

    path: Path
    makes: bool = True
    """False if the place says that no file is to be made."""
    read_only: bool = False


def is_address(place: str) -> bool:
    """True for an address with a scheme, such as ``postgresql://…``; False for a path."""
    return ADDRESS.match(place) is not None


def file_place(place: str | PurePath) -> FilePlace:
    """The file of a path, of SQLite's own ``file:PATH?mode=ro`` or of SQLAlchemy's ``sqlite:///PATH``.

    ``~`` is the home folder. Raises DataError for what would be lost at the end (``:memory:``), for another scheme or
    driver, for other settings than a mode, and for a path of another operating system.
    """
    written = str(place)
    scheme, _, rest = written.partition(":")
    kind = scheme.lower()
    if kind == "file":
        return _of_uri(written, rest)
    if kind in {"sqlite", "sqlite+pysqlite"}:
        if not rest.startswith("///"):
            form = "sqlite:///PATH, or sqlite:////PATH from the root"
            raise DataError(f"{scheme}:…: the form is {form}; or give the path alone")
        return _of_uri(written, rest.removeprefix("///"))
    if kind.startswith("sqlite+"):
        driver = kind.removeprefix("sqlite+")
        raise DataError(f"{scheme}://…: libraries don't use the driver {driver}; give the path of the file")
    if is_address(written):
        raise DataError(f"{scheme}://…: {FORM}")
    if re.match(r"postgres(ql)?(\+\w+)?:", written):
        raise DataError(f"{scheme}:…: {FORM}")
    return FilePlace(_path(written))


def _of_uri(written: str, rest: str) -> FilePlace:
    located, _, query = rest.partition("?")
    located = unquote(located.partition("#")[0])
    if located.startswith("//"):
        located = _without_host(written, located)
    settings = dict(parse_qsl(query, keep_blank_values=True))
    settings.pop("uri", None)
    mode = settings.pop("mode", "rwc")
    if mode == "memory":
        raise _in_memory(written)
    if settings or mode not in MODES:
        named = ", ".join(settings) or f"mode={mode}"
        raise DataError(f"{written!r}: {named} can't be set; the modes are {', '.join(MODES)}. Or give the path alone")
    path = _path(located.removeprefix("file:") or MEMORY)
    makes, read_only = MODES[mode]
    return FilePlace(path, makes, read_only)


def _without_host(written: str, located: str) -> str:
    parts = urlsplit(located)
    if parts.netloc not in ("", "localhost"):
        raise DataError(f"{written!r}: the file is on another machine; give a path on this one")
    return parts.path


def _path(written: str) -> Path:
    if written.strip() == MEMORY:
        raise _in_memory(written)
    if operating_system != "nt" and WINDOWS.match(written):
        raise DataError(f"{written!r} is a path of Windows, and this is another system; give a path of this one")
    return Path(written).expanduser() if written.startswith("~") else Path(written)


def _in_memory(written: str) -> DataError:
    return DataError(
        f"{written!r}: a library in memory would be lost with its process; give the path of a file, such as "
        "hospitals.db in a temporary folder"
    )

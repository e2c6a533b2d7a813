"""Places of libraries mean what they say, or are refused; none becomes a file of that name."""

from pathlib import Path, PureWindowsPath

import pytest
from handmade import Tiny, demonstrations

from metachain.errors import DataError, MetachainError, NotFoundError, StorageError
from metachain.library.database.connect import is_library
from metachain.library.library import Library


def opened(place: str | Path) -> Library:
    """Open a library there."""
    return Library.open(place, Tiny())


@pytest.mark.parametrize("place", [":memory:", "sqlite://", "sqlite:///:memory:", "file::memory:?cache=shared",
                                   "file:x.db?mode=memory", "sqlite:///file:x.db?mode=memory&uri=true",
                                   "sqlite+aiosqlite:///x.db", "sqlite+pysqlcipher://:word@/x.db",
                                   "file:x.db?cache=shared",
                                   "file:x.db?mode=rx", "file://elsewhere/x.db", "sqlite:x.db", "sqlite3:///x.db",
                                   "duckdb:///x.db", "mysql+pymysql://me@here/x", "postgresql:x", "postgres://me@here/x",
                                   "C:\\hospitals\\x.db", "D:/hospitals/x.db", "\\\\server\\x.db",
                                   PureWindowsPath("C:/hospitals/x.db")])  # fmt: skip
def test_what_is_no_place_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Databases in memory, other drivers, settings and systems are refused in short, and nothing is made."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as caught:
        opened(place)
    assert len(str(caught.value)) < 600
    assert "word" not in str(caught.value)
    assert not list(tmp_path.iterdir())
    assert not is_library(str(place)) or "://" in str(place)


@pytest.mark.parametrize("form", ["file:{name}", "file:{name}?mode=rwc", "file:{path}", "file://{path}", "sqlite:///{name}",
                                  "sqlite:///{path}", "sqlite+pysqlite:///{path}", "file://localhost{path}",
                                  "SQLITE:///{path}", "~/{name}"])  # fmt: skip
def test_an_address_of_a_file_is_that_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """SQLite's and SQLAlchemy's addresses of a file, and ``~``, are the same library as its path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    place = form.format(name="a b.db", path=tmp_path / "a b.db")
    with opened(place) as library:
        library.add(demonstrations())
    with opened(tmp_path / "a b.db") as library:
        assert len(library.demonstrations()) == 24
    assert [one.name for one in tmp_path.iterdir()] == ["a b.db"]
    assert is_library(place)


def test_modes_are_kept(tmp_path: Path) -> None:
    """``mode=ro`` reads and never writes, neither it nor ``mode=rw`` makes a file."""
    path = tmp_path / "x.db"
    for mode in ("ro", "rw"):
        with pytest.raises(NotFoundError, match="there is no library"):
            opened(f"file:{path}?mode={mode}")
    assert not path.exists()
    with opened(path) as library:
        library.add(demonstrations())
    with opened(f"file:{path}?mode=ro") as library:
        assert len(library.demonstrations()) == 24
        with pytest.raises(StorageError, match="read-only"):
            library.add(demonstrations(4))
    with opened(f"file:{path}?mode=rw") as library:
        assert library.add(demonstrations(4)).stored == 8


def test_an_empty_place_is_refused() -> None:
    """No place at all is no library."""
    with pytest.raises(MetachainError):
        opened("")

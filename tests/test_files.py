"""Files that are written completely or not at all, and the folder of the cache."""

import os
import stat
from pathlib import Path

import pytest

from metachain.embedding.onnx import kept_model
from metachain.errors import StorageError
from metachain.files import cache_folder, check_writable, replacing, write_text


def test_it_is_in_the_users_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG_CACHE_HOME names the place, else it is ``.cache`` in the home folder; an empty name is none."""
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/metachain")
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache_folder() == Path("/home/someone/.cache/metachain")


def test_a_user_without_a_home_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose user has no entry: there is no folder, and nothing is kept."""

    def unknown(number: int) -> None:
        raise KeyError(number)

    for name in ("XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    with pytest.raises(StorageError, match="no home folder to keep a cache in; set XDG_CACHE_HOME"):
        cache_folder()
    assert kept_model("anything") == b""


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    """The text is on disk in UTF-8, a former one is replaced, and nothing else is left in the folder."""
    path = tmp_path / "scores.json"
    for content in ("first", "zweite Fassung: 🏥 ä \u202e"):
        assert write_text(content, path) == path
        assert path.read_text(encoding="utf-8") == content
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Whatever the process would give others; who may read the former file may read the new one."""
    before = os.umask(0)
    try:
        path = write_text("first", tmp_path / "x")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o644)
        write_text("second", path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_unfinished_files_can_not_be_foreseen(tmp_path: Path) -> None:
    """Their names are random, so that nobody can put a link in their place."""
    names = set()
    for _ in range(2):
        with replacing(tmp_path / "x") as unfinished:
            names.add(unfinished.name)
            assert stat.S_IMODE(unfinished.stat().st_mode) == 0o600
    assert len(names) == 2


def test_a_lone_surrogate_is_written_as_a_reference(tmp_path: Path) -> None:
    """A text that UTF-8 can't hold is written with a character reference in its place."""
    assert write_text("a\udcffb", tmp_path / "x").read_text() == "a&#56575;b"


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the last step fails or is interrupted, the old content stays and no half-written file is left."""
    path = write_text("old", tmp_path / "x")
    for error, expected in (
        (OSError(28, "No space left on device"), StorageError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ):

        def fail(*_: object, error: BaseException = error) -> None:
            raise error

        monkeypatch.setattr(os, "replace", fail)
        with pytest.raises(expected):
            write_text("new", path)
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """Writing to a symbolic link writes the file that it points to."""
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_text("content", tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "content"


def test_places_that_can_not_be_written_are_refused(tmp_path: Path) -> None:
    """A folder, a missing folder, a file in the place of a folder and a device are refused by name, before any work."""
    (tmp_path / "file").touch()
    for place, complaint in (
        (tmp_path, "it is a folder; give the path of a file in it"),
        (tmp_path / "missing" / "x.json", "missing does not exist or may not be written; make it first"),
        (tmp_path / "file" / "x.json", "file does not exist or may not be written"),
        (Path(os.devnull), "it is a device or a pipe, not a file"),
    ):
        for attempt in (check_writable, lambda path: write_text("text", path)):
            with pytest.raises(StorageError, match=f"can't write {place}: .*{complaint}"):
                attempt(place)
    assert not Path(os.devnull).is_file()


def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    """A name longer than the file system takes ends in a StorageError with the system's reason."""
    with pytest.raises(StorageError, match=r"File name too long"):
        write_text("text", tmp_path / ("x" * 300))

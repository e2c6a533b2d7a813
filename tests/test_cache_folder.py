"""Where what can be made again is kept."""

from pathlib import Path

import pytest

from metachain.cache_folder import cache_folder
from metachain.errors import StorageError
from metachain.model_file import kept_model


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

"""A library in a folder that may not be written: its write-ahead log counts, so what was revoked stays revoked."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from handmade import Tiny, demonstrations, metachain, obey_permissions

from metachain.library.library import Library

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="root gives up its rights by a call of Linux only")

REVOKED_AND_KILLED = """
import os, sys
from metachain import Library
library = Library.open(sys.argv[1])
library.keys.revoke(sys.argv[2])
os._exit(1)
"""
LISTED_WHEN_ASKED = """
import sys
from metachain import Library
with Library.open(sys.argv[1], create=False) as library:
    for line in sys.stdin:
        print(len(library.keys.all()), flush=True)
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A library with a demonstration or more, in a folder of its own."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    with Library.open(folder / "hospitals.db", Tiny()) as library:
        library.add(demonstrations())
    return folder / "hospitals.db"


@contextmanager
def read_only(place: Path) -> Iterator[None]:
    """Take the right to write from a library's files and folder."""
    files = list(place.parent.iterdir())
    for one in files:
        one.chmod(0o444)
    place.parent.chmod(0o555)
    yield
    place.parent.chmod(0o755)
    for one in files:
        if one.exists():
            one.chmod(0o644)


def key_of(place: Path) -> str:
    """Make a key, and return its id."""
    with Library.open(place, Tiny()) as library:
        return library.keys.make("h0")[0].id


def listed(place: Path) -> "subprocess.CompletedProcess[str]":
    """The command that lists the keys, without the right to write."""
    return metachain("key", str(place), preexec_fn=obey_permissions)


def revoked_and_killed(place: Path, id: str) -> None:
    """Revoke a key in a process that is killed before it puts the log into the file."""
    subprocess.run([sys.executable, "-c", REVOKED_AND_KILLED, str(place), id], check=False)
    assert place.with_name("hospitals.db-wal").stat().st_size > 0


def test_a_key_revoked_before_a_kill_is_revoked(place: Path) -> None:
    """The revocation stands in the write-ahead log alone."""
    id = key_of(place)
    with read_only(place):
        assert id in listed(place).stdout
    revoked_and_killed(place, id)
    with read_only(place):
        done = listed(place)
    assert (done.returncode, "no key" in done.stdout) == (0, True), done.stderr


def test_a_log_that_can_not_be_read_is_an_error(place: Path) -> None:
    """The file alone, without the index of its log, would bring the key back."""
    id = key_of(place)
    revoked_and_killed(place, id)
    place.with_name("hospitals.db-shm").unlink()
    with read_only(place):
        done = listed(place)
    assert (done.returncode, done.stdout) == (2, "")
    assert "open it once where it may be written" in done.stderr
    with Library.open(place, Tiny()) as library:
        assert not library.keys.all()
    with read_only(place):
        assert "no key" in listed(place).stdout


@pytest.mark.skipif(bool(os.geteuid()), reason="only root may write what is read-only")
def test_a_reader_sees_what_others_write_later(place: Path) -> None:
    """A writer that may write revokes a key under an open reader; its log, and then its file, count at once."""
    key_of(place)
    command = [sys.executable, "-c", LISTED_WHEN_ASKED, str(place)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with read_only(place), subprocess.Popen(command, preexec_fn=obey_permissions, **pipes) as reader:  # noqa: PLW1509 - no threads here
        assert reader.stdin
        assert reader.stdout

        def keys() -> int:
            print("?", file=reader.stdin, flush=True)  # type: ignore[arg-type]
            return int(reader.stdout.readline())  # type: ignore[union-attr]

        assert keys() == 1
        with Library.open(place, Tiny()) as library:
            library.keys.make("h1")
            assert keys() == 2
            for one in library.keys.all():
                library.keys.revoke(one.id)
            assert keys() == 0
        assert keys() == 0
        reader.stdin.close()
        assert reader.wait(60) == 0

"""Health and readiness, whatever hangs, and HEAD requests."""

import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import httpx
import numpy as np
import psutil
import pytest
from handmade import Tiny, demonstrations, learned_library
from numpy.typing import NDArray
from server_process import PATIENCE, Server, keys_of, serving
from starlette.testclient import TestClient

from metachain.chains.server import create_app
from metachain.library.library import Library

if TYPE_CHECKING:
    from benchmarks.common.postgres import PostgresServer

BODY = {"input": {"input": "x-ray of the knee 7"}}
AT_ONCE = 10
"""Seconds within which a path must answer that may take two; what hangs takes for ever."""
THREADS = 48
"""More than the 40 threads of a worker for functions that are not asynchronous."""


def status(server: Server, path: str) -> tuple[int, str]:
    """Status and state that a path without a key tells. Raises httpx.ReadTimeout where it hangs."""
    told = httpx.get(f"{server.url}{path}", timeout=AT_ONCE)
    return told.status_code, told.json()["status"]


@contextmanager
def frozen(postgres: "PostgresServer") -> Iterator[None]:
    """Stop all processes of a PostgreSQL until the block ends: connections stay open, and nothing answers."""
    main = psutil.Process(postgres.pid)
    stopped = [main, *main.children(recursive=True)]
    for one in stopped:
        one.suspend()
    try:
        yield
    finally:
        for one in reversed(stopped):
            one.resume()


def test_a_frozen_database_hides_no_health(
    start_postgres: "Callable[..., AbstractContextManager[PostgresServer]]", tmp_path: Path
) -> None:
    """With every thread hanging the process still says that it lives and is not ready; later it is, and it can end."""
    options = ["--requests", str(2 * THREADS), "--requests-of-one", str(2 * THREADS), "--seconds", "8"]
    with (
        start_postgres() as postgres,
        ThreadPoolExecutor(THREADS) as pool,
        serving(postgres.url(postgres.create_database()), tmp_path, *options) as server,
    ):
        with frozen(postgres):
            server.until("/readyz", 503)
            hanging = [pool.submit(server.post, "h0", "/classify/invoke", BODY) for _ in range(THREADS)]
            for _ in range(3):
                assert status(server, "/healthz") == (200, "ok")
                assert status(server, "/readyz") == (503, "the library does not answer")
            assert {one.result().status_code for one in hanging} == {504}
        server.until("/readyz")
        assert server.post("h0", "/classify/invoke", BODY).status_code == 200
        with frozen(postgres):
            late = pool.submit(server.post, "h0", "/classify/invoke", BODY)
            server.until("/readyz", 503)
            assert server.stop() in {0, -signal.SIGTERM}
            assert late.result().status_code == 504


def test_a_locked_library_is_not_ready(tmp_path: Path) -> None:
    """As long as another process writes nothing can be recorded, so nothing can be answered."""
    place = tmp_path / "hospitals.db"
    with serving(str(place), tmp_path) as server, closing(sqlite3.connect(place, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        server.until("/readyz", 503)
        assert status(server, "/readyz") == (503, "the library does not answer")
        assert status(server, "/healthz") == (200, "ok")
        other.execute("ROLLBACK")
        server.until("/readyz")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 MB of its own; the test is skipped where none may be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(place)]
    if os.getuid() or not shutil.which("mount") or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk: run as root")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_is_not_ready(small_disk: Path, tmp_path: Path) -> None:
    """Readiness says what an answer would meet, the log why, and both pass with the fault."""
    with serving(str(small_disk / "hospitals.db"), tmp_path) as server:
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
        server.until("/readyz", 503)
        assert server.post("h0", "/classify/invoke", BODY).status_code == 503
        filler.unlink()
        server.until("/readyz")
        assert server.post("h0", "/classify/invoke", BODY).status_code == 200
        reasons = [line["reason"] for line in server.log() if line["message"] in {"not ready", "failed"}]
        assert reasons
        assert all("the disk is full; free some space" in one for one in reasons), reasons


def test_a_read_only_disk_is_not_ready(small_disk: Path, tmp_path: Path) -> None:
    """Nothing can be recorded there, so nothing is answered, until it may be written again."""
    place = learned_library(str(small_disk / "hospitals.db"), demonstrations())
    secrets = keys_of(place, "h0")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with serving(place, tmp_path, secrets=secrets, status=503) as server:
        assert server.post("h0", "/classify/invoke", BODY).status_code == 503
        assert server.get("h0", "/institutions").status_code == 200
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
        server.until("/readyz")
        assert server.post("h0", "/classify/invoke", BODY).status_code == 200


class Waiting(Tiny):
    """An encoder that loads until it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = Event()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Wait, then embed."""
        self.go_on.wait(PATIENCE)
        return super().encode(texts)


def test_a_cold_encoder_is_not_ready(tmp_path: Path) -> None:
    """The process lives meanwhile, and is ready once the encoder is warm."""
    place, encoder = learned_library(str(tmp_path / "hospitals.db"), demonstrations()), Waiting()
    with Library.open(place, encoder) as library, TestClient(create_app(library, {})) as client:
        told = client.get("/readyz")
        assert (told.status_code, told.json()["status"]) == (503, "the encoder is warming up")
        assert client.get("/healthz").status_code == 200
        encoder.go_on.set()
        assert client.get("/readyz").json() == {"status": "ok"}


def test_readiness_costs_one_write_a_second(tmp_path: Path) -> None:
    """Many who ask share a finding, because anybody may ask."""
    place = learned_library(str(tmp_path / "hospitals.db"), demonstrations())
    with Library.open(place, Tiny()) as library, TestClient(create_app(library, {})) as client:
        client.get("/readyz")
        for _ in range(200):
            assert client.get("/readyz").status_code == 200
        with closing(sqlite3.connect(place)) as other:
            (writes,) = other.execute("SELECT number FROM counters WHERE name = 'writable'").fetchone()
    assert 1 <= writes < 100


def test_head_is_answered_wherever_get_is(tmp_path: Path) -> None:
    """With the same status and headers, without a body, several on one connection; and the log tells them apart."""
    with serving(str(tmp_path / "hospitals.db"), tmp_path) as server:
        headers = server.headers("admin")
        paths = ["/healthz", "/readyz", "/metrics", "/institutions", "/openapi.json", "/classify/input_schema"]
        paths += ["/admin/", "/admin/classify/playground/", "/nowhere", "/adapt"]
        with httpx.Client(base_url=server.url, headers=headers, timeout=PATIENCE) as client:
            for path in paths:
                got, head = client.get(path), client.head(path)
                assert (head.status_code, head.content) == (got.status_code, b""), path
                assert head.headers["content-type"] == got.headers["content-type"]
            assert httpx.head(f"{server.url}/institutions").status_code == 401
        server.stop()
        logged = [(line["method"], line["route"], line["status"]) for line in server.log() if "method" in line]
    assert ("HEAD", "/institutions", 200) in logged
    assert ("HEAD", "unknown", 401) in logged

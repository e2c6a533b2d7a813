"""``metachain serve`` as a process on loopback, with a library of three past hospitals and a new one."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from handmade import Tiny, demonstrations, learned_library

from metachain.library.library import Library

__all__ = ["Server", "keys_of", "serving"]

HERE = Path(__file__).parent
PATIENCE = 60


@dataclass
class Server:
    """A running server, with its address, keys and log."""

    url: str
    process: subprocess.Popen[bytes]
    log_file: Path
    secrets: Mapping[str, str] = field(default_factory=dict)

    def headers(self, who: str) -> dict[str, str]:
        """Request headers of a key's owner."""
        return {"Authorization": f"Bearer {self.secrets[who]}"}

    def post(self, who: str, path: str, body: Any, **options: Any) -> httpx.Response:
        """Send a POST request."""
        return httpx.post(f"{self.url}{path}", json=body, headers=self.headers(who), timeout=PATIENCE, **options)

    def get(self, who: str, path: str) -> httpx.Response:
        """Send a GET request."""
        return httpx.get(f"{self.url}{path}", headers=self.headers(who), timeout=PATIENCE)

    def log(self) -> list[dict[str, Any]]:
        """Whole log lines; each must be a JSON object."""
        return [json.loads(line) for line in self.log_file.read_text().splitlines(keepends=True) if line[-1] == "\n"]

    def logged(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for a log line: a request's is written after its response was sent."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for line in self.log():
                if wanted(line):
                    return line
            time.sleep(0.05)
        raise AssertionError(self.log_file.read_text()[-3000:])

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> int:
        """Stop the server and return its exit status."""
        self.process.send_signal(sign)
        return self.process.wait(PATIENCE)

    def until(self, path: str, status: int = 200, **options: Any) -> None:
        """Wait until a path answers with the status."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            with suppress(httpx.TransportError):
                if httpx.get(f"{self.url}{path}", **options).status_code == status:
                    return
            time.sleep(0.05)
        raise AssertionError(self.log_file.read_text()[-3000:])


def keys_of(place: str, *who: str) -> dict[str, str]:
    """Make a key for each institution; ``admin`` is an administrator's."""
    with Library.open(place, Tiny()) as library:
        return {one: library.keys.make(None if one == "admin" else one)[1] for one in who}


@contextmanager
def serving(
    place: str,
    folder: Path,
    *options: str,
    secrets: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    scheme: str = "http",
    learned: bool = True,
    named: bool = True,
    **settings: Any,
) -> Iterator[Server]:
    """Serve a library until the block ends; without ``secrets`` the library and keys for all are made first.

    With ``named=False`` the library's place is in the environment alone, not among the arguments.
    """
    if secrets is None:
        if learned:
            learned_library(place, demonstrations())
        secrets = keys_of(place, "h0", "h1", "h2", "new", "admin")
    port = free_port()
    argument, where = ([place], {}) if named else ([], {"METACHAIN_LIBRARY": place})
    log = folder / f"log of {port}.jsonl"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, str(HERE / "tiny_cli.py"), "serve", *argument, "--port", str(port), *options],
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE), **where, **(environment or {})},
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
    server = Server(f"{scheme}://127.0.0.1:{port}", process, log, secrets)
    try:
        server.until("/readyz", **settings)
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
        if process.poll() is None:
            process.kill()
            process.wait()


def free_port() -> int:
    """Find a free port."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])

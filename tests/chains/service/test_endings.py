"""The end of a server with open connections, and its processes before a database."""

import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest
from handmade import demonstrations, learned_library
from pgbouncer import pooled
from server_process import PATIENCE, Server, keys_of, serving
from sqlalchemy import make_url

OWN_CHAIN = ["--chain", "slow=slow_chains:slow"]
BODY = {"input": {"input": "x-ray of the knee 7"}}


def opened(server: Server) -> socket.socket:
    """A connection to the server."""
    url = httpx.URL(server.url)
    return socket.create_connection((url.host, url.port or 0), PATIENCE)


def rest_of(connection: socket.socket) -> bytes:
    """What still comes until the server closes. Raises TimeoutError where it does not, ConnectionError for a reset."""
    found = b""
    while piece := connection.recv(65536):
        found += piece
    return found


@pytest.mark.parametrize("workers", ["1", "2"])
def test_open_connections_do_not_hold_up_the_end(tmp_path: Path, workers: str) -> None:
    """After SIGTERM idle and half-sent ones are closed, a running one after its answer, and the process ends."""
    place = str(tmp_path / "hospitals.db")
    with (
        serving(place, tmp_path, "--workers", workers, *OWN_CHAIN) as server,
        closing(opened(server)) as idle,
        closing(opened(server)) as half,
        httpx.Client(base_url=server.url, headers=server.headers("h0"), timeout=PATIENCE) as client,
        ThreadPoolExecutor() as pool,
    ):
        idle.sendall(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
        answered = b""
        while b'"ok"}' not in answered:
            answered += idle.recv(65536)
        half.sendall(b"GET /healthz HTTP/1.1\r\nhost: ")
        assert client.get("/healthz").status_code == 200
        slow = pool.submit(client.post, "/slow/invoke", json=BODY)
        running = 0.0
        while not running:
            lines = server.get("admin", "/metrics").text.splitlines()
            running = sum(float(one.split()[1]) for one in lines if one.startswith("metachain_requests_in_flight ")) - 1
        server.process.send_signal(signal.SIGTERM)
        assert rest_of(half) == b""
        assert rest_of(idle) == b""
        assert slow.result().json()["output"] == "answered"
        with pytest.raises(httpx.TransportError):
            client.get("/healthz")
        assert server.process.wait(PATIENCE) in {0, -signal.SIGTERM}


@pytest.mark.parametrize("named", [True, False])
def test_no_process_shows_the_password(postgres_url: str, tmp_path: Path, *, named: bool) -> None:
    """The password may come from PGPASSWORD, or the whole address from METACHAIN_LIBRARY; behind a pooler too."""
    with pooled(postgres_url) as address:
        learned_library(address, demonstrations())
        secrets, password = keys_of(address, "h0", "new"), str(make_url(address).password)
        place = address.replace(f":{password}@", "@") if named else address
        environment = {"PGPASSWORD": password} if named else {}
        options = ["--workers", "2", "--pool-size", "3", "--pool-timeout", "20", "--statement-timeout", "30"]
        with serving(place, tmp_path, *options, secrets=secrets, environment=environment, named=named) as server:
            for number in range(12):
                told = server.post("h0", "/classify/invoke", BODY)
                assert told.status_code == 200, told.text
                judged = {"run_id": told.json()["metadata"]["run_id"], "correction": f"code {number}"}
                assert server.post("h0", "/feedback", judged).status_code == 200
            example = {"examples": [{"input": "x-ray of the hip", "output": "code 1"}]}
            assert server.post("new", "/adapt", example).status_code == 200
            main = psutil.Process(server.process.pid)
            shown = [word for one in (main, *main.children(recursive=True)) for word in one.cmdline()]
            assert len(main.children(recursive=True)) >= 2
            assert not [word for word in shown if password in word]
            assert password not in server.log_file.read_text()


def test_a_statement_ends_after_the_servers_time(postgres_url: str, tmp_path: Path) -> None:
    """A table locked for longer makes answers 503, not late ones, and the connections are free again."""
    with serving(postgres_url, tmp_path, "--statement-timeout", "0.5", "--pool-size", "2") as server:
        with psycopg.connect(postgres_url.replace("+psycopg", "")) as other:
            other.execute("LOCK TABLE keys IN ACCESS EXCLUSIVE MODE")
            assert server.post("h0", "/classify/invoke", BODY).status_code == 503
            other.rollback()
        assert server.post("h0", "/classify/invoke", BODY).status_code == 200
        server.logged(lambda one: one["message"] == "failed")
        (line,) = (one for one in server.log() if one["message"] == "failed")
        assert (line["error"], line["at"].split(":")[0]) == ("StorageError", "metachain.library.api_keys")
        assert "canceling statement due to statement timeout" in line["reason"]

"""What a caller costs before it has asked: connections, half-sent heads, lines of the log, compressed bodies."""

import logging
import resource
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from server_process import PATIENCE, Server, keys_of, serving

from metachain.chains.service.logs import LONGEST, LONGEST_LIST, JsonLines

FILES = 80
HALF_A_HEAD = b"GET /healthz HTTP/1.1\r\nX-A: "


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that may open few files."""
    folder = tmp_path_factory.mktemp("bounds")
    with serving(str(folder / "hospitals.db"), folder) as found:
        resource.prlimit(found.process.pid, resource.RLIMIT_NOFILE, (FILES, FILES))
        yield found


def test_half_sent_heads_keep_nobody_out(server: Server) -> None:
    """Beyond the limit the oldest is closed; the others are closed in time, and honest callers are answered."""
    port = int(server.url.rpartition(":")[2])
    half = []
    for _ in range(FILES):
        half.append(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE))
        half[-1].send(HALF_A_HEAD)
    assert server.post("new", "/classify/invoke", {"input": {"input": "knee"}}).status_code == 200
    assert server.get("new", "/healthz").status_code == 200
    assert [ended(one) for one in half] == [True] * FILES
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as idle:
        idle.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        answered = b""
        while b"}" not in answered:
            answered += idle.recv(1000)
        idle.send(HALF_A_HEAD)
        assert ended(idle)
    assert "Too many open files" not in server.log_file.read_text()


def ended(one: socket.socket) -> bool:
    """True where the server closes a connection without another byte; waits for it."""
    try:
        with one:
            return one.recv(1000) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize(
    "head",
    [
        b"MADEUP /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 100_000,
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: a\x00b\r\n\r\n",
        b"no request\r\n\r\n",
    ],
)
def test_a_wrong_head_is_refused(server: Server, head: bytes) -> None:
    """A method of nobody's, a head without an end, and what is no request are answered 400, and the connection ends."""
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=PATIENCE) as one:
        one.sendall(head)
        answered = b""
        while piece := one.recv(4096):
            answered += piece
    assert answered.startswith(b"HTTP/1.1 400 ")
    assert answered.count(b"HTTP/1.1") == 1
    assert server.get("new", "/healthz").status_code == 200


def test_a_large_body_is_no_head(server: Server) -> None:
    """A body that was refused is read to its end, and the connection goes on."""
    with httpx.Client(base_url=server.url, headers=server.headers("new")) as client:
        refused = client.post("/classify/invoke", content=b'{"input": {"input": "' + b"a" * 500_000 + b'"}}')
        assert refused.status_code == 422
        assert client.get("/institutions").status_code == 200


def test_a_log_line_is_short(server: Server) -> None:
    """Whatever path, method or header a caller sends; made-up methods have no metric of their own."""
    long = {**server.headers("new"), "X-Actor": "a" * 8000}
    assert httpx.get(f"{server.url}/{'b' * 8000}", headers=server.headers("new")).status_code == 404
    assert httpx.get(f"{server.url}/{'b' * 8000}", headers=long).status_code == 422
    assert httpx.request("PROPFIND", f"{server.url}/healthz").status_code == 405
    assert server.logged(lambda line: line.get("status") == 405)["method"] == "other"
    assert max(map(len, server.log_file.read_text().splitlines())) < 1000
    assert "PROPFIND" not in server.get("admin", "/metrics").text


def test_a_value_in_the_log_is_cut() -> None:
    """A text, and a list and each of its texts."""
    record = logging.LogRecord("a", logging.INFO, "", 0, "m" * 9000, None, None)
    record.at = ["x" * 9000] * 90
    line = JsonLines().format(record)
    assert "m" * LONGEST in line
    assert len(line) < (LONGEST_LIST + 2) * (LONGEST + 10)


def test_a_compressed_body_is_refused(server: Server) -> None:
    """Nothing is unpacked, so nothing can grow."""
    headers = {**server.headers("new"), "Content-Type": "application/json", "Content-Encoding": "gzip"}
    answered = httpx.post(f"{server.url}/classify/invoke", content=b"\x1f\x8b", headers=headers)
    assert answered.status_code == 415
    assert "must not be compressed" in answered.json()["detail"]


def test_keys_of_one_institution_are_one_caller(tmp_path: Path) -> None:
    """Its second batch is refused while the first is under way, whichever key it comes with."""
    place = str(tmp_path / "hospitals.db")
    with serving(place, tmp_path, "--inputs-of-one", "100") as found:
        more = {"again": keys_of(place, "new")["new"]}
        found.secrets = {**found.secrets, **more}
        body = {"inputs": [{"input": f"knee {number}"} for number in range(100)]}
        with ThreadPoolExecutor(4) as pool:
            sent = [pool.submit(found.post, who, "/classify/batch", body) for who in ("new", "again", "new", "h0")]
            statuses = [one.result().status_code for one in sent]
        assert sorted(statuses[:3]) == [200, 429, 429]
        assert statuses[3] == 200
        assert 'metachain_queue_seconds_count{work="ask"}' in found.get("admin", "/metrics").text

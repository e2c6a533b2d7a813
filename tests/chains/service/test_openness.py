"""A server fails closed: it is open only as far as an option says so."""

import re
from pathlib import Path

import httpx
import pytest
from handmade import Tiny, demonstrations, learned_library, metachain
from receiver import receiving
from server_process import keys_of, serving
from starlette.testclient import TestClient

from metachain.chains.server import create_app
from metachain.errors import DataError
from metachain.library.library import Library

BODY = {"input": {"input": "x", "institution": "h0"}}
EVERYWHERE = "0.0.0.0"  # noqa: S104 - that is what is tried


@pytest.fixture
def place(tmp_path: Path) -> str:
    """A library that has learned and has no key."""
    return learned_library(str(tmp_path / "hospitals.db"), demonstrations())


def refused(place: str, *options: str, **environment: str) -> str:
    """Error of a server that does not start: one line."""
    done = metachain("serve", place, *options, environment=environment)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.strip().splitlines()
    return line


def test_no_keys_is_said_and_never_inferred(place: str) -> None:
    """Without a key the option is needed; with one, or after the last is revoked, it is refused."""
    assert "--no-keys" in refused(place)
    with Library.open(place, Tiny()) as library:
        key, _ = library.keys.make("h0")
        assert "has or had keys" in refused(place, "--no-keys")
        library.keys.revoke(key.id)
    assert "has or had keys" in refused(place, "--no-keys")
    assert "nobody could ask" in refused(place)
    assert "--no-keys" not in refused(place)


def test_the_last_key_revoked_opens_nothing(place: str, tmp_path: Path) -> None:
    """Whoever asks without a key gets 401, before and after, as with a wrong or the revoked key."""
    secrets = keys_of(place, "h0")
    paths = ("/institutions", "/metrics", "/admin/", "/openapi.json")
    with serving(place, tmp_path, secrets=secrets) as server:
        assert server.get("h0", "/institutions").status_code == 200
        assert [httpx.get(f"{server.url}{path}").status_code for path in paths] == [401] * 4
        with Library.open(place, Tiny()) as library:
            library.keys.revoke(library.keys.all()[0].id)
        assert [httpx.get(f"{server.url}{path}").status_code for path in paths] == [401] * 4
        assert httpx.post(f"{server.url}/classify/invoke", json=BODY).status_code == 401
        assert server.get("h0", "/institutions").status_code == 401


def test_no_keys_serves_this_machine_until_there_is_a_key(place: str, tmp_path: Path) -> None:
    """It says so; the first key that is made counts at once, and the last that is revoked opens nothing."""
    assert "this machine alone" in refused(place, "--no-keys", "--host", EVERYWHERE)
    with serving(place, tmp_path, "--no-keys", secrets={}) as server:
        asked = f"{server.url}/classify/invoke"
        assert httpx.post(asked, json=BODY).status_code == 200
        assert httpx.post(asked, json=BODY, headers={"Host": "evil.example"}).status_code == 400
        with Library.open(place, Tiny()) as library:
            key, _ = library.keys.make("h0")
            assert httpx.post(asked, json=BODY).status_code == 401
            library.keys.revoke(key.id)
        assert httpx.post(asked, json=BODY).status_code == 401


def test_plain_http_to_other_machines_is_said(place: str, tmp_path: Path) -> None:
    """Without a certificate it is needed for any address but this machine's own."""
    secrets = keys_of(place, "h0")
    for host in (EVERYWHERE, "::", "hospital.example"):
        assert "--plain-http" in refused(place, "--host", host)
    with serving(place, tmp_path, "--host", EVERYWHERE, "--plain-http", secrets=secrets) as server:
        assert server.get("h0", "/institutions").status_code == 200


def test_only_the_allowed_hosts_are_answered(place: str, tmp_path: Path) -> None:
    """With keys any host name is answered, as behind a proxy, unless some are named."""
    secrets = keys_of(place, "h0")
    names = ("api.hospital.example", "evil.example", "hospital.example.evil.example")
    for options, answered in (([], [200] * 3), (["--allowed-host", "*.hospital.example"], [200, 400, 400])):
        local = ["--allowed-host", "127.0.0.1"] if options else []
        with serving(place, tmp_path, *options, *local, secrets=secrets) as server:
            told = [
                httpx.get(f"{server.url}/institutions", headers={**server.headers("h0"), "Host": name}).status_code
                for name in names
            ]
            assert told == answered


@pytest.mark.parametrize("variable", ["LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2"])
def test_traced_texts_are_allowed_first(place: str, variable: str) -> None:
    """Whichever variable turns LangSmith's tracing on; nothing is sent before."""
    keys_of(place, "h0")
    with receiving() as received:
        told = refused(place, **{variable: "true", "LANGSMITH_ENDPOINT": received.url, "LANGSMITH_API_KEY": "key"})
        assert re.search("LangSmith.*--trace-texts", told)
        assert not received.bodies


def test_an_app_of_ones_own_is_not_traced_by_accident(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """``create_app`` asks for the same."""
    monkeypatch.setattr("metachain.chains.service.tracing.tracing_is_enabled", lambda: True)
    with Library.open(place, Tiny()) as library:
        with pytest.raises(DataError, match="trace-texts"):
            create_app(library, {})
        with TestClient(create_app(library, {}, trace_texts=True)) as client:
            assert client.get("/healthz").status_code == 200

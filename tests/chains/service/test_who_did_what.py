"""The audit of a server: key, request and actor of each doing, refused keys, administrators, and the use of keys."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from handmade import Tiny, demonstrations, learned_library
from httpx import Response
from server_process import keys_of
from server_process import serving as serving_process
from starlette.testclient import TestClient

from metachain.chains.server import create_app
from metachain.chains.service.key_use import REFUSALS_A_MINUTE, KeyUse
from metachain.chains.service.running import standard_chains
from metachain.library.audit import Event
from metachain.library.erasure import records_sha256
from metachain.library.library import Library
from metachain.retrievers import LibraryExampleSelector
from metachain.timestamps import parse_moment

QUERY = {"input": {"input": "x-ray of the knee 7"}}


@dataclass
class Served:
    """An app with its library and a client."""

    library: Library
    client: TestClient
    use: KeyUse | None = None

    def post(self, secret: str, path: str, body: Any, **headers: str | bytes) -> Response:
        """Post with a key and further headers."""
        given = {"authorization": f"Bearer {secret}", "content-type": "application/json"}
        named: Any = {**given, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self.client.post(path, content=json.dumps(body).encode(), headers=named)

    def events(self, kind: str) -> list[Event]:
        """Events of a kind."""
        return [one for one in self.library.audit.events() if one.kind == kind]


@pytest.fixture
def place(tmp_path: Path) -> str:
    """A learned library of three past hospitals."""
    return learned_library(str(tmp_path / "hospitals.db"), demonstrations())


@pytest.fixture
def served(place: str) -> Iterator[Served]:
    """It, served in this process."""
    with Library.open(place, Tiny()) as library:
        selector = LibraryExampleSelector(library)
        app = create_app(library, standard_chains("offline", selector), selector)
        with TestClient(app) as client:
            yield Served(library, client)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/classify/invoke", QUERY),
        ("/classify/batch", {"inputs": [QUERY["input"], {"input": "x-ray of the wrist"}]}),
        ("/summarize/stream", QUERY),
        ("/explain", QUERY["input"]),
    ],
)
def test_a_selection_knows_who_asked(served: Served, path: str, body: Any) -> None:
    """Key, request and actor reach the entry through all threads; the digest is that of the demonstrations shown."""
    key, secret = served.library.keys.make("new")
    answered = served.post(secret, path, body, x_actor="Dr Zoë Weiß".encode())
    assert answered.status_code == 200, answered.text
    entries = list(served.library.audit.entries())
    assert len(entries) == (2 if "batch" in path else 1)
    texts = {one.key: one for one in served.library.demonstrations()}
    for one in entries:
        assert (one.key, one.request, one.actor) == (key.id, answered.headers["x-request-id"], "Dr Zoë Weiß")
        shown = [texts[name] for name in one.shown]
        assert shown
        assert one.contents_sha256 == records_sha256((*each.key, each.input, each.output) for each in shown)
    assert served.library.audit.verify().broken is None


def test_what_an_institution_does_is_recorded(served: Served) -> None:
    """Adaptations, feedback and suggestions have key, request and actor, and no text."""
    key, secret = served.library.keys.make("new")
    example = {"input": "x-ray of the {foot}", "output": "code 1"}
    asked = [served.post(secret, "/adapt", {"examples": [example], "answers": ["code 1"]}, x_actor="nurse")]
    asked += [served.post(secret, "/label", {"texts": ["x-ray of the {hand}"]}, x_actor="nurse")]
    run = served.post(secret, "/classify/invoke", QUERY).json()["metadata"]["run_id"]
    asked += [served.post(secret, "/feedback", {"run_id": run, "correction": "code 3"}, x_actor="nurse")]
    requests = {}
    for name, one in zip(("adapt", "label", "feedback"), asked, strict=True):
        assert one.status_code == 200, one.text
        requests[name] = one.headers["x-request-id"]
    for name, request in requests.items():
        [event] = served.events(name)
        assert (event.institution, event.key, event.request, event.actor) == ("new", key.id, request, "nurse")
        assert not any(text in json.dumps(event.detail) for text in ("{foot}", "{hand}", "code"))


@pytest.mark.parametrize("actor", [b"x" * 201, b"a\tb", "a\u202eb".encode()])
def test_an_actor_must_be_printable(served: Served, actor: bytes) -> None:
    """A name that is too long, or has control characters, is answered 422; nothing is selected."""
    _, secret = served.library.keys.make("new")
    answered = served.post(secret, "/classify/invoke", QUERY, x_actor=actor)
    assert answered.status_code == 422
    assert "X-Actor" in answered.json()["detail"]
    assert not list(served.library.audit.entries())
    assert served.post(secret, "/classify/invoke", QUERY, x_actor=b"x" * 200).status_code == 200


def test_administrators_are_recorded_before_they_are_answered(served: Served) -> None:
    """The route, never the path, and the institution that was named; other keys and the metrics leave no such event."""
    admin, secret = served.library.keys.make(None)
    _, others = served.library.keys.make("new")
    served.post(secret, "/classify/invoke", QUERY, x_institution="h0", x_actor="keeper")
    headers = {"authorization": f"Bearer {secret}"}
    served.client.get("/institutions", headers=headers)
    served.client.get("/admin/classify/playground/secret-path", headers=headers)
    served.client.get("/metrics", headers=headers)
    served.post(others, "/classify/invoke", QUERY)
    found = served.events("request")
    assert {one.key for one in found} == {admin.id}
    assert [(one.institution, one.actor, one.detail["method"], one.detail["route"]) for one in found] == [
        ("h0", "keeper", "POST", "/classify/invoke"),
        ("", "", "GET", "/institutions"),
        ("", "", "GET", "/admin/classify/playground/{file_path:path}"),
    ]


def test_a_flood_of_refused_keys_leaves_few_rows(place: str) -> None:
    """By id, once a minute each and ten in all; the number of others comes with the next record; never a secret."""
    with Library.open(place, Tiny()) as library:
        use = KeyUse(library)
        for number in range(3 * REFUSALS_A_MINUTE):
            for _ in range(3):
                use.refused(f"mc_{number:012x}_secret", "r")
        use.refused(None, "r")
        use.refused("anything else", "r")
        use.close()
        rows = [one for one in library.audit.events() if one.kind == "key refused"]
        first = {f"{number:012x}" for number in range(REFUSALS_A_MINUTE)}
        assert first <= {one.detail["id"] for one in rows}  # rows of one millisecond come in any order
        assert REFUSALS_A_MINUTE <= len(rows) <= 2 * REFUSALS_A_MINUTE  # a minute may end meanwhile
        assert "secret" not in json.dumps([one.detail for one in rows])


def test_a_refused_key_is_recorded(served: Served) -> None:
    """A revoked key by its id, a secret of another form without one."""
    key, secret = served.library.keys.make("new")
    served.library.keys.revoke(key.id)
    answered = served.post(secret, "/classify/invoke", QUERY)
    assert answered.status_code == 401
    served.post("my own words", "/classify/invoke", QUERY)
    assert served.client.get("/institutions").status_code == 401
    served.client.__exit__()  # the end of the server waits for what is still to be written
    found = served.events("key refused")
    assert [(one.detail["id"], one.key) for one in found] == [(key.id, ""), ("", "")]
    assert found[0].request == answered.headers["x-request-id"]
    served.client.__enter__()


def test_a_process_keeps_the_last_use_and_counts_the_grace(place: str, tmp_path: Path) -> None:
    """The list shows it; a rotated key is answered until its end, and the new one from then on too."""
    secrets = keys_of(place, "h0", "new")
    with serving_process(place, tmp_path, secrets=secrets) as server:
        assert server.post("new", "/explain", QUERY["input"]).status_code == 200
        other_bytes = [(b"X-Actor", b"\xff\xfe"), (b"Authorization", f"Bearer {secrets['new']}".encode())]
        assert httpx.get(f"{server.url}/institutions", headers=other_bytes).status_code == 422
        with Library.open(place, Tiny()) as library:
            [old] = [one for one in library.keys.all() if one.institution == "new"]
            _, rotated = library.keys.rotate(old.id)
            server.secrets = {**secrets, "rotated": rotated}
            assert [server.post(who, "/explain", QUERY["input"]).status_code for who in ("new", "rotated")] == [
                200,
                200,
            ]
            library.keys.rotate(old.id, grace=timedelta())
            assert server.post("new", "/explain", QUERY["input"]).status_code == 401
        server.stop()
    with Library.open(place, Tiny()) as library:
        used = {one.institution: one.used for one in library.keys.all() if one.id == old.id or one.institution == "h0"}
        assert used["h0"] is None
        assert used["new"] is not None
        assert datetime.now(UTC) - parse_moment(used["new"]) < timedelta(minutes=5)
        assert library.audit.verify().broken is None

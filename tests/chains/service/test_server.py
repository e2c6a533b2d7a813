"""The server in this process: whose answers it gives to whom, and what it says to those who ask wrongly."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from handmade import Tiny, demonstrations, learned_library
from httpx import ReadTimeout, Response
from langchain_core.runnables import Runnable, RunnableLambda
from pydantic import BaseModel
from sqlalchemy import text
from starlette.testclient import TestClient

from metachain.chains.server import Limits, create_app
from metachain.chains.service.running import standard_chains
from metachain.errors import BusyError, DataError, LibraryError, ModelError, SharingError, StorageError
from metachain.learning.artifacts import load_posterior
from metachain.library.database.engine import writing
from metachain.library.library import Library
from metachain.retrievers import LibraryExampleSelector
from metachain.selection.selection import Selection

QUERY = "x-ray of the knee 7"
HIDDEN = "a text of another institution"


class Order(BaseModel):
    """An input that is a Pydantic model."""

    text: str
    urgent: bool = False


def ordered(order: Order) -> str:
    """Fails on a dict."""
    return f"{order.text} {order.urgent}"


def failing(given: dict[str, Any]) -> str:
    """Raise what the input names."""
    kinds = {
        "model": ModelError(HIDDEN),
        "storage": StorageError(HIDDEN),
        "library": LibraryError(HIDDEN),
        "sharing": SharingError("h1 does not share"),
        "timeout": TimeoutError(HIDDEN),
        "unreached": ReadTimeout(HIDDEN),
        "busy": BusyError("no free connection"),
        "other": KeyError(HIDDEN),
    }
    raise kinds[given["kind"]]


def streaming(given: dict[str, Any]) -> Iterator[str]:
    """Fail after the first piece."""
    yield "first"
    raise KeyError(HIDDEN)


CHAINS: dict[str, Runnable[Any, Any]] = {
    "order": RunnableLambda(ordered).with_types(input_type=Order),
    "fail": RunnableLambda(failing).with_types(input_type=dict[str, str]),
    "whoami": RunnableLambda(lambda _, config: config["configurable"].get("institution", "")).with_types(
        input_type=dict[str, str]
    ),
}


@dataclass
class Served:
    """An app with its library, and a client of each key."""

    library: Library
    client: TestClient
    secrets: dict[str, str]

    def ask(self, who: str, path: str, body: Any = None, **options: Any) -> Response:
        """Post a body, or get where there is none."""
        headers = {"Authorization": f"Bearer {self.secrets[who]}", **options.pop("headers", {})}
        if body is None:
            return self.client.get(path, headers=headers, **options)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"content-type": "application/json", **headers}
        return self.client.post(path, content=content, headers=headers, **options)


@contextmanager
def serving(folder: Path, limits: Limits, *, unauthenticated: bool = False, keys: bool = True) -> Iterator[Served]:
    """An app in this process until the block ends; with keys, one for each of four hospitals and three more."""
    place = learned_library(str(folder / "hospitals.db"), demonstrations())
    with Library.open(place, Tiny()) as library:
        made = library.keys.make
        secrets = {}
        if keys:
            secrets = {who: made(who)[1] for who in ("h0", "h1", "h2", "new")}
            secrets |= {"admin": made(None)[1], "metrics": made(None, ["metrics"])[1]}
            secrets |= {"reader": made("new", ["explain", "texts"])[1]}
        selector = LibraryExampleSelector(library)
        chains = {**standard_chains("offline", selector), **CHAINS}
        app = create_app(library, chains, selector, limits=limits, unauthenticated=unauthenticated)
        host = "http://127.0.0.1" if unauthenticated else "http://testserver"
        with TestClient(app, base_url=host, raise_server_exceptions=False) as client:
            yield Served(library, client, secrets)


LIMITS = Limits(batch=4, body_bytes=20_000, characters=2000)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Three past hospitals and a new one without labels."""
    with serving(tmp_path, LIMITS) as found:
        yield found


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The same, for tests that change nothing."""
    with serving(tmp_path_factory.mktemp("asked"), LIMITS) as found:
        yield found


def run_id(response: Response) -> str:
    """Of an answer."""
    assert response.status_code == 200, response.text
    return str(response.json()["metadata"]["run_id"])


def events(response: Response) -> list[tuple[str, Any]]:
    """Of a stream: kind and data."""
    found = []
    for block in response.text.replace("\r\n", "\n").strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        found.append((fields["event"], json.loads(fields["data"]) if "data" in fields else None))
    return found


def test_an_answer_is_that_of_the_keys_institution(asked: Served) -> None:
    """Whoever asks is found in the config of a run, whatever else it says; two hospitals are answered differently."""
    for who in ("h0", "h1", "new"):
        assert asked.ask(who, "/whoami/invoke", {"input": {"input": "x"}}).json()["output"] == who
        batch = asked.ask(who, "/whoami/batch", {"inputs": [{"a": "x"}, {"a": "y"}], "config": [{}, {}]})
        assert batch.json()["output"] == [who, who]
        assert ("data", who) in events(asked.ask(who, "/whoami/stream", {"input": {"a": "x"}}))
    labels = {
        who: asked.ask(who, "/classify/invoke", {"input": {"input": "x-ray of the brain 0"}}).json()["output"]["label"]
        for who in ("h0", "h1")
    }
    assert labels["h0"] != labels["h1"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/classify/invoke", {"input": {"input": QUERY, "institution": "h1"}}),
        ("/classify/stream", {"input": {"input": QUERY, "institution": "h1"}}),
        ("/classify/invoke", {"input": {"input": QUERY}, "config": {"configurable": {"institution": "h1"}}}),
        ("/classify/stream", {"input": {"input": QUERY}, "config": {"configurable": {"institution": "h1"}}}),
        ("/classify/batch", {"inputs": [{"input": QUERY}, {"input": QUERY, "institution": "h1"}]}),
        ("/classify/batch", {"inputs": [{"input": QUERY}], "config": {"configurable": {"institution": "h1"}}}),
        (
            "/classify/batch",
            {"inputs": [{"input": QUERY}] * 2, "config": [{}, {"configurable": {"institution": "h1"}}]},
        ),
        ("/whoami/invoke", {"input": {"institution": "h1"}}),
    ],
)
def test_a_body_may_not_name_another_institution(served: Served, path: str, body: Any) -> None:
    """It is refused before anything is selected."""
    before = len(list(served.library.audit.entries()))
    refused = served.ask("new", path, body)
    assert refused.status_code == 403
    assert "another institution" in refused.json()["detail"]
    assert len(list(served.library.audit.entries())) == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/classify/invoke", {"input": {"input": QUERY}}),
        ("/adapt", {"examples": []}),
        ("/explain", {"input": QUERY}),
        ("/label", {"texts": [QUERY]}),
        ("/institutions", None),
        ("/classify/input_schema", None),
    ],
)
def test_a_header_may_not_name_another_institution(asked: Served, path: str, body: Any) -> None:
    """Only an administrator's key may choose."""
    assert asked.ask("new", path, body, headers={"X-Institution": "h1"}).status_code == 403
    assert asked.ask("new", path, body, headers={"X-Institution": "new"}).status_code == 200
    assert asked.ask("admin", path, body, headers={"X-Institution": "h1"}).status_code == 200


@pytest.mark.parametrize("path", ["/classify/invoke", "/adapt", "/openapi.json", "/metrics", "/admin/", "/nothing"])
@pytest.mark.parametrize(
    "sent", [{}, {"Authorization": "Bearer mc_0_x"}, {"X-API-Key": ""}, {"Authorization": "Basic %"}]
)
def test_without_a_key_there_is_nothing(asked: Served, path: str, sent: dict[str, str]) -> None:
    """Not even what there would be."""
    refused = asked.client.post(path, json={}, headers=sent)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Basic" if path == "/admin/" else "Bearer")


def test_a_key_may_come_in_three_ways(asked: Served) -> None:
    """As a bearer token, as X-API-Key, or as a password, which browsers can send."""
    secret = asked.secrets["new"]
    assert asked.client.get("/institutions", headers={"X-API-Key": secret}).status_code == 200
    assert asked.client.get("/institutions", auth=("anybody", secret)).status_code == 200
    assert asked.client.get("/institutions", headers={"Authorization": f"bearer {secret}"}).status_code == 200


def test_a_key_allows_what_its_scopes_say(served: Served) -> None:
    """Each route asks for one."""
    wanted = {
        "ask": ("/classify/invoke", {"input": {"input": QUERY}}),
        "explain": ("/explain", {"input": QUERY}),
        "read": ("/institutions", None),
        "label": ("/label", {"texts": [QUERY]}),
        "feedback": ("/feedback", {"run_id": "none", "score": 1}),
        "adapt": ("/adapt", {}),
    }
    for scope, (path, body) in wanted.items():
        others = [one for one in wanted if one != scope]
        served.secrets["with"] = served.library.keys.make("new", [scope])[1]
        served.secrets["without"] = served.library.keys.make("new", others)[1]
        assert served.ask("with", path, body).status_code in {200, 404}
        refused = served.ask("without", path, body)
        assert (refused.status_code, scope in refused.json()["detail"]) == (403, True)
    for who, path in (("new", "/metrics"), ("new", "/admin/"), ("metrics", "/institutions"), ("metrics", "/admin/")):
        assert served.ask(who, path).status_code == 403


def test_feedback_is_for_ones_own_answers(served: Served) -> None:
    """Another institution's answer is as unknown as one that there never was, and stays as it is."""
    id = run_id(served.ask("new", "/classify/invoke", {"input": {"input": QUERY}}))
    for who in ("h0", "h1"):
        refused = served.ask(who, "/feedback", {"run_id": id, "score": 0, "correction": "stolen"})
        never = served.ask(who, "/feedback", {"run_id": "never", "score": 0})
        assert refused.status_code == never.status_code == 404
        assert refused.json()["detail"].replace(id, "never") == never.json()["detail"]
    assert served.library.outcomes.get(id).correction is None
    kept = served.ask("new", "/feedback", {"run_id": id, "score": 0.25, "correction": "code 9"})
    assert kept.json() == {"run_id": id, "score": 0.25, "correction": "code 9"}
    assert served.library.outcomes.get(id).correction == "code 9"
    again = served.ask("new", "/classify/invoke", {"input": {"input": "x-ray of the knee 8"}})
    assert again.json()["output"]["label"] == "code 9"


def test_batch_answers_can_be_judged_each(served: Served) -> None:
    """Each has a run of its own."""
    answered = served.ask("new", "/classify/batch", {"inputs": [{"input": QUERY}, {"input": "x-ray of the liver 3"}]})
    ids = answered.json()["metadata"]["run_ids"]
    assert len(set(ids)) == 2
    for id in ids:
        assert served.ask("new", "/feedback", {"run_id": id, "score": 1}).status_code == 200
    streamed = dict(events(served.ask("new", "/classify/stream", {"input": {"input": QUERY}})))
    assert served.ask("new", "/feedback", {"run_id": streamed["metadata"]["run_id"], "score": 1}).status_code == 200


def test_adapting_stores_and_digests_examples(served: Served) -> None:
    """They are the key's institution's, count from the next selection on, and the same again changes nothing."""
    body = {"examples": [{"input": f"x-ray of the wrist {n}", "output": "code 7"} for n in range(3)]}
    first = served.ask("new", "/adapt", body).json()
    assert (first["institution"], first["stored"], first["duplicates"], first["labels"]) == ("new", 3, 0, 3)
    assert sum(one["weight"] for one in first["leans_on"]) == pytest.approx(1)
    assert {one["institution"] for one in first["leans_on"]} == {"h0", "h1", "h2"}
    again = served.ask("new", "/adapt", body).json()
    assert (again["stored"], again["duplicates"]) == (0, 3)
    assert load_posterior(served.library, "new").labels == 3
    assert {one.institution for one in served.library.demonstrations("new")} == {"new"}
    told = served.ask("new", "/classify/invoke", {"input": {"input": "x-ray of the wrist 9"}}).json()
    assert told["output"]["label"] == "code 7"
    listed = served.ask("new", "/adapt", {"answers": ["code 7", "code 8"]})
    assert listed.status_code == 200
    assert served.library.listed_answers("new") == ("code 7", "code 8")


def test_adapting_tells_of_several_answers_to_one_text(served: Served) -> None:
    """Those of the request's texts only; the newest counts, is shown for its text, and can be said again."""
    for answer in ("code 6", "code 7", "code 6"):
        body = {"examples": [{"input": QUERY, "output": answer}]}
        told = served.ask("new", "/adapt", body).json()
        shown = served.ask("new", "/explain", {"input": f"{QUERY}."}).json()["demonstrations"][-1]
        assert (shown["institution"], shown["output"]) == ("new", answer)
        assert shown["reason"] == "your own label for this text"
        assert told["labels"] == 1
    assert told["conflicts"] == [{"input": QUERY, "output": "code 6", "others": ["code 7"]}]
    other = served.ask("new", "/adapt", {"examples": [{"input": "another text", "output": "code 7"}]}).json()
    assert other["conflicts"] == []
    kept = [{"input": "a third", "output": answer, "metadata": {"keep_both": True}} for answer in ("1", "2")]
    assert served.ask("new", "/adapt", {"examples": kept}).json()["conflicts"] == []


def test_a_new_hospitals_examples_are_shared_with_nobody(served: Served) -> None:
    """Who has never said whom it shares with shares with nobody."""
    served.ask("new", "/adapt", {"examples": [{"input": QUERY, "output": "only ours"}]})
    shown = served.ask("h0", "/explain", {"input": QUERY, "k": 100}).json()["demonstrations"]
    assert "new" not in {one["institution"] for one in shown}


def test_an_explanation_shows_others_texts_only_to_who_may_see_them(served: Served) -> None:
    """Ids, numbers and reasons to all; texts are one's own, unless the key allows more."""
    served.ask("new", "/adapt", {"examples": [{"input": QUERY, "output": "code 7"}]})
    own = served.ask("new", "/explain", {"input": "x-ray of the knee 8"}).json()["demonstrations"]
    assert QUERY in {one["input"] for one in own if one["institution"] == "new"}
    body = {"input": "x-ray of the brain 0", "k": 20}
    told = served.ask("new", "/explain", body).json()
    assert {one["input"] for one in told["demonstrations"] if one["institution"] != "new"} == {None}
    known = {one.input for one in demonstrations()}
    assert not any(text in json.dumps(told) for text in known)
    every = served.ask("reader", "/explain", body).json()
    assert {one["input"] for one in every["demonstrations"]} <= known | {QUERY}
    assert [one["id"] for one in every["demonstrations"]] == [one["id"] for one in told["demonstrations"]]


def test_an_explanation_is_the_selection(served: Served) -> None:
    """Numbers, reasons and order are those of a selector in this process."""
    told = served.ask("new", "/explain", {"input": QUERY, "k": 3}).json()
    selection: Selection = LibraryExampleSelector(served.library).of("new").select(QUERY, 3)
    assert [(one["institution"], one["score"], one["reason"]) for one in told["demonstrations"]] == [
        (one.demonstration.institution, one.score, one.reason) for one in selection.chosen
    ]
    assert told["method"] == selection.method


def test_institutions_are_ones_own_and_an_administrators_are_all(asked: Served) -> None:
    """Another one's labels are nobody's business."""
    own = asked.ask("h0", "/institutions").json()["institutions"]
    assert [(one["institution"], one["labels"], one["past"]) for one in own] == [("h0", 8, ["h1", "h2"])]
    every = asked.ask("admin", "/institutions").json()["institutions"]
    assert [one["institution"] for one in every] == ["h0", "h1", "h2"]


def test_what_to_label_next(asked: Served) -> None:
    """The most useful first, in number what was asked for, and nothing that was not given."""
    texts = [one.input for one in demonstrations(1, 8)]
    told = asked.ask("new", "/label", {"texts": texts, "budget": 2}).json()["suggestions"]
    assert len(told) == 2
    assert {one["input"] for one in told} <= set(texts)


BAD = {
    "no JSON": b"{",
    "not UTF-8": b'{"input": {"input": "\xff"}, "inputs": [{"input": "\xff"}]}',
    "nested deeply": b'{"input":' * 1500 + b"1" + b"}" * 1500,
    "nested too deeply": b'{"input":' * 100 + b"1" + b"}" * 100,
    "a lone surrogate": b'{"input": {"input": "\\ud800"}, "inputs": [{"input": "\\ud800"}]}',
    "NaN": b'{"input": {"input": NaN}, "inputs": [{"input": NaN}]}',
    "infinity": b'{"input": {"input": Infinity}, "inputs": [{"input": -Infinity}]}',
    "null inputs": b'{"input": null, "inputs": null}',
    "a number": b'{"input": 1, "inputs": 1}',
    "a text": b'{"input": "x", "inputs": "x"}',
    "an item that is null": b'{"input": {"input": null}, "inputs": [{"input": "a"}, null]}',
    "an item of another shape": b'{"input": {"query": "a"}, "inputs": [{"input": "a"}, {"query": "a"}]}',
    "an item of another type": b'{"input": {"input": 5}, "inputs": [{"input": "a"}, {"input": 5}]}',
    "null config": b'{"input": {"input": "a"}, "inputs": [{"input": "a"}], "config": null}',
    "a config that is a number": b'{"input": {"input": "a"}, "inputs": [{"input": "a"}], "config": 5}',
    "a config of another type": b'{"input": {"input": "a"}, "inputs": [{"input": "a"}], "config": '
    b'{"configurable": {"institution": 5}}}',
    "null kwargs": b'{"input": {"input": "a"}, "inputs": [{"input": "a"}], "kwargs": null}',
    "a blank text": b'{"input": {"input": " "}, "inputs": [{"input": "a"}, {"input": " "}]}',
    "a NUL": b'{"input": {"input": "a\\u0000"}, "inputs": [{"input": "a\\u0000"}]}',
    "nothing": b"",
    "an empty list": b"[]",
}


@pytest.mark.parametrize("kind", ["invoke", "batch", "stream"])
@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
def test_a_bad_body_is_the_clients_fault(asked: Served, kind: str, body: bytes) -> None:
    """It is answered 422 with a reason, where LangServe alone says 500 or breaks the stream off."""
    refused = asked.ask("new", f"/classify/{kind}", body)
    assert refused.status_code == 422, refused.text
    assert refused.json().keys() == {"detail"}


def test_fewer_configs_than_inputs_are_refused(asked: Served) -> None:
    """LangServe's own check comes out in the same form."""
    refused = asked.ask("new", "/classify/batch", {"inputs": [{"input": "a"}] * 2, "config": [{}]})
    assert refused.status_code == 422
    assert "must match number of inputs" in refused.json()["detail"]


LONG = "a " * 1500
TOO_LONG = {
    "/classify/invoke": {"input": {"input": LONG}},
    "/classify/batch": {"inputs": [{"input": "a"}, {"input": LONG}]},
    "/summarize/stream": {"input": {"input": LONG}},
    "/adapt": {"examples": [{"input": "a", "output": LONG}]},
    "/feedback": {"run_id": "a", "correction": LONG},
    "/label": {"texts": ["a", LONG]},
    "/explain": {"input": LONG},
}


@pytest.mark.parametrize("path", TOO_LONG)
def test_a_text_has_its_length(served: Served, path: str) -> None:
    """A longer one is answered 422 before its tokens are counted; one of just that length is taken."""
    refused = served.ask("new", path, TOO_LONG[path])
    assert (refused.status_code, refused.json()["detail"]) == (
        422,
        "a text may have 2000 characters; send a shorter one",
    )
    taken = json.dumps(TOO_LONG[path]).replace(LONG, "a" * LIMITS.characters)
    assert "characters" not in served.ask("new", path, taken.encode()).text


def test_a_request_has_its_size(asked: Served) -> None:
    """Bodies, batches, examples and texts beyond the limits are answered 413."""
    over = {"inputs": [{"input": "a"}] * 5}
    assert asked.ask("new", "/classify/batch", over).status_code == 413
    assert (
        asked.ask("new", "/adapt", {"examples": [{"input": f"a {n}", "output": "b"} for n in range(5)]}).status_code
        == 413
    )
    large = {"input": {"input": "a" * 20_001}}
    refused = asked.ask("new", "/classify/invoke", large)
    assert (refused.status_code, refused.json()["detail"][:9]) == (413, "a request")

    def in_pieces() -> Iterator[bytes]:
        yield from (json.dumps(large).encode()[start : start + 1000] for start in range(0, 21_000, 1000))

    headers = {"Authorization": f"Bearer {asked.secrets['new']}", "content-type": "application/json"}
    chunked = asked.client.post("/classify/invoke", content=in_pieces(), headers=headers)
    assert chunked.status_code == 413


def test_another_content_type_is_refused(asked: Served) -> None:
    """So that no page elsewhere can post with a browser's stored password."""
    body = json.dumps({"input": {"input": QUERY}}).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        assert asked.ask("new", "/classify/invoke", body, headers={"content-type": kind}).status_code == 422


@pytest.mark.parametrize(
    ("kind", "status", "told"),
    [
        ("model", 502, HIDDEN),
        ("storage", 503, "the library can't be used now"),
        ("library", 503, "the library can't be used now"),
        ("sharing", 403, "h1 does not share"),
        ("unreached", 502, "provider"),
        ("timeout", 500, "a fault of the server"),
        ("busy", 503, "no free connection"),
        ("other", 500, "a fault of the server"),
    ],
)
def test_an_error_has_its_status_and_tells_nothing_that_it_must_not(
    asked: Served, kind: str, status: int, told: str
) -> None:
    """Our errors say what they say, unless that is about the server's disk; others say nothing."""
    for path in ("/fail/invoke", "/fail/stream"):
        refused = asked.ask("new", path, {"input": {"kind": kind}})
        assert (refused.status_code, told in refused.json()["detail"]) == (status, True)
        assert (HIDDEN in refused.text) == (told == HIDDEN)
        assert "Traceback" not in refused.text


def test_a_stream_that_fails_says_so_and_ends(asked: Served) -> None:
    """After what was said already, as an event; not by breaking the connection."""
    chains = {"broken": RunnableLambda(lambda given: given).with_types(input_type=dict[str, str]) | _Broken()}
    app = create_app(asked.library, chains)
    headers = {"Authorization": f"Bearer {asked.secrets['new']}"}
    with TestClient(app) as client:
        told = events(client.post("/broken/stream", json={"input": {"a": "b"}}, headers=headers))
        assert [kind for kind, _ in told] == ["metadata", "data", "error"]
        assert told[-1][1] == {"status_code": 500, "message": "a fault of the server"}


class _Broken(RunnableLambda[Any, Any]):
    """Streams one piece, then fails."""

    def __init__(self) -> None:
        super().__init__(lambda given: given)

    async def atransform(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """One piece."""
        async for _ in input:
            pass
        yield "first"
        raise KeyError(HIDDEN)


def test_a_chain_gets_the_model_it_takes(asked: Served) -> None:
    """LangServe alone would hand it a dict."""
    body = {"input": {"text": "a", "urgent": True}}
    assert asked.ask("new", "/order/invoke", body).json()["output"] == "a True"
    assert asked.ask("new", "/order/batch", {"inputs": [body["input"]]}).json()["output"] == ["a True"]
    assert ("data", "a True") in events(asked.ask("new", "/order/stream", body))


def test_no_schema_of_an_input_has_a_null(asked: Served) -> None:
    """LangServe's playground is blank where one has."""
    for name in ("classify", "summarize", "extract"):
        for kind in ("input_schema", "config_schema"):
            schema = asked.ask("admin", f"/admin/{name}/{kind}")
            assert schema.status_code == 200
            assert '"type":"null"' not in schema.text


@pytest.mark.parametrize("ending", ["stream_log", "stream_events", "playground/", "config_schema", "c/x/invoke"])
def test_tenants_routes_show_no_prompt(asked: Served, ending: str) -> None:
    """What shows the whole prompt is not there, or is an administrator's."""
    body = {"input": {"input": QUERY}}
    assert asked.ask("new", f"/classify/{ending}", body).status_code == 404
    assert asked.ask("new", f"/classify/{ending}").status_code in {404, 405}
    assert asked.ask("new", f"/admin/classify/{ending}", body).status_code in {403, 404, 405}


def test_an_administrator_sees_the_prompt(asked: Served) -> None:
    """The playground's route tells every step."""
    body = {"input": {"input": QUERY}, "config": {"configurable": {"institution": "h0"}}}
    told = asked.ask("admin", "/admin/classify/stream_log", body)
    assert told.status_code == 200
    assert any(one.input in told.text for one in demonstrations())
    assert "playground" in asked.ask("admin", "/admin/").text


def test_numbers_are_told(served: Served) -> None:
    """Selections, the guard, feedback, tokens and times, for whose key allows it."""
    id = run_id(served.ask("new", "/classify/invoke", {"input": {"input": QUERY}}))
    served.ask("new", "/classify/batch", {"inputs": [{"input": QUERY}] * 2})
    served.ask("new", "/feedback", {"run_id": id, "score": 1})
    served.ask("new", "/feedback", {"run_id": id, "correction": "code 1"})
    served.ask("h0", "/adapt", {"examples": [{"input": "another", "output": "code 1"}]})
    lines = served.ask("metrics", "/metrics").text.splitlines()
    told = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    method = load_posterior(served.library, "new").method
    assert told[f'metachain_selections_total{{institution="new",method="{method}"}}'] == "3.0"
    assert told['metachain_guard_lets_learning_choose{institution="new"}'] == str(float(method == "metachain"))
    assert told['metachain_feedback_total{institution="new",kind="score"}'] == "1.0"
    assert told['metachain_feedback_total{institution="new",kind="correction"}'] == "1.0"
    assert told['metachain_labels_total{institution="h0"}'] == "1.0"
    assert told["metachain_selection_seconds_count"] == "3.0"
    assert told['metachain_model_calls_total{outcome="answered"}'] == "3.0"
    assert float(told['metachain_tokens_total{kind="input"}']) > 0
    assert 0 <= float(told["metachain_prior_age_seconds"]) < 3600
    assert float(told["metachain_resident_memory_bytes"]) > 10_000_000
    assert told["metachain_refused_keys_total"] == told["metachain_unwritten_answers_total"] == "0.0"
    assert told['metachain_requests_total{method="POST",route="/classify/invoke",status="200"}'] == "1.0"
    assert not any(QUERY in line for line in lines)


def test_what_goes_wrong_is_counted(served: Served) -> None:
    """Keys that are refused, answers that can't be recorded, and errors of the library, by kind."""
    refused = served.client.get("/institutions", headers={"X-API-Key": "mc_unknown"})
    assert refused.status_code == 401
    full = "CREATE TRIGGER {0} BEFORE INSERT ON {0} BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
    for table, status in (("outcomes", 200), ("audit", 503)):
        with writing(served.library._engine) as connection:
            connection.execute(text(full.format(table)))
        assert served.ask("new", "/classify/invoke", {"input": {"input": QUERY}}).status_code == status
    lines = served.ask("metrics", "/metrics").text.splitlines()
    told = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert told["metachain_refused_keys_total"] == "1.0"
    assert told["metachain_unwritten_answers_total"] == "1.0"
    assert told['metachain_library_errors_total{kind="StorageError"}'] == "1.0"


def test_healthy_and_ready(asked: Served, tmp_path: Path) -> None:
    """Anybody may ask; a library that has not learned is not ready."""
    assert asked.client.get("/healthz").json() == {"status": "ok"}
    assert asked.client.get("/readyz").json() == {"status": "ok"}
    with Library.open(tmp_path / "empty.db", Tiny()) as empty, TestClient(create_app(empty, {})) as client:
        waiting = client.get("/readyz")
        assert (waiting.status_code, "not learned" in waiting.json()["status"]) == (503, True)


def test_without_keys_loopback_is_served_until_there_is_one(tmp_path: Path) -> None:
    """Everybody there asks for whom they name; a page elsewhere can't, as it would name its own host.

    After the first key nobody asks without one again, not even when the last key is revoked.
    """
    body = {"input": {"input": QUERY, "institution": "h0"}}
    with serving(tmp_path, Limits(), unauthenticated=True, keys=False) as served:
        assert served.client.post("/classify/invoke", json=body).status_code == 200
        assert served.client.get("/institutions").status_code == 200
        assert served.client.post("/classify/invoke", json={"input": {"input": QUERY}}).status_code == 422
        assert served.client.post("/adapt", json={}).status_code == 422
        assert served.client.post("/adapt", json={}, headers={"X-Institution": "h0"}).status_code == 200
        elsewhere = served.client.post("/classify/invoke", json=body, headers={"host": "evil.example"})
        assert elsewhere.status_code == 400
        key, _ = served.library.keys.make("h1")
        assert served.client.post("/classify/invoke", json=body).status_code == 401
        served.library.keys.revoke(key.id)
        assert served.client.post("/classify/invoke", json=body).status_code == 401


def test_a_revoked_key_counts_no_more(served: Served) -> None:
    """From the next request on."""
    key = served.library.keys.of(served.secrets["new"])
    assert key is not None
    assert served.ask("new", "/institutions").status_code == 200
    served.library.keys.revoke(key.id)
    assert served.ask("new", "/institutions").status_code == 401


@pytest.mark.parametrize("name", ["adapt", "admin", "healthz", "a/b", "", "a b"])
def test_a_chain_has_a_plain_name_of_its_own(asked: Served, name: str) -> None:
    """One that would hide a route is refused."""
    with pytest.raises(DataError, match="a chain's name"):
        create_app(asked.library, {name: CHAINS["order"]})


@pytest.mark.parametrize("limit", ["requests", "batch", "seconds", "body_bytes"])
def test_limits_are_above_nothing(limit: str) -> None:
    """A limit of nothing would serve nobody."""
    for wrong in (0, -1, float("nan"), float("inf")):
        with pytest.raises(DataError, match=limit):
            replace(Limits(), **{limit: wrong})


@pytest.mark.parametrize("spelled", ["new ", "n\u200bew", "\u00a0new"])
def test_an_institution_in_another_form_is_the_same(asked: Served, spelled: str) -> None:
    """A body may name the key's own institution in any spelling, and an administrator any institution."""
    for who in ("new", "admin"):
        headers = {"X-Institution": " new "} if who == "admin" else {}
        body = {"input": {"input": QUERY, "institution": spelled}}
        answered = asked.ask(who, "/classify/invoke", body, headers=headers)
        assert answered.status_code == 200, answered.text


def test_a_list_of_unknown_answers_is_refused(served: Served) -> None:
    """A list of which no answer is known stores nothing, not even the examples, unless it is forced."""
    body = {"examples": [{"input": QUERY, "output": "code 1"}], "answers": ["1,chest", "2,knee"]}
    refused = served.ask("new", "/adapt", body)
    assert (refused.status_code, "none known: is it a CSV" in refused.text) == (422, True)
    assert "new" not in served.library.counts()
    assert served.ask("new", "/adapt", {**body, "force": True}).status_code == 200

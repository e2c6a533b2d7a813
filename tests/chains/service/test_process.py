"""The server as a process: real clients, a browser, signals, several workers, its log and its traces."""

import asyncio
import json
import os
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest
from handmade import Tiny, demonstrations, learned_library, metachain
from langchain_core.runnables import RunnableLambda
from langserve import RemoteRunnable
from playwright.sync_api import sync_playwright
from receiver import receiving
from server_process import PATIENCE, Server, serving
from slow_chains import PIECES

from metachain.chains.service.running import standard_chains
from metachain.library.library import Library
from metachain.retrievers import LibraryExampleSelector

QUERIES = [one.input for one in demonstrations(1, 16)]
CHAINS = ("slow", "drip", "fail", "pid")
OWN_CHAINS = [word for name in CHAINS for word in ("--chain", f"{name}=slow_chains:{name}")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for tests that change nothing."""
    folder = tmp_path_factory.mktemp("served")
    with serving(str(folder / "hospitals.db"), folder, *OWN_CHAINS) as found:
        yield found


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], Any]]:
    """What the same chain answers in this process, by institution and query."""
    place = learned_library(str(tmp_path_factory.mktemp("here") / "hospitals.db"), demonstrations())
    with Library.open(place, Tiny()) as library:
        chain = standard_chains("offline", LibraryExampleSelector(library))["classify"]
        yield {
            (who, query): chain.invoke({"input": query, "institution": who}).model_dump()
            for who in ("h0", "h1", "new")
            for query in QUERIES
        }


def remote(server: Server, who: str, chain: str = "classify") -> RemoteRunnable:
    """LangServe's client."""
    return RemoteRunnable(f"{server.url}/{chain}/", headers=server.headers(who), timeout=PATIENCE)


def test_a_remote_runnable_is_the_chain(server: Server, answers: dict[tuple[str, str], Any]) -> None:
    """All its ways of calling give what the chain gives in this process, and it composes."""
    for who in ("h0", "new"):
        chain = remote(server, who)
        expected = [answers[who, query] for query in QUERIES]
        asked = [{"input": query} for query in QUERIES]
        assert [chain.invoke(one) for one in asked[:3]] == expected[:3]
        assert chain.batch(asked) == expected
        assert list(chain.stream(asked[0])) == expected[:1]
        label = chain | RunnableLambda(lambda said: said["label"])
        assert label.invoke(asked[0]) == expected[0]["label"]


async def test_a_remote_runnable_is_the_chain_asynchronously(
    server: Server, answers: dict[tuple[str, str], Any]
) -> None:
    """The same in an event loop."""
    chain = remote(server, "h1")
    expected = [answers["h1", query] for query in QUERIES]
    asked = [{"input": query} for query in QUERIES]
    assert await chain.ainvoke(asked[0]) == expected[0]
    assert await chain.abatch(asked) == expected
    assert [one async for one in chain.astream(asked[0])] == expected[:1]
    summary = remote(server, "h1", "summarize")
    assert "".join([one async for one in summary.astream(asked[0])]) == expected[0]["answer"]


@pytest.mark.parametrize(
    ("who", "asked", "status", "reason"),
    [
        ("h0", {"input": "x", "institution": "h1"}, 403, "another institution"),
        ("h0", {"input": " "}, 422, "not blank"),
        ("h0", {"text": "x"}, 422, "Field required"),
    ],
)
def test_a_remote_runnable_says_what_was_wrong(
    server: Server, who: str, asked: dict[str, str], status: int, reason: str
) -> None:
    """The status and the server's reason; of a stream LangServe's client gives the status alone."""
    chain = remote(server, who)
    with pytest.raises(httpx.HTTPStatusError, match=reason) as raised:
        chain.invoke(asked)
    assert raised.value.response.status_code == status
    with pytest.raises(httpx.HTTPStatusError) as raised:
        list(chain.stream(asked))
    assert raised.value.response.status_code == status


@pytest.mark.parametrize("width", [390, 1280])
def test_the_playground_works_in_a_browser(server: Server, tmp_path: Path, width: int) -> None:
    """An administrator fills it in and sees the answer; nothing fails, and nothing is asked of anybody else."""
    chromium = shutil.which("chromium")
    assert chromium, "install Debian's package chromium"
    failed: list[str] = []
    elsewhere: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        try:
            known: Any = {"username": "admin", "password": server.secrets["admin"], "send": "always"}
            context = browser.new_context(viewport={"width": width, "height": 900}, http_credentials=known)
            page = context.new_page()
            page.on("console", lambda said: failed.append(said.text) if said.type == "error" else None)
            page.on("pageerror", lambda error: failed.append(str(error)))
            page.on("request", lambda sent: None if sent.url.startswith(server.url) else elsewhere.append(sent.url))
            page.goto(f"{server.url}/admin/")
            page.get_by_role("link", name="classify").click()
            page.locator("textarea").nth(0).fill("h0")
            page.locator("textarea").nth(1).fill(QUERIES[0])
            page.get_by_role("button", name="Start").click()
            page.get_by_text('"label": "code').wait_for(timeout=30_000)
            page.screenshot(path=tmp_path / f"playground {width}.png")
            assert (tmp_path / f"playground {width}.png").stat().st_size > 10_000
            refused = browser.new_context(http_credentials={**known, "password": server.secrets["h0"]}).new_page()
            answered = refused.goto(f"{server.url}/admin/classify/playground/")
            assert answered
            assert answered.status == 403
        finally:
            browser.close()
    assert (failed, elsewhere) == ([], [])


def test_what_is_under_way_is_answered_before_the_end(tmp_path: Path) -> None:
    """After SIGTERM nobody new is let in, an answer and a stream under way are given to their end."""
    with serving(str(tmp_path / "hospitals.db"), tmp_path, *OWN_CHAINS) as server, ThreadPoolExecutor() as pool:
        body = {"input": {"input": "x"}}
        slow, drip = (pool.submit(server.post, "h0", path, body) for path in ("/slow/invoke", "/drip/stream"))
        time.sleep(PIECES * 0.02)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(PIECES * 0.02)
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{server.url}/healthz")
        assert slow.result().json()["output"] == "answered"
        assert f"piece {PIECES - 1} " in drip.result().text
        assert "event: end" in drip.result().text
        assert server.process.wait(PATIENCE) in {0, -signal.SIGTERM}


def test_no_acknowledged_feedback_is_lost_to_a_kill(place: str, tmp_path: Path) -> None:
    """Killed under load and started again: each score and correction that was answered 200 is in the library."""
    acknowledged: dict[str, tuple[float, str | None]] = {}
    stopped = Event()

    def judge(server: Server, who: str, number: int) -> None:
        turn = 0
        with httpx.Client(base_url=server.url, headers=server.headers(who), timeout=PATIENCE) as client:
            while not stopped.is_set():
                with suppress(httpx.TransportError, KeyError):
                    query = {"input": {"input": f"x-ray {number} {turn}"}}
                    id = client.post("/classify/invoke", json=query).json()["metadata"]["run_id"]
                    score, correction = turn % 5 / 4, f"code {turn % 7}" if turn % 2 else None
                    told = {"run_id": id, "score": score, "correction": correction}
                    if client.post("/feedback", json=told).status_code == 200:
                        acknowledged[id] = score, correction
                turn += 1

    secrets = None
    for kill in range(3):
        with serving(place, tmp_path, secrets=secrets) as server:
            secrets = server.secrets
            stopped.clear()
            threads = [Thread(target=judge, args=(server, f"h{number % 3}", number)) for number in range(6)]
            for one in threads:
                one.start()
            wanted, end = 20 * (kill + 1), time.monotonic() + PATIENCE
            while len(acknowledged) < wanted and time.monotonic() < end:
                time.sleep(0.01)
            server.stop(signal.SIGKILL)
            stopped.set()
            for one in threads:
                one.join()
    assert len(acknowledged) >= 60
    with serving(place, tmp_path, secrets=secrets) as server:
        assert server.post("h0", "/classify/invoke", {"input": {"input": "x"}}).status_code == 200
    with Library.open(place, Tiny()) as library:
        known = library.outcomes.by_id(list(acknowledged))
        assert {id: (one.score, one.correction) for id, one in known.items()} == acknowledged
        corrected = {id for id, (_, correction) in acknowledged.items() if correction is not None}
        kept = {one.metadata.get("feedback"): one.output for one in library.demonstrations()}
        assert {id: kept.get(id) for id in corrected} == {id: acknowledged[id][1] for id in corrected}


def test_several_workers_serve_one_library(tmp_path: Path) -> None:
    """Both answer, what one stores the other heeds, numbers are those of both, one that dies is replaced, all end."""
    with serving(str(tmp_path / "hospitals.db"), tmp_path, "--workers", "2", *OWN_CHAINS) as server:
        pids = until_two(server)
        for number in range(4):
            examples = [{"input": f"x-ray of the ankle {number} {side}", "output": f"code {number}"} for side in "lr"]
            assert server.post("new", "/adapt", {"examples": examples}).status_code == 200
            assert {labels_of(server) for _ in range(20)} == {2 * (number + 1)}
        asked = counted(server, "metachain_selections_total")
        for _ in range(10):
            server.post("h0", "/classify/invoke", {"input": {"input": "x-ray"}})
        assert counted(server, "metachain_selections_total") == asked + 10
        os.kill(int(min(pids)), signal.SIGKILL)
        replaced = until_two(server, besides={min(pids)})
        assert min(pids) not in replaced
        server.stop()
        for pid in (*pids, *replaced):
            with pytest.raises(ProcessLookupError):
                os.kill(int(pid), 0)


def until_two(server: Server, besides: frozenset[str] | set[str] = frozenset()) -> set[str]:
    """Ask until two processes have answered."""
    found: set[str] = set()
    end = time.monotonic() + PATIENCE
    while len(found) < 2 and time.monotonic() < end:
        with suppress(httpx.TransportError):
            found |= {server.post("h0", "/pid/invoke", {"input": {"input": "x"}}).json()["output"]} - set(besides)
    assert len(found) == 2
    return found


def labels_of(server: Server) -> int:
    """How many labels whichever worker answers counts."""
    return int(server.get("new", "/institutions").json()["institutions"][0]["labels"])


def counted(server: Server, name: str) -> float:
    """Sum of a number over its labels."""
    lines = server.get("admin", "/metrics").text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name}{{"))


def test_the_log_has_ids_and_no_text(tmp_path: Path) -> None:
    """One JSON object a request; no query, answer, correction or secret, not even of an exception's message."""
    with serving(str(tmp_path / "hospitals.db"), tmp_path, *OWN_CHAINS) as server:
        said = {"input": {"input": "a patient's own words"}}
        answered = server.post("new", "/classify/invoke", said)
        told = {"run_id": answered.json()["metadata"]["run_id"], "correction": "what should be said"}
        assert server.post("new", "/feedback", told).status_code == 200
        assert server.post("new", "/fail/invoke", said).status_code == 500
        assert "fault" in server.post("new", "/fail/stream", said).text
        server.post("new", "/classify/invoke", {"input": {"input": "a patient's own words", "institution": "h1"}})
        httpx.post(f"{server.url}/classify/invoke", content=b"a patient's own words")
        body: Any = {"content": b"a patient's own words", "headers": server.headers("new")}
        body["headers"]["content-type"] = "application/json"
        assert httpx.post(f"{server.url}/classify/invoke", **body).status_code == 422
        httpx.get(f"{server.url}/a patient's own words", headers=server.headers("new"))
        assert server.stop() in {0, -signal.SIGTERM}
        log, text = server.log(), server.log_file.read_text()
    requests = [one for one in log if one["message"] == "answered" and one.get("route") != "/readyz"]
    assert [(one["status"], one["route"]) for one in requests] == [
        (200, "/classify/invoke"),
        (200, "/feedback"),
        (500, "/fail/invoke"),
        (500, "/fail/stream"),
        (403, "/classify/invoke"),
        (401, "unknown"),
        (422, "/classify/invoke"),
        (404, "unknown"),
    ]
    assert all(one["seconds"] >= 0 and len(one["request"]) == 32 for one in requests)
    assert requests[0]["institution"] == "new"
    assert [one["error"] for one in log if one["message"] == "failed"] == ["KeyError", "KeyError"]
    hidden = ["patient", "what should be said", *server.secrets.values(), *(one.input for one in demonstrations())]
    assert not [one for one in hidden if one in text]


def test_traces_go_where_opentelemetry_is_told(tmp_path: Path) -> None:
    """A request's span holds those of its selection and its model: ids, names and tokens, no text."""
    with receiving() as received:
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": received.url}
        with serving(str(tmp_path / "hospitals.db"), tmp_path, environment=environment) as server:
            asked = server.post("new", "/classify/invoke", {"input": {"input": "a patient's own words"}})
            assert asked.status_code == 200
            server.stop()
        spans = received.spans()
    by_name = {one.name: one for one in spans}
    request, selection, model = (by_name[name] for name in ("POST /classify/invoke", "select_demonstrations", "chat"))
    assert selection.parent_span_id == model.parent_span_id == request.span_id
    attributes = {one.key: one.value.string_value or one.value.int_value for one in selection.attributes}
    assert attributes["metachain.institution"] == "new"
    assert len(attributes["metachain.selection_id"]) == 36
    assert {one.key for one in model.attributes} >= {"gen_ai.request.model", "gen_ai.usage.input_tokens"}
    everything = b"".join(body for _, body in received.bodies)
    assert b"patient" not in everything
    assert not [one for one in demonstrations() if one.input.encode() in everything]


def test_langsmith_gets_runs_where_langchain_is_told(tmp_path: Path) -> None:
    """With their texts, unless LangSmith's own variables hide them: this is LangChain's tracing."""
    for hide in ("false", "true"):
        with receiving() as received:
            environment = {
                "LANGSMITH_TRACING": "true",
                "LANGSMITH_ENDPOINT": received.url,
                "LANGSMITH_API_KEY": "key",
                "LANGSMITH_HIDE_INPUTS": hide,
                "LANGSMITH_HIDE_OUTPUTS": hide,
            }
            place = str(tmp_path / f"{hide}.db")
            with serving(place, tmp_path, "--trace-texts", environment=environment) as server:
                server.post("new", "/classify/invoke", {"input": {"input": "a patient's own words"}})
                until(lambda received=received: any("runs" in path for path, _ in received.bodies))
                server.stop()
            everything = b"".join(received.plain(body) for _, body in received.bodies)
            assert b"select_demonstrations" in everything
            assert (b"patient" in everything) == (hide == "false")


def until(true: Any) -> None:
    """Wait for it."""
    end = time.monotonic() + PATIENCE
    while not true() and time.monotonic() < end:
        time.sleep(0.05)
    assert true()


def test_a_certificate_makes_it_https(tmp_path: Path) -> None:
    """One's own, made with openssl."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    alternative = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*made, *alternative, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    trusted = ssl.create_default_context(cafile=str(certificate))
    options = ["--certificate", str(certificate), "--private-key", str(key)]
    place = str(tmp_path / "hospitals.db")
    with serving(place, tmp_path, *options, scheme="https", verify=trusted) as server:
        answered = server.post("new", "/classify/invoke", {"input": {"input": "x"}}, verify=trusted)
        assert answered.status_code == 200


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--model", "nobody:nothing"], "no provider"),
        (["--chain", "slow"], "NAME=MODULE:ATTRIBUTE"),
        (["--chain", "slow=nowhere:slow"], "can't be imported"),
        (["--chain", "adapt=slow_chains:slow"], "a chain's name"),
        (["--extract", "nowhere"], "MODULE:ATTRIBUTE"),
        (["--seconds", "inf"], "above 0"),
    ],
)
def test_what_can_not_be_served_is_said_at_once(tmp_path: Path, options: list[str], told: str) -> None:
    """One line, and status 2."""
    place = learned_library(str(tmp_path / "hospitals.db"), demonstrations())
    options = [*options, "--no-keys"]
    done = metachain("serve", place, *options, environment={"PYTHONPATH": str(Path(__file__).parents[2] / "support")})
    assert done.returncode == 2
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_library_that_has_not_learned_is_not_served(tmp_path: Path) -> None:
    """Nor one that is not there."""
    with Library.open(tmp_path / "hospitals.db", Tiny()) as library:
        library.add(demonstrations())
    for place, told in (("hospitals.db", "metachain learn"), ("nowhere.db", "no library")):
        done = metachain("serve", str(tmp_path / place))
        assert (done.returncode, told in done.stderr) == (2, True), done.stderr


async def test_thirty_two_clients_get_their_own_answers(server: Server, answers: dict[tuple[str, str], Any]) -> None:
    """None is wrong, and none is another institution's."""
    places = [(who, query) for who in ("h0", "h1", "new") for query in QUERIES]
    wrong: list[Any] = []

    async def client(number: int) -> None:
        async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as asking:
            for turn in range(8):
                who, query = places[(number * 5 + turn * 7) % len(places)]
                body = {"input": {"input": query}}
                told = await asking.post("/classify/invoke", json=body, headers=server.headers(who))
                if told.status_code != 200 or told.json()["output"] != answers[who, query]:
                    wrong.append((who, query, told.status_code, told.text))

    await asyncio.gather(*(client(number) for number in range(32)))
    assert not wrong, json.dumps(wrong[:3])

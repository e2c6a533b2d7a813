"""The plain form of a chain: the same answers, records and metrics as through LangChain's runs."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from handmade import Tiny, demonstrations, learned_library
from langchain_core.globals import set_debug
from langchain_core.language_models import BaseChatModel, FakeListChatModel
from langchain_core.runnables import RunnableLambda
from sqlalchemy import text
from starlette.testclient import TestClient

from metachain import Demonstration
from metachain.chains import classification_chain
from metachain.chains.select_step import SelectDemonstrations
from metachain.chains.server import create_app
from metachain.chains.service.metrics import Metrics
from metachain.chains.service.plain_chain import PlainChain
from metachain.chains.service.running import standard_chains
from metachain.library.audit import AuditEntry
from metachain.library.caller import Caller
from metachain.library.database.engine import KEEPER, writing
from metachain.library.library import Library
from metachain.library.outcomes import Outcome
from metachain.retrievers import LibraryExampleSelector

TEXTS = [f"x-ray of the {part} {number}" for number, part in enumerate(("knee", "wrist", "spine", "hip") * 4)]


class Failing(FakeListChatModel):
    """A model that answers nothing."""

    def _call(self, *args: Any, **kwargs: Any) -> str:
        raise ConnectionError("no route to the model")


@dataclass
class Served:
    """A library, its app's client, and the plain forms that the app asked for."""

    library: Library
    client: TestClient
    secrets: dict[str, str]

    def ask(self, path: str, text: str, who: str = "new") -> Any:
        """Post one input; returns the answer, with an ``X-Actor`` named after the text."""
        headers = {"Authorization": f"Bearer {self.secrets[who]}", "X-Actor": text[:40]}
        return self.client.post(path, json={"input": {"input": text}}, headers=headers)

    def outcomes(self) -> list[Outcome]:
        """All stored answers, in the order of their texts."""
        return sorted(self.library.outcomes.of(origin="chain"), key=lambda one: one.input)

    def entries(self) -> dict[str, AuditEntry]:
        """Entries of the audit by actor."""
        return {one.actor: one for one in self.library.audit.entries()}

    def count(self, metric: str) -> float:
        """Total of a metric."""
        answered = self.client.get("/metrics", headers={"Authorization": f"Bearer {self.secrets['admin']}"}).text
        lines = [line for line in answered.splitlines() if line.startswith((f"{metric} ", f"{metric}{{"))]
        return sum(float(line.rpartition(" ")[2]) for line in lines)


@contextmanager
def served(place: str, model: str | BaseChatModel = "offline", *, plain: bool = True) -> Iterator[Served]:
    """Serve a library, with all runs in LangChain's tree if ``plain`` is False."""
    with (
        Library.open(learned_library(place, demonstrations()), Tiny()) as library,
        pytest.MonkeyPatch.context() as patch,
    ):
        if not plain:
            patch.setattr(PlainChain, "of", lambda *args: None)
        selector = LibraryExampleSelector(library)
        library.add(Demonstration("h0", f"x-ray of the hand {number}", "9") for number in range(4))
        secrets = {name: library.keys.make(name)[1] for name in ("new", "h0")}
        secrets["admin"] = library.keys.make(None)[1]
        with TestClient(create_app(library, standard_chains(model, selector), selector)) as client:
            yield Served(library, client, secrets)


@pytest.fixture
def both(place: str, tmp_path: Path) -> Iterator[tuple[Served, Served]]:
    """The same library served in the plain form and in LangChain's runs."""
    with served(place) as first, served(str(tmp_path / "runs.db"), plain=False) as second:
        yield first, second


@pytest.mark.parametrize("path", ["/classify/invoke", "/summarize/invoke"])
def test_answers_and_records_are_the_same(both: tuple[Served, Served], path: str) -> None:
    """Bodies without the run's id, outcomes without id and time, the audit's facts, and the metrics."""
    bodies, outcomes, entries, counts = [], [], [], []
    for one in both:
        answered = [one.ask(path, text) for text in TEXTS[:4]]
        assert {told.status_code for told in answered} == {200}
        found = [told.json() for told in answered]
        ids = [told["metadata"].pop("run_id") for told in found]
        bodies.append((found, {told.headers["content-type"] for told in answered}))
        assert set(ids) == {outcome.id for outcome in one.outcomes()}
        outcomes.append([replace(outcome, id="run") for outcome in one.outcomes()])
        known = one.entries()
        assert {entry.outcome for entry in known.values()} == set(ids)
        entries.append(
            [replace(entry, id="s", at="", outcome="", key="", request="", prior="") for entry in known.values()]
        )
        names = ("selections_total", "tokens_total", "model_calls_total", "selection_seconds_count")
        counts.append([one.count(f"metachain_{name}") for name in names])
    assert bodies[0] == bodies[1]
    assert outcomes[0] == outcomes[1]
    assert entries[0] == entries[1]
    assert counts[0] == counts[1]
    assert counts[0][0] == 4


def test_many_at_once_are_each_their_own(place: str) -> None:
    """Each request gets its own answer and its own entry, though several are selected together."""
    with served(place) as one:
        alone = {text: one.ask("/classify/invoke", text).json()["output"] for text in TEXTS}
        with ThreadPoolExecutor(len(TEXTS)) as pool:
            every = dict(zip(TEXTS, pool.map(lambda text: one.ask("/classify/invoke", text), TEXTS), strict=True))
        assert {text: told.json()["output"] for text, told in every.items()} == alone
        stored = {outcome.id: outcome.input for outcome in one.outcomes()}
        assert {told.json()["metadata"]["run_id"]: text for text, told in every.items()}.items() <= stored.items()
        for entry in one.library.audit.entries():
            assert entry.actor == stored[str(entry.outcome)]
        requests = {told.headers["x-request-id"] for told in every.values()}
        assert requests <= {entry.request for entry in one.library.audit.entries()}


def test_a_blank_text_does_not_hurt_others(place: str) -> None:
    """It is refused, and those that came with it are answered."""
    with served(place) as one:
        texts = [*TEXTS[:7], "  ", *TEXTS[7:]]
        with ThreadPoolExecutor(len(texts)) as pool:
            told = list(pool.map(lambda text: one.ask("/classify/invoke", text), texts))
        assert [answered.status_code for answered in told] == [422 if not text.strip() else 200 for text in texts]


def test_institutions_are_kept_apart(place: str) -> None:
    """Two that ask at once each get what they get alone."""
    with served(place) as one:
        asking = [(text, who) for text in TEXTS[:8] for who in ("new", "h0")]
        alone = [one.ask("/classify/invoke", text, who).json()["output"] for text, who in asking]
        with ThreadPoolExecutor(len(asking)) as pool:
            told = list(pool.map(lambda given: one.ask("/classify/invoke", *given).json()["output"], asking))
        assert told == alone
        owners = {entry.institution for entry in one.library.audit.entries()}
        assert owners == {"new", "h0"}


def test_an_administrator_asks_for_several_institutions_at_once(place: str) -> None:
    """Each input names its own, and is answered as that institution alone is."""
    with served(place) as one:
        asking = [(text, who) for text in TEXTS[:8] for who in ("new", "h0")]
        alone = [one.ask("/classify/invoke", text, who).json()["output"] for text, who in asking]
        headers = {"Authorization": f"Bearer {one.secrets['admin']}"}

        def ask(given: tuple[str, str]) -> Any:
            body = {"input": {"input": given[0], "institution": given[1]}}
            return one.client.post("/classify/invoke", json=body, headers=headers).json()["output"]

        with ThreadPoolExecutor(len(asking)) as pool:
            assert list(pool.map(ask, asking)) == alone


def test_queries_of_several_institutions_are_not_mixed(tmp_path: Path) -> None:
    """Also where they are selected together, each is shown what its own institution may use."""
    with served(str(tmp_path / "h.db")) as one:
        select = SelectDemonstrations(LibraryExampleSelector(one.library))
        given = [{"input": TEXTS[0], "institution": name} for name in ("new", "h0", "new")]
        found = select.show_many(given, {}, [Caller(actor=name) for name in "abc"])
        alone = [select.show(each, {}) for each in given]
        for shown in (*found, *alone):
            del shown["selection_id"]
        assert found == alone
        assert found[0] != found[1]


def test_a_model_that_fails_was_shown_the_demonstrations(tmp_path: Path) -> None:
    """The status, the entry with the model's name and tokens, and the count are those of LangChain's runs."""
    found = []
    for plain in (True, False):
        with served(str(tmp_path / f"{plain}.db"), Failing(responses=["unused"]), plain=plain) as one:
            told = one.ask("/classify/invoke", TEXTS[0])
            (entry,) = one.entries().values()
            facts = entry.model, entry.demonstration_tokens, entry.input_tokens, entry.outcome
            found.append(
                (told.status_code, told.json(), facts, one.count("metachain_model_calls_total"), one.outcomes())
            )
    assert found[0] == found[1]
    assert found[0][0] == 502
    assert found[0][2][1]


def test_an_answer_that_can_not_be_stored_is_given(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is counted and logged with its id, and no text."""
    full = "CREATE TRIGGER full BEFORE INSERT ON outcomes BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
    with served(str(tmp_path / "h.db")) as one:
        with writing(one.library._engine, KEEPER) as connection:
            connection.execute(text(full))
        with caplog.at_level(logging.WARNING):
            told = one.ask("/classify/invoke", TEXTS[0])
        assert told.status_code == 200
        assert one.count("metachain_unwritten_answers_total") == 1
        assert f"the run {told.json()['metadata']['run_id']} was not recorded" in caplog.text
        assert TEXTS[0] not in caplog.text


def plain_form(library: Library, chain: Any) -> PlainChain | None:
    """Plain form of a chain."""
    return PlainChain.of(chain, library, Metrics(), None)  # type: ignore[arg-type]


def test_only_our_own_chains_have_a_plain_form(tmp_path: Path) -> None:
    """Chains that ask twice, models that are no chat models or answer in a schema, and asynchronous steps have none."""
    with Library.open(learned_library(tmp_path / "h.db", demonstrations()), Tiny()) as library:
        selector = LibraryExampleSelector(library)
        chains = standard_chains("offline", selector)
        assert plain_form(library, chains["classify"])
        assert plain_form(library, chains["summarize"])
        assert plain_form(library, chains["extract"]) is None
        own = classification_chain("offline", selector)

        async def later(answer: Any) -> Any:
            return answer

        assert plain_form(library, own)
        assert plain_form(library, own | RunnableLambda(later)) is None
        assert plain_form(library, own.with_config(tags=["a"])) is None
        assert (
            plain_form(library, classification_chain(FakeListChatModel(responses=["1"]).with_retry(), selector)) is None
        )
        assert plain_form(library, RunnableLambda(len)) is None
        set_debug(True)
        try:
            assert plain_form(library, own) is None
        finally:
            set_debug(False)

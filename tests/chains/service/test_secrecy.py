"""Nothing can be guessed: not by an id, not by a reason or an error, and not by what the server computes."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from handmade import Tiny, demonstrations, learned_library
from langchain_core.language_models import FakeListChatModel
from numpy.typing import NDArray
from sqlalchemy import select
from starlette.testclient import TestClient

from metachain import EVERYONE, Demonstration, learn
from metachain.chains.server import create_app
from metachain.chains.service.running import standard_chains
from metachain.embedding.encoder import MiniLM
from metachain.embedding.similarity import text_sha256
from metachain.learning.artifacts import save_prior
from metachain.library.database.engine import reading
from metachain.library.database.schema import embeddings
from metachain.library.library import Library
from metachain.retrievers import LibraryExampleSelector

QUERY = "x-ray of the brain 0"
HELD = "a text that one hospital alone has"


class Counting:
    """The bundled encoder, and the number of texts of each of its calls."""

    def __init__(self) -> None:
        self._encoder = MiniLM()
        self.fingerprint = self._encoder.fingerprint
        self.calls: list[int] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed n texts."""
        self.calls.append(len(texts))
        return self._encoder.encode(texts)


@dataclass
class Asking:
    """An app, its library, and the keys of the new hospital."""

    library: Library
    client: TestClient
    secrets: dict[str, str]

    def post(self, path: str, body: Any, who: str = "new") -> Any:
        """Post a body; returns the answer's JSON."""
        answered = self.client.post(path, json=body, headers={"Authorization": f"Bearer {self.secrets[who]}"})
        assert answered.status_code in {200, 502}, answered.text
        return answered.json()


def asking(library: Library, model: Any = "offline") -> Iterator[Asking]:
    """Serve a library in this process."""
    secrets = {"new": library.keys.make("new")[1], "reader": library.keys.make("new", ["explain", "label", "texts"])[1]}
    selector = LibraryExampleSelector(library)
    with TestClient(create_app(library, standard_chains(model, selector), selector)) as client:
        yield Asking(library, client, secrets)


@pytest.fixture
def served(place: str) -> Iterator[Asking]:
    """Three past hospitals and a new one without labels, in SQLite and in PostgreSQL."""
    with Library.open(learned_library(place, demonstrations()), Tiny()) as library:
        yield from asking(library)


def test_an_id_can_not_be_computed_from_a_guess(served: Asking) -> None:
    """Others' ids are not those in the library; one's own are. They stay the same; the audit keeps the real ones."""
    served.post("/adapt", {"examples": [{"input": "x-ray of the knee 7", "output": "code 7", "id": "mine"}]})
    own = served.post("/explain", {"input": "x-ray of the knee 8"})["demonstrations"]
    assert "mine" in {one["id"] for one in own}
    body = {"input": QUERY, "k": 20}
    told = served.post("/explain", body)
    others = {one["id"] for one in told["demonstrations"] if one["institution"] != "new"}
    real = {one.id for one in served.library.demonstrations()}
    guessed = {sha256(f"{one.institution}\0{one.id}".encode()).hexdigest()[:20] for one in demonstrations()}
    assert len(others) > 3
    assert not others & (real | guessed)
    again = served.post("/explain", body, "reader")["demonstrations"]
    assert {one["id"] for one in again} - {"mine"} == others
    assert {id for entry in served.library.audit.entries() for _, id in entry.shown} <= real


def test_the_secret_is_made_once_and_of_one_library(place: str, tmp_path: Path) -> None:
    """Whoever opens the library computes the same ids; another library's are others."""
    with Library.open(place, Tiny()) as one, Library.open(place, Tiny()) as same:
        made = one.opaque_ids.of("h0", "id")
        assert same.opaque_ids.of("h0", "id") == made
    with Library.open(place, Tiny()) as later, Library.open(tmp_path / "another.db", Tiny()) as another:
        assert later.opaque_ids.of("h0", "id") == made
        assert later.opaque_ids.of("h1", "id") != made
        assert another.opaque_ids.of("h0", "id") != made


def test_reasons_quote_no_answer_of_others(served: Asking) -> None:
    """Without the scope ``texts``; with it they do. One's own answers are told."""
    answers = {one.output for one in demonstrations()}
    body = {"texts": [one.input for one in demonstrations(1, 8)], "budget": 8}
    hidden = [one["reason"] for one in served.post("/label", body)["suggestions"]]
    told = [one["reason"] for one in served.post("/label", body, "reader")["suggestions"]]
    assert not any(repr(answer) in reason for answer in answers for reason in hidden)
    assert all(any(repr(answer) in reason for answer in answers) for reason in told)
    served.post("/adapt", {"answers": sorted(answers)})
    assert [one["reason"] for one in served.post("/label", body)["suggestions"]] == told


def test_a_reason_does_not_tell_which_answer_agrees(served: Asking) -> None:
    """To know that another's answer is one's own is to know it: that part is for the scope ``texts``."""
    own = [{"input": one.input, "output": one.output} for one in demonstrations(1, 8)]
    served.post("/adapt", {"examples": own[1:]})
    hidden = served.post("/explain", {"input": own[0]["input"], "k": 20})["demonstrations"]
    told = served.post("/explain", {"input": own[0]["input"], "k": 20}, "reader")["demonstrations"]
    assert any("your label" in one["reason"] for one in told if one["institution"] != "new")
    assert not any("your label '" in one["reason"] for one in hidden if one["institution"] != "new")
    assert [one["reason"] for one in hidden if one["institution"] == "new"] == [
        one["reason"] for one in told if one["institution"] == "new"
    ]


def test_an_answer_that_does_not_fit_quotes_nothing(tmp_path: Path) -> None:
    """Neither the list of labels, which others' may be among, nor the model's answer in an error."""
    model = FakeListChatModel(responses=["a sentence of h0"])
    with Library.open(learned_library(str(tmp_path / "h.db"), demonstrations()), Tiny()) as library:
        served = next(asking(library, model))
        classified = served.post("/classify/invoke", {"input": {"input": QUERY}})["output"]
        assert classified["label"] is None
        assert not any(one.output in json.dumps(classified) for one in demonstrations())
        assert "sentence" not in json.dumps(served.post("/extract/invoke", {"input": {"input": QUERY}}))


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Asking, Counting]]:
    """A hospital that shares with nobody, whose text is embedded, and the bundled encoder with a counter."""
    encoder = Counting()
    place = str(tmp_path_factory.mktemp("counted") / "h.db")
    with Library.open(place, encoder) as library:
        learned_library_of(library)
        for one in asking(library):
            yield one, encoder


def learned_library_of(library: Library) -> None:
    """Past hospitals, and one that shares with nobody."""
    library.add(demonstrations(), share=EVERYONE)
    save_prior(library, learn(library))
    alone = [Demonstration("alone", f"{HELD} {number}", "1") for number in range(8)]
    library.add(alone)
    library.vectors(alone)


@pytest.mark.parametrize("route", ["adapt", "feedback", "explain", "label", "classify", "after a restart"])
def test_what_is_computed_does_not_tell_who_has_a_text(counted: tuple[Asking, Counting], route: str) -> None:
    """The encoder gets the same number of texts for a text that another hospital has as for one that nobody has."""
    served, encoder = counted
    number = ["adapt", "feedback", "explain", "label", "classify", "after a restart"].index(route)
    served.post("/adapt", {"examples": [{"input": f"a first text {number}", "output": "1"}]})
    calls = []
    for text in (f"{HELD} {number}", f"a text that no hospital has {number}"):
        encoder.calls.clear()
        ask(served, route, text)
        calls.append(list(encoder.calls))
    assert calls[0] == calls[1]
    assert sum(calls[0]) > 0


def ask(served: Asking, route: str, text: str) -> None:
    """Use a text in every way of a route."""
    if route == "adapt":
        served.post("/adapt", {"examples": [{"input": text, "output": "1"}]})
        served.post("/explain", {"input": "another"})
    elif route == "feedback":
        id = served.post("/classify/invoke", {"input": {"input": text}})["metadata"]["run_id"]
        served.post("/feedback", {"run_id": id, "score": 0.5})
        served.post("/explain", {"input": "another"})
        served.post("/feedback", {"run_id": id, "correction": "1"})
        served.post("/explain", {"input": "another"})
    elif route == "after a restart":
        served.post("/adapt", {"examples": [{"input": text, "output": "1"}]})
        LibraryExampleSelector(served.library).of("new").select("another")
    else:
        bodies: dict[str, Any] = {"explain": {"input": text}, "label": {"texts": [text]}}
        path = f"/{route}" if route in bodies else f"/{route}/invoke"
        served.post(path, bodies.get(route, {"input": {"input": text}}))


class Masking:
    """A gate that masks a name."""

    def passed(self, demonstration: Demonstration) -> Demonstration:
        """The demonstration without the name."""
        return replace(demonstration, input=demonstration.input.replace("Ada", "[NAME]"))


def test_a_text_as_it_came_leaves_no_vector(place: str) -> None:
    """The vector of an example is that of the text as the gate stores it, so forgetting finds it."""
    with Library.open(learned_library(place, demonstrations()), Tiny(), gate=Masking()) as library:
        for served in asking(library):
            served.post("/adapt", {"examples": [{"input": "knee of Ada", "output": "1"}]})
        with reading(library._engine) as connection:
            found = set(connection.execute(select(embeddings.c.text_sha256)).scalars())
    assert text_sha256("knee of [NAME]") in found
    assert text_sha256("knee of Ada") not in found

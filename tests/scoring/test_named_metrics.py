"""How near two texts are in meaning."""

import json
from pathlib import Path

import pytest
from handmade import Tiny
from hypothesis import given
from oracles import STORABLE, briefly

from metachain.embedding.encoder import MiniLM
from metachain.errors import DataError
from metachain.scoring.metrics import METRICS
from metachain.scoring.named_metrics import KNOWN, embedding_similarity, metric_named


@given(STORABLE, STORABLE)
@briefly
def test_it_is_a_symmetric_number_from_0_to_1(one: str, other: str) -> None:
    """The same text scores 1, whatever the encoder says of it."""
    similarity = embedding_similarity(Tiny())
    assert 0 <= similarity(one, other) <= 1
    assert similarity(one, other) == similarity(other, one)
    assert similarity(one, one) == 1


def test_blank_answers() -> None:
    """Nothing is like nothing, and unlike anything else; neither is embedded."""
    encoder = Tiny()
    similarity = embedding_similarity(encoder)
    assert [similarity("", " "), similarity("", "a"), similarity("a", " ")] == [1, 0, 0]
    assert encoder.seen == []


def test_each_text_is_embedded_once() -> None:
    """Embeddings are remembered."""
    encoder = Tiny()
    similarity = embedding_similarity(encoder)
    for _ in range(2):
        similarity("a", "b")
        similarity("b", "c")
    assert sorted(encoder.seen) == ["a", "b", "c"]


def test_the_real_encoder_finds_the_same_meaning(encoder: MiniLM) -> None:
    """A paraphrase is nearer than another subject."""
    similarity = embedding_similarity(encoder)
    near = similarity("The patient has a sore throat.", "She complains of throat pain.")
    assert near > similarity("The patient has a sore throat.", "The invoice was paid in May.") + 0.2


@pytest.mark.parametrize("name", METRICS)
def test_the_plain_names(name: str) -> None:
    """Each is the metric itself."""
    assert metric_named(name)("a, b", "a") == METRICS[name]("a, b", "a")


def test_the_others(tmp_path: Path) -> None:
    """An encoder's similarity, a schema's validity, and a judge that somebody makes of the rest of the name."""
    path = tmp_path / "schema.json"
    path.write_text(json.dumps({"type": "integer"}))
    assert metric_named("embedding", encoder=Tiny())("a", "a") == 1
    assert metric_named(f"json_schema:{path}")("7", "") == 1
    asked: list[str] = []
    judged = metric_named("judge:acme:best:7b", judge=lambda rest: lambda *_: asked.append(rest) or 0.5)  # type: ignore[func-returns-value]
    assert judged("a", "b") == 0.5
    assert asked == ["acme:best:7b"]


@pytest.mark.parametrize(
    "name", ["", "bleu", "judge", "judge:", "judge:acme:best", "json_schema", "json_schema:", "Exact_Match"]
)
def test_an_unknown_name_is_refused_with_those_that_are_known(name: str) -> None:
    """A judge is unknown where nobody makes one."""
    with pytest.raises(DataError, match=rf"unknown metric '{name}'; known: .*exact_match.*label_f1.*{KNOWN[-1]}"):
        metric_named(name)


def test_an_embedding_needs_an_encoder() -> None:
    """The error says so."""
    with pytest.raises(DataError, match="needs an encoder"):
        metric_named("embedding")


def test_what_a_named_metric_returns_is_checked() -> None:
    """The error has the whole name."""
    with pytest.raises(DataError, match=r"'judge:acme:best' must give .* it gave 7"):
        metric_named("judge:acme:best", judge=lambda _: lambda *_: 7)("a", "b")

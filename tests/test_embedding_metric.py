"""How near two texts are in meaning."""

from handmade import Tiny
from hypothesis import given
from oracles import STORABLE, briefly

from metachain.embedding_metric import embedding_similarity
from metachain.encoder import MiniLM


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

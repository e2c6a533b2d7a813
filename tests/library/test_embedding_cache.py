"""Each text is embedded once, and its stored vector is read back unchanged."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from handmade import Tiny, demonstrations
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from oracles import briefly

from metachain.embedding.similarity import normalise_text
from metachain.errors import DataError
from metachain.library.database.connect import open_engine
from metachain.library.embedding_cache import TEXTS_A_COMMIT, EmbeddingCache
from metachain.library.library import Library


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Path of the cache."""
    return tmp_path / "cache.db"


def cached(path: Path, texts: Sequence[str], encoder: Tiny | None = None) -> tuple[NDArray[np.float32], list[str]]:
    """Vectors of the texts from a newly opened cache, and the texts that had to be embedded."""
    encoder = encoder or Tiny()
    engine = open_engine(path)
    try:
        return EmbeddingCache(engine, encoder).vectors(texts), encoder.seen
    finally:
        engine.dispose()


def spoilt(path: Path, spoil: Callable[[bytes], bytes], which: str = "1") -> None:
    """Change stored vectors behind metachain's back."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.create_function("spoil", 1, spoil)
        connection.execute(f"UPDATE embeddings SET vector = spoil(vector) WHERE {which}")  # noqa: S608


def test_nothing_is_embedded_twice(path: Path) -> None:
    """Repeats, other case and other white space are one text, within a call and after reopening."""
    _, first = cached(path, ["Chest x-ray", "chest  X-RAY ", "knee"])
    assert sorted(first) == ["chest x-ray", "knee"]
    _, second = cached(path, ["KNEE", "chest x-ray", "brain"])
    assert second == ["brain"]


@briefly
@given(st.lists(st.lists(st.sampled_from(["a", "B", "b ", "c c", "عظم", "🦴", "é"])), max_size=5))
def test_every_text_gets_its_own_vector(tmp_path_factory: pytest.TempPathFactory, calls: list[list[str]]) -> None:
    """However calls overlap, each text's vector is the encoder's, in order, and each is embedded at most once."""
    encoder, oracle = Tiny(), Tiny()
    engine = open_engine(tmp_path_factory.mktemp("calls") / "x.db")
    cache = EmbeddingCache(engine, encoder)
    for texts in calls:
        expected = oracle.encode([normalise_text(text) for text in texts]) if texts else np.zeros((0, 0))
        np.testing.assert_allclose(cache.vectors(texts), expected, atol=1e-6)
    assert len(encoder.seen) == len(set(encoder.seen))
    engine.dispose()


def test_vectors_survive_reopening(path: Path) -> None:
    """A vector read back equals the computed one to the bit."""
    texts = [one.input for one in demonstrations()]
    fresh, _ = cached(path, texts)
    np.testing.assert_array_equal(cached(path, texts)[0], fresh)


def test_encoders_never_mix(path: Path) -> None:
    """Another fingerprint finds nothing of the first one's, and both are kept."""
    cached(path, ["knee"])
    other = Tiny()
    other.fingerprint = "other/1"
    assert cached(path, ["knee"], other)[1] == ["knee"]
    assert cached(path, ["knee"])[1] == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda blob: blob[:-3],
        lambda blob: blob[:-8],
        lambda _: b"",
        lambda blob: blob[:-4] + b"\xff" * 4,
        lambda b: b * 2,
    ],
    ids=["odd length", "short", "empty", "not a number", "too long"],
)
def test_a_damaged_vector_is_computed_again(path: Path, spoil: Callable[[bytes], bytes]) -> None:
    """A damaged vector is embedded and stored again, also if all of them are damaged."""
    expected, _ = cached(path, ["knee", "brain"])
    spoilt(path, spoil)
    found, embedded = cached(path, ["knee"])
    assert (found == expected[:1]).all()
    assert embedded == ["knee"]
    assert cached(path, ["knee"])[1] == []


def test_vectors_of_different_sizes_are_mended(path: Path) -> None:
    """If stored vectors have two sizes, those of the encoder's size are kept and the others computed again."""
    expected, _ = cached(path, ["knee", "brain"])
    unit = np.array([1, 0], np.float32).tobytes()
    spoilt(path, lambda _: unit, "rowid = 1")
    assert (cached(path, ["knee", "brain"])[0] == expected).all()
    assert cached(path, ["knee", "brain"])[1] == []


@pytest.mark.parametrize("rows", [np.zeros((1, 4)), np.zeros(2), np.full((2, 4), np.nan)], ids=["few", "flat", "nan"])
def test_an_encoder_that_breaks_its_promise_is_named(path: Path, rows: NDArray[np.float32]) -> None:
    """An encoder that returns another number of rows, or no numbers, is refused by name, and nothing is stored."""

    class Broken(Tiny):
        def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return rows

    with pytest.raises(DataError, match=r"the encoder tiny/1 returned .* for 2 texts; an encoder must return one row"):
        cached(path, ["knee", "brain"], Broken())
    assert sorted(cached(path, ["knee", "brain"])[1]) == ["brain", "knee"]


def test_what_was_embedded_before_an_interruption_is_kept(path: Path) -> None:
    """Chunks finished before an interruption are not embedded again."""
    texts = [f"text {number:05}" for number in range(TEXTS_A_COMMIT + 50)]

    class Impatient(Tiny):
        def encode(self, chunk: Sequence[str]) -> NDArray[np.float32]:
            if self.seen:
                raise KeyboardInterrupt
            return super().encode(chunk)

    with pytest.raises(KeyboardInterrupt):
        cached(path, texts, Impatient())
    assert len(cached(path, texts)[1]) == 50


def test_a_cache_that_can_not_be_written_still_answers(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If vectors can't be stored, they are returned all the same."""
    expected, _ = cached(path, ["knee"])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        monkeypatch.setattr("metachain.library.database.sqlite.BUSY_SECONDS", 0)
        other.execute("BEGIN IMMEDIATE")
        np.testing.assert_array_equal(cached(path, ["knee", "brain"])[0][:1], expected)
    assert cached(path, ["knee", "brain"])[1] == ["brain"]


def test_progress_counts_up_to_all(path: Path) -> None:
    """Progress counts up to the number of texts to embed; without any there is no progress."""
    reported: list[tuple[str, int, int]] = []
    with Library.open(path, Tiny()) as library:
        for _ in range(2):
            library.vectors(demonstrations(), lambda *where: reported.append(where))
    assert reported == [("embedding", 0, 8), ("embedding", 8, 8)]

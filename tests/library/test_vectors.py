"""The file of hybrid vectors beside a library: used if intact, ignored if not."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from handmade import Tiny, demonstrations

from metachain.embedding.similarity import hybrid_vectors, lexical_vectors, text_sha256
from metachain.learning.unlearning import forget
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE
from metachain.library.vectors import VectorFile, positions_of

MADE = demonstrations(4, 8)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Path of a library; it counts as large from ten demonstrations on."""
    monkeypatch.setattr("metachain.library.vectors.FEWEST_IN_FILE", 10)
    return tmp_path / "hospitals.db"


def beside(place: Path) -> Path:
    """Path of its vector file."""
    return place.with_name(f"{place.name}-vectors.npz")


def filled(place: Path, encoder: Tiny | None = None) -> Library:
    """A library with a written vector file."""
    library = Library.open(place, encoder or Tiny())
    library.add(MADE, share=EVERYONE)
    library.hybrid_vectors(library.demonstrations())
    return library


def expected(library: Library) -> Any:
    """The computed vectors."""
    held = library.demonstrations()
    return hybrid_vectors(library.vectors(held), lexical_vectors([one.input for one in held]))


def test_vectors_are_read_back_to_the_last_bit(place: Path) -> None:
    """Another process reads the computed vectors unchanged and embeds nothing."""
    filled(place).close()
    encoder = Tiny()
    with Library.open(place, encoder) as library:
        found = library.hybrid_vectors(library.demonstrations())
        assert found.tobytes() == expected(library).tobytes()
        assert encoder.seen == []
        some = library.demonstrations("h3", "h1")[3:15]
        assert library.hybrid_vectors(some).tobytes() == found[[*range(11, 16), *range(24, 31)]].tobytes()


def test_what_the_file_lacks_is_computed(place: Path) -> None:
    """Vectors of new demonstrations are computed; many of them cause a rewrite of the file."""
    filled(place).close()
    before = beside(place).read_bytes()
    with Library.open(place, Tiny()) as library:
        library.add(demonstrations(5, 12), share=EVERYONE)
        assert library.hybrid_vectors(library.demonstrations()).tobytes() == expected(library).tobytes()
        assert beside(place).read_bytes() != before
        assert library.hybrid_vectors(library.demonstrations()).tobytes() == expected(library).tobytes()


def object_array() -> bytes:
    """An archive whose rows are a pickle that would end the process."""

    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return os._exit, (66,)

    buffer = io.BytesIO()
    rows = np.array([[Bomb()]], object)
    np.savez(
        buffer, allow_pickle=True, label=np.array("metachain-vectors/1 tiny/1"), keys=np.zeros(1, "S64"), rows=rows
    )
    return buffer.getvalue()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:900] + bytes([content[900] ^ 1]) + content[901:],
        lambda content: content[:-2000] + bytes(200) + content[-1800:],
        lambda _: b"",
        lambda _: b"nonsense",
        lambda _: object_array(),
    ],
    ids=["cut off", "one bit", "overwritten", "empty", "nonsense", "object array"],
)
def test_a_damaged_file_is_not_believed(place: Path, spoil: Callable[[bytes], bytes]) -> None:
    """A damaged or hostile file is ignored and replaced."""
    filled(place).close()
    whole = beside(place).read_bytes()
    beside(place).write_bytes(spoil(whole))
    with Library.open(place, Tiny()) as library:
        assert library.hybrid_vectors(library.demonstrations()).tobytes() == expected(library).tobytes()
    held, rows = VectorFile(beside(place), "tiny/1").read()
    assert (len(held), rows.shape) == (8, (8, 16 + 512))


def test_another_encoders_file_is_not_used(place: Path) -> None:
    """A file belongs to one encoder."""
    filled(place).close()
    other = Tiny()
    other.fingerprint = "other/1"
    with Library.open(place, other) as library:
        library.hybrid_vectors(library.demonstrations())
    assert other.seen


def test_small_libraries_have_no_file(tmp_path: Path) -> None:
    """Below two thousand demonstrations nothing is written beside the library."""
    filled(tmp_path / "x.db").close()
    assert [path.name for path in tmp_path.iterdir()] == ["x.db"]


def test_forgetting_takes_the_file_along(place: Path) -> None:
    """Erased texts leave the file, and another process does not write them back."""
    with filled(place) as library, Library.open(place, Tiny()) as other:
        before = other.demonstrations()
        forget(library, institution="h3")
        other.hybrid_vectors(before)
        held, _ = VectorFile(beside(place), "tiny/1").read()
        alive = {text_sha256(one.input) for one in library.demonstrations()}
        assert {key.decode() for key in held} <= alive


def test_rows_are_found_by_their_keys() -> None:
    """Each key has its position, and an unknown key -1."""
    held = np.array(["b", "d", "f"], "S64")
    assert positions_of(np.array(["d", "a", "f", "z", "b"], "S64"), held).tolist() == [1, -1, 2, -1, 0]
    assert positions_of(np.array(["d"], "S64"), held[:0]).tolist() == [-1]

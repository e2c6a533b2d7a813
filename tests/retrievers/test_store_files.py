"""A vector store in a folder: what is written is read, what is damaged is told, nothing is half replaced."""

import json
import os
import pickletools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from handmade import Tiny
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding

from metachain.errors import DataError, LibraryError, StorageError
from metachain.retrievers import DemonstrationVectorStore, EncoderEmbeddings
from metachain.retrievers import store_files as module

TINY = EncoderEmbeddings(Tiny())


def store_of(count: int) -> DemonstrationVectorStore:
    """A store of some documents, with text that is not ASCII."""
    store = DemonstrationVectorStore(TINY)
    store.add_documents(
        [Document(f"Röntgen {n}\n\x00", id=f"d{n}", metadata={"institution": f"h{n % 3}"}) for n in range(count)]
    )
    return store


@pytest.mark.parametrize("count", [0, 1, 40])
def test_what_is_written_is_read(count: int, tmp_path: Path) -> None:
    """Documents, ids, order and answers are the same, and the store that was read can be changed and saved again."""
    store = store_of(count)
    store.delete(["d3", "d4"])
    store.save(tmp_path / "new" / "store")
    read = DemonstrationVectorStore.load(tmp_path / "new" / "store", TINY)
    assert list(read.documents()) == list(store.documents())
    wanted = {"institution": "h1"}
    expected = store.similarity_search_with_score("x", 5, filter=wanted)
    assert read.similarity_search_with_score("x", 5, filter=wanted) == expected
    for one in (store, read):
        one.add_texts(["later"], ids=["d0"])
        one.delete(["d1"])
    read.save(tmp_path / "new" / "store")
    again = DemonstrationVectorStore.load(tmp_path / "new" / "store", TINY)
    assert list(again.documents()) == list(read.documents()) == list(store.documents())
    assert len(list((tmp_path / "new" / "store").iterdir())) == 3


def test_vectors_can_be_read_by_anybody(tmp_path: Path) -> None:
    """The files are plain: NumPy's array of unit vectors, a JSON object a line, and no pickle."""
    store_of(5).save(tmp_path)
    [vectors], [lines] = tmp_path.glob("*.npy"), tmp_path.glob("*.jsonl")
    rows = np.load(vectors, allow_pickle=False)
    assert rows.shape == (5, 16)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-6)
    assert [json.loads(line)["id"] for line in lines.read_text().splitlines()] == [f"d{n}" for n in range(5)]
    for path in tmp_path.iterdir():
        with pytest.raises((ValueError, IndexError)):
            list(pickletools.genops(path.read_bytes()))


def emptied(folder: Path) -> None:
    """Cut the documents off."""
    next(folder.glob("*.jsonl")).write_text("")


def flipped(folder: Path) -> None:
    """Change one byte of the vectors."""
    path = next(folder.glob("*.npy"))
    held = bytearray(path.read_bytes())
    held[-1] ^= 1
    path.write_bytes(held)


def missing(folder: Path) -> None:
    """Delete the vectors."""
    next(folder.glob("*.npy")).unlink()


def manifest(**changes: object) -> Callable[[Path], None]:
    """Change what the manifest says."""

    def change(folder: Path) -> None:
        path = folder / "store.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def no_json(folder: Path) -> None:
    """Cut the manifest in half."""
    path = folder / "store.json"
    path.write_text(path.read_text()[:40])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (emptied, "jsonl is not what was written"),
        (flipped, "npy is not what was written"),
        (missing, "npy is missing"),
        (no_json, "store.json is no manifest: not JSON"),
        (manifest(format="other/9"), "is of format 'other/9', this reads 'metachain-vector-store/1'"),
        (manifest(vectors={"file": "../../secret", "sha256": ""}), "names other files than a store's"),
        (manifest(vectors=None), "store.json is no manifest"),
        (manifest(documents={"file": 3}), "store.json is no manifest"),
    ],
)
def test_damage_is_told_and_can_be_replaced(damage: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    """Nothing of a damaged store is read; saving over it makes it whole."""
    store_of(4).save(tmp_path)
    damage(tmp_path)
    with pytest.raises(LibraryError, match=message):
        DemonstrationVectorStore.load(tmp_path, TINY)
    store_of(2).save(tmp_path)
    assert len(DemonstrationVectorStore.load(tmp_path, TINY)) == 2


def test_files_that_do_not_fit_each_other_are_told(tmp_path: Path) -> None:
    """A manifest that joins the vectors of one store with the documents of another is refused."""
    store_of(4).save(tmp_path / "a")
    store_of(2).save(tmp_path / "b")
    [other] = (tmp_path / "b").glob("*.jsonl")
    said = json.loads((tmp_path / "b" / "store.json").read_text())["documents"]
    other.rename(tmp_path / "a" / other.name)
    manifest(documents=said)(tmp_path / "a")
    with pytest.raises(LibraryError, match=r"2 documents don't fit an array of shape \(4, 16\)"):
        DemonstrationVectorStore.load(tmp_path / "a", TINY)


def test_no_store_is_told(tmp_path: Path) -> None:
    """An empty folder, or none, is a DataError."""
    for folder in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(DataError, match="no vector store can be read in"):
            DemonstrationVectorStore.load(folder, TINY)


def test_another_model_is_refused(tmp_path: Path) -> None:
    """Vectors of one embedding model are not searched with another's, of the same length or not."""
    store_of(4).save(tmp_path)
    for size in (16, 8):
        with pytest.raises(DataError, match=r"not those of this embedding model \(DeterministicFakeEmbedding\)"):
            DemonstrationVectorStore.load(tmp_path, DeterministicFakeEmbedding(size=size))


def test_other_peoples_folders_are_left_alone(tmp_path: Path) -> None:
    """A folder of something else is not written to; what a crash left of an earlier save doesn't matter."""
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(DataError, match="holds other things than a vector store"):
        store_of(1).save(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["thesis.txt"]
    (tmp_path / "thesis.txt").rename(tmp_path / f"{'0' * 32}.npy")
    store_of(1).save(tmp_path)
    assert len(DemonstrationVectorStore.load(tmp_path, TINY)) == 1


def test_a_failed_save_leaves_the_store_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever the disk is full, what was saved before can be read, and nothing lies about."""
    store_of(4).save(tmp_path)
    before = sorted(tmp_path.iterdir())

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    for name, home in (("fsync", os), ("replace", os), ("save", np)):
        with monkeypatch.context() as patched:
            patched.setattr(home, name, full)
            with pytest.raises(StorageError, match="No space left on device"):
                store_of(2).save(tmp_path)
        assert sorted(tmp_path.iterdir()) == before
    assert len(DemonstrationVectorStore.load(tmp_path, TINY)) == 4
    with pytest.raises(StorageError, match="can't write"):
        store_of(1).save(before[0])


def test_a_store_replaced_while_it_is_read_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader whose files are replaced between its two looks reads the new ones."""
    store_of(4).save(tmp_path)
    plain, replaced = module._checked, list[bool]()

    def replacing(folder: Path, found: dict[str, object]) -> object:
        if not replaced:
            replaced.append(True)
            store_of(2).save(folder)
        return plain(folder, found)

    monkeypatch.setattr(module, "_checked", replacing)
    assert len(DemonstrationVectorStore.load(tmp_path, TINY)) == 2

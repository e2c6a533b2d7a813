"""Files of a vector store: vectors as a NumPy array, documents as JSON lines, and a manifest that names both.

No file is a pickle. Each save writes new files and then replaces the manifest; so all is replaced at once, and files
that a crash leaves behind are never read.
"""

import json
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from hashlib import file_digest
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from langchain_core.documents import Document
from numpy.typing import NDArray

from metachain.data.demonstration import json_object
from metachain.errors import DataError, LibraryError, StorageError
from metachain.files import private, write_text

__all__ = ["read_folder", "write_folder"]

FORMAT = "metachain-vector-store/1"
MANIFEST = "store.json"
NAME = re.compile(r"[0-9a-f]{32}\.(npy|jsonl)")
Vectors = NDArray[np.float32]


def write_folder(folder: Path, vectors: Vectors, documents: Sequence[Document]) -> None:
    """Replace the store in a folder by n documents with vectors (n, d); a missing folder is made.

    Raises StorageError where the folder can't be written, and DataError where it holds other things.
    """
    before = _names(folder)
    token = uuid4().hex
    files = {"vectors": folder / f"{token}.npy", "documents": folder / f"{token}.jsonl"}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(files["vectors"], "xb", opener=private) as binary:
            np.save(binary, vectors, allow_pickle=False)
            _to_disk(binary)
        with open(files["documents"], "x", encoding="ascii", newline="\n", opener=private) as lines:
            for one in documents:
                held = {"id": one.id, "text": one.page_content, "metadata": one.metadata}
                lines.write(json.dumps(held) + "\n")
            _to_disk(lines)
        named = {kind: {"file": path.name, "sha256": _digest(path)} for kind, path in files.items()}
        write_text(json.dumps({"format": FORMAT, **named}), folder / MANIFEST)
    except BaseException as error:
        _remove(files.values())
        if isinstance(error, OSError) and not isinstance(error, StorageError):
            reason = error.strerror or type(error).__name__
            raise StorageError(f"can't write the vector store {folder}: {reason}; give another folder") from error
        raise
    _remove(folder / name for name in before)


def read_folder(folder: Path) -> tuple[Vectors, list[Document]]:
    """Read vectors (n, d), which are memory-mapped, and n documents.

    Raises DataError where there is no store, and LibraryError where it is damaged or of another format.
    """
    while True:
        manifest = _manifest(folder)
        try:
            return _checked(folder, manifest)
        except FileNotFoundError as error:
            if _manifest(folder) == manifest:  # else another process replaced the store
                raise _damaged(folder, f"{Path(error.filename).name} is missing") from None
        except OSError as error:
            raise DataError(f"can't read the vector store {folder}: {error.strerror}") from None


def _checked(folder: Path, manifest: dict[str, Any]) -> tuple[Vectors, list[Document]]:
    paths = {kind: folder / manifest[kind]["file"] for kind in ("vectors", "documents")}
    for kind, path in paths.items():
        if _digest(path) != manifest[kind]["sha256"]:
            raise _damaged(folder, f"{path.name} is not what was written")
    with paths["documents"].open(encoding="ascii") as lines:
        documents = [_document(line) for line in lines]
    vectors: Vectors = np.load(paths["vectors"], mmap_mode="r" if documents else None, allow_pickle=False)
    if vectors.dtype != np.float32 or vectors.ndim != 2 or len(vectors) != len(documents):
        raise _damaged(folder, f"{len(documents)} documents don't fit an array of shape {vectors.shape}")
    return vectors, documents


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        text = (folder / MANIFEST).read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"no vector store can be read in {folder} ({error.strerror}); save one there first") from None
    try:
        found = json_object(text)
        if found["format"] != FORMAT:
            raise LibraryError(f"the vector store {folder} is of format {found['format']!r}, this reads {FORMAT!r}")
        if not all(NAME.fullmatch(found[kind]["file"]) for kind in ("vectors", "documents")):
            raise _damaged(folder, f"{MANIFEST} names other files than a store's")
    except (DataError, KeyError, TypeError) as error:
        raise _damaged(folder, f"{MANIFEST} is no manifest: {error}") from None
    return found


def _names(folder: Path) -> list[str]:
    """Names of the files of the store in a folder. Raises DataError for a folder that holds other things."""
    if (folder / MANIFEST).exists():
        with suppress(LibraryError):  # a damaged store may be replaced
            manifest = _manifest(folder)
            return [manifest[kind]["file"] for kind in ("vectors", "documents")]
    elif folder.is_dir() and not all(NAME.fullmatch(path.name) for path in folder.iterdir()):
        raise DataError(f"{folder} holds other things than a vector store; give an empty folder, or a new one")
    return []


def _document(line: str) -> Document:
    held = json.loads(line)
    return Document(id=held["id"], page_content=held["text"], metadata=held["metadata"])


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _to_disk(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _remove(paths: Any) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink()


def _damaged(folder: Path, what: str) -> LibraryError:
    return LibraryError(f"the vector store {folder} is damaged ({what}); save it again, or restore it from a copy")

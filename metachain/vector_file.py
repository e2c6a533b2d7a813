"""Hybrid vectors of a library's texts in a file beside it, so that it is ready in seconds when it is opened again.

The file is derived and never trusted: whether it is whole is checked when it is read (by the checksums of its
archive), and what it lacks is computed.
"""

import os
from contextlib import suppress
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

__all__ = ["VectorFile", "rows_for"]

FORMAT = "metachain-vectors/1"

Vectors = NDArray[np.float32]


class VectorFile:
    """An npz archive of one library and one encoder: digests of texts in ascending order, and a row for each."""

    def __init__(self, path: Path | None, fingerprint: str) -> None:
        self._path = path
        """None where there is to be no file."""
        self._label = f"{FORMAT} {fingerprint}"

    def read(self) -> tuple[NDArray[np.bytes_], Vectors]:
        """Digests (n,) of 64 hexadecimal digits and rows (n, d).

        n is 0 where there is no file, or that of another encoder, or a damaged one.
        """
        nothing = np.zeros(0, "S64"), np.zeros((0, 0), np.float32)
        if self._path is None:
            return nothing
        try:
            with self._path.open("rb") as file, np.load(file, allow_pickle=False) as held:
                if str(held["label"]) != self._label:
                    return nothing
                keys, rows = held["keys"], held["rows"]
        except (OSError, EOFError, KeyError, RuntimeError, ValueError, BadZipFile):
            return nothing
        whole = keys.dtype == "S64" and rows.dtype == np.float32 and rows.ndim == 2 and keys.shape == rows.shape[:1]
        return (keys, rows) if whole else nothing

    def write(self, keys: NDArray[np.bytes_], rows: Vectors) -> None:
        """Replace the file by n texts' rows (n, d); where it can't be written nothing happens."""
        if self._path is None:
            return
        ordered, first = np.unique(keys, return_index=True)
        unfinished = self._path.with_name(f".{self._path.name}.{os.getpid()}.tmp")
        try:
            with unfinished.open("wb") as file:
                np.savez(file, allow_pickle=False, label=np.array(self._label), keys=ordered, rows=rows[first])
            os.replace(unfinished, self._path)
        except OSError:
            return  # it only saves time
        finally:
            with suppress(OSError):
                unfinished.unlink()

    def remove(self) -> None:
        """Delete it."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)


def rows_for(keys: NDArray[np.bytes_], held: NDArray[np.bytes_]) -> NDArray[np.intp]:
    """Place of each of ``keys`` (n,) among ``held`` (m,), which are in ascending order; -1 where it is not there."""
    if not len(held):
        return np.full(len(keys), -1, np.intp)
    place = np.minimum(np.searchsorted(held, keys), len(held) - 1)
    return np.where(held[place] == keys, place, -1)

"""Vectors of a library's texts, computed once: dense ones in the database, hybrid ones in a file beside it."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, select

from metachain.embedding.encoder import Encoder
from metachain.embedding.similarity import hybrid_vectors, lexical_vectors, text_sha256
from metachain.files import replacing
from metachain.library.database.engine import KEEPER, is_postgresql, reading
from metachain.library.database.schema import demonstrations as table
from metachain.library.embedding_cache import EmbeddingCache
from metachain.library.revisions import state_of
from metachain.progress import Progress, silent
from metachain.workers import HERE, Workers

__all__ = ["VectorFile", "Vectors", "positions_of"]

FEWEST_IN_FILE = 2000
"""Smallest number of texts for which vectors are cached in the file; fewer are quickly computed."""
SHARE_TO_REWRITE = 0.05
"""Share of texts missing from the file from which on it is rewritten."""
FORMAT = "metachain-vectors/3"
"""It goes up when vectors of the same texts change: 3, as long texts are embedded whole."""
VectorArray = NDArray[np.float32]
NOTHING_HELD: tuple[NDArray[np.bytes_], VectorArray] = np.zeros(0, "S64"), np.zeros((0, 0), np.float32)


class Vectors:
    """Vectors of one library and one encoder."""

    def __init__(self, engine: Engine, encoder: Encoder, workers: Workers = HERE) -> None:
        self._encoder = encoder
        self._engine = engine
        self._embeddings = EmbeddingCache(engine, encoder, workers)
        path = None if is_postgresql(engine) else Path(f"{engine.url.database}-vectors.npz")
        self.file = VectorFile(path, encoder.fingerprint)

    def dense(self, texts: Sequence[str], progress: Progress = silent) -> VectorArray:
        """Unit vectors (n, d) of n texts; each text is embedded only once and then stored."""
        return self._embeddings.vectors(texts, progress)

    def embed_anew(self, texts: Sequence[str]) -> None:
        """Embed all texts, stored or not, and store the vectors that are missing."""
        self._embeddings.embed_anew(texts)

    def hybrid(self, texts: Sequence[str], progress: Progress = silent) -> VectorArray:
        """Hybrid vectors (n, d + 512) of n texts (``similarity.hybrid_vectors``).

        Vectors of 2,000 texts or more are cached in a file beside an SQLite library.
        """
        if not texts:
            return hybrid_vectors(self._encoder.encode([]), lexical_vectors([]))
        many = len(texts) >= FEWEST_IN_FILE
        keys = np.array([text_sha256(text) for text in texts], "S64")
        held, rows = self.file.read() if many else NOTHING_HELD
        place = positions_of(keys, held)
        missing = np.flatnonzero(place < 0)
        if not len(missing):
            return rows[place]
        absent = [texts[row] for row in missing.tolist()]
        fresh = hybrid_vectors(self.dense(absent, progress), lexical_vectors(absent))
        if many and len(missing) >= len(keys) * SHARE_TO_REWRITE:
            self._rewrite_file(
                np.concatenate([held, keys[missing]]), np.concatenate([rows, fresh]) if len(held) else fresh
            )
        if len(missing) == len(keys):
            return fresh
        vectors = rows[place]
        vectors[missing] = fresh
        return vectors

    def _rewrite_file(self, keys: NDArray[np.bytes_], rows: VectorArray) -> None:
        """Write the vectors of texts that the library still has; remove the file if something is erased meanwhile."""
        with reading(self._engine, KEEPER) as connection:
            before = state_of(connection, "").forgotten
            existing = connection.execute(select(table.c.text_sha256).distinct()).scalars().all()
        still = np.isin(keys, np.array(existing, "S64"))
        self.file.write(keys[still], rows[still])
        with reading(self._engine) as connection:
            if state_of(connection, "").forgotten != before:
                self.file.remove()


class VectorFile:
    """Cache file of one library and one encoder: npz archive of ascending text digests and one row for each.

    Without a path nothing is cached.
    """

    def __init__(self, path: Path | None, fingerprint: str) -> None:
        self._path = path
        self._label = f"{FORMAT} {fingerprint}"

    def read(self) -> tuple[NDArray[np.bytes_], VectorArray]:
        """Digests (n,) of 64 hexadecimal digits and rows (n, d).

        n is 0 if the file is missing, damaged or of another encoder.
        """
        if self._path is None:
            return NOTHING_HELD
        try:
            with self._path.open("rb") as file, np.load(file, allow_pickle=False) as held:
                if str(held["label"]) != self._label:
                    return NOTHING_HELD
                keys, rows = held["keys"], held["rows"]
        except (OSError, EOFError, KeyError, RuntimeError, ValueError, BadZipFile):
            return NOTHING_HELD
        whole = keys.dtype == "S64" and rows.dtype == np.float32 and rows.ndim == 2 and keys.shape == rows.shape[:1]
        return (keys, rows) if whole else NOTHING_HELD

    def write(self, keys: NDArray[np.bytes_], rows: VectorArray) -> None:
        """Replace the file by the rows (n, d) of n texts; an error of writing is ignored."""
        if self._path is None:
            return
        ordered, first = np.unique(keys, return_index=True)
        with suppress(OSError), replacing(self._path) as unfinished, unfinished.open("wb") as file:
            np.savez(file, allow_pickle=False, label=np.array(self._label), keys=ordered, rows=rows[first])

    def remove(self) -> None:
        """Delete the file; the next large request writes it again."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)


def positions_of(keys: NDArray[np.bytes_], held: NDArray[np.bytes_]) -> NDArray[np.intp]:
    """Positions of ``keys`` (n,) in the ascending array ``held`` (m,); -1 for a missing key."""
    if not len(held):
        return np.full(len(keys), -1, np.intp)
    place = np.minimum(np.searchsorted(held, keys), len(held) - 1)
    return np.where(held[place] == keys, place, -1)

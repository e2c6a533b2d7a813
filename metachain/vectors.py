"""Vectors of a library's texts, computed once: dense ones in the database, hybrid ones of many in a file beside it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, select

from metachain.embedding_cache import EmbeddingCache
from metachain.encoder import Encoder
from metachain.progress import Progress, silent
from metachain.revisions import state_of
from metachain.schema import demonstrations as table
from metachain.similarity import hybrid_vectors, lexical_vectors, text_sha256
from metachain.storage import KEEPER, is_postgresql, reading
from metachain.vector_file import VectorFile, rows_for
from metachain.workers import HERE, Workers

__all__ = ["Vectors"]

FEWEST_IN_FILE = 2000
"""Texts from which on their vectors are kept in a file: fewer are quickly computed."""
SHARE_TO_REWRITE = 0.05
"""Of the texts asked for, those that the file lacks and for which it is written anew."""
NOTHING_HELD = np.zeros(0, "S64"), np.zeros((0, 0), np.float32)


class Vectors:
    """Of one library and one encoder."""

    def __init__(self, engine: Engine, encoder: Encoder, workers: Workers = HERE) -> None:
        self._engine = engine
        self._embeddings = EmbeddingCache(engine, encoder, workers)
        path = None if is_postgresql(engine) else Path(f"{engine.url.database}-vectors.npz")
        self._file = VectorFile(path, encoder.fingerprint)

    @property
    def encoder(self) -> Encoder:
        """What embeds."""
        return self._embeddings.encoder

    def dense(self, texts: Sequence[str], progress: Progress = silent) -> NDArray[np.float32]:
        """Unit vectors (n, d) of n texts; each is embedded once in the library's life."""
        return self._embeddings.vectors(texts, progress)

    def hybrid(self, texts: Sequence[str], progress: Progress = silent) -> NDArray[np.float32]:
        """Hybrid vectors (n, d + 512) of n texts (``similarity.hybrid_vectors``)."""
        if not texts:
            return hybrid_vectors(self.encoder.encode([]), lexical_vectors([]))
        many = len(texts) >= FEWEST_IN_FILE
        keys = np.array([text_sha256(text) for text in texts], "S64")
        held, rows = self._file.read() if many else NOTHING_HELD
        place = rows_for(keys, held)
        missing = np.flatnonzero(place < 0)
        if not len(missing):
            return rows[place]
        some = [texts[row] for row in missing.tolist()]
        fresh = hybrid_vectors(self.dense(some, progress), lexical_vectors(some))
        if many and len(missing) >= len(keys) * SHARE_TO_REWRITE:
            self._keep(np.concatenate([held, keys[missing]]), np.concatenate([rows, fresh]) if len(held) else fresh)
        if len(missing) == len(keys):
            return fresh
        vectors = rows[place]
        vectors[missing] = fresh
        return vectors

    def remove_file(self) -> None:
        """Delete the file; it is made again when it is wanted."""
        self._file.remove()

    def _keep(self, keys: NDArray[np.bytes_], rows: NDArray[np.float32]) -> None:
        """Write the file: of those texts that the library still has, and not where something is forgotten meanwhile."""
        with reading(self._engine, KEEPER) as connection:
            before = state_of(connection, "").forgotten
            existing = connection.execute(select(table.c.text_sha256).distinct()).scalars().all()
        still = np.isin(keys, np.array(existing, "S64"))
        self._file.write(keys[still], rows[still])
        with reading(self._engine) as connection:
            if state_of(connection, "").forgotten != before:
                self._file.remove()

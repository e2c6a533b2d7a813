"""Dense vectors, stored by text and model so that no text is embedded twice."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, delete

from metachain.embedding.encoder import Encoder, MiniLM
from metachain.embedding.similarity import normalise_text, text_sha256, unit_rows
from metachain.errors import DataError, LibraryError, StorageError
from metachain.files import cache_folder
from metachain.library.database.bulk import batched, insert_new, vectors_of
from metachain.library.database.connect import open_engine
from metachain.library.database.engine import KEEPER, reading, writing
from metachain.library.database.schema import embeddings
from metachain.library.vector_index import index_vectors
from metachain.progress import Progress, silent
from metachain.workers import HERE, Workers

__all__ = ["EmbeddingCache", "cache_engine", "cached_vectors"]

KEYS_A_QUERY = 500
TEXTS_A_COMMIT = 1024


class EmbeddingCache:
    """The ``embeddings`` table of one library, with the encoder that fills it and the workers that run the encoder."""

    def __init__(self, engine: Engine, encoder: Encoder, workers: Workers = HERE) -> None:
        self.encoder = encoder
        self._engine = engine
        self._workers = workers

    def vectors(self, texts: Sequence[str], progress: Progress = silent) -> NDArray[np.float32]:
        """Unit vectors (n, d) of n texts in normalised form; missing ones are embedded and stored, chunk by chunk.

        A damaged vector counts as missing. If the database can't be written, the vectors are returned all the same.
        Raises DataError if the encoder does not return one row of numbers for each text.
        """
        normalised = [normalise_text(text) for text in texts]
        keys = [text_sha256(text) for text in texts]
        found = self._stored(sorted(set(keys)))
        if len({len(vector) for vector in found.values()}) > 1:
            size = _checked_vectors(self.encoder, normalised[:1]).shape[1]
            found = {key: vector for key, vector in found.items() if len(vector) == size}
        missing = {key: text for key, text in zip(keys, normalised, strict=True) if key not in found}
        wanted = sorted(missing, key=lambda key: (len(missing[key]), key))
        stored, done, total = set(found), 0, len(wanted)
        if wanted:
            progress("embedding", 0, total)
        while wanted:
            # The last bits of a vector depend on its batch, so the batches are the same on any number of workers.
            chunks = list(batched(wanted, TEXTS_A_COMMIT))
            workers = self._workers if len(chunks) > 1 else HERE
            texts_of = ([missing[key] for key in chunk] for chunk in chunks)
            outdated: list[str] = []
            for chunk, fresh in zip(
                chunks, workers.map(partial(_checked_vectors, self.encoder), texts_of), strict=True
            ):
                found.update(zip(chunk, fresh, strict=True))
                self._store({key: found[key] for key in chunk})
                outdated += sorted(key for key in stored if len(found[key]) != fresh.shape[1])
                stored.difference_update(outdated)
                done += len(chunk)
                total = max(total, done)
                progress("embedding", done, total)
            missing = {key: text for key, text in zip(keys, normalised, strict=True) if key in outdated}
            wanted = outdated
        return np.stack([found[key] for key in keys]) if keys else np.zeros((0, 0), np.float32)

    def embed_anew(self, texts: Sequence[str]) -> None:
        """Embed all texts, stored or not, and store the vectors that are missing.

        If the database can't be written, the vectors are lost. Raises DataError as ``vectors`` does.
        """
        named = {text_sha256(text): normalise_text(text) for text in texts}
        if not named:
            return
        own = {"fingerprint": self.encoder.fingerprint}
        vectors = dict(zip(named, _checked_vectors(self.encoder, list(named.values())), strict=True))
        rows = [{**own, "text_sha256": key, "vector": vector} for key, vector in vectors.items()]
        with suppress(StorageError), writing(self._engine, KEEPER, alone=True, waiting=False) as connection:
            insert_new(connection, embeddings, rows)

    def _stored(self, keys: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        fingerprint = self.encoder.fingerprint
        with reading(self._engine) as connection:
            return {
                key: vector
                for batch in batched(keys, KEYS_A_QUERY)
                for key, vector in vectors_of(connection, fingerprint, batch)
                if _is_unit_vector(vector)
            }

    def _store(self, vectors: dict[str, NDArray[np.float32]]) -> None:
        """Replace stored vectors. A library that can't be written is left as it is, as the vectors are correct."""
        own = {"fingerprint": self.encoder.fingerprint}
        rows = [{**own, "text_sha256": key, "vector": vector} for key, vector in vectors.items()]
        # Damaged vectors have the same keys.
        damaged = delete(embeddings).filter_by(**own).where(embeddings.c.text_sha256.in_(list(vectors)))
        with suppress(StorageError), writing(self._engine, KEEPER, alone=True, waiting=False) as connection:
            connection.execute(damaged)
            insert_new(connection, embeddings, rows)
            index_vectors(connection, vectors)


def _checked_vectors(encoder: Encoder, texts: Sequence[str]) -> NDArray[np.float32]:
    rows = np.asarray(encoder.encode(texts), np.float32)
    if rows.ndim != 2 or len(rows) != len(texts) or not np.isfinite(rows).all():
        raise DataError(
            f"the encoder {encoder.fingerprint} returned {rows.shape} for {len(texts)} texts; "
            "an encoder must return one row of finite numbers for each"
        )
    return unit_rows(rows)


def _is_unit_vector(vector: NDArray[np.float32]) -> bool:
    """True if the length is 1 within 0.001. A zero vector counts as damaged: a lost page of the file looks like it."""
    return abs(float(np.linalg.norm(vector)) - 1) < 1e-3


def cached_vectors(
    texts: Sequence[str], path: Path | None, progress: Progress = silent, workers: Workers = HERE
) -> NDArray[np.float32]:
    """Embed texts with all-MiniLM-L6-v2, cached in the file ``path``, or in the user's cache folder if None.

    Raises StorageError if the folder can't be made, LibraryError if the file is of another kind.
    """
    with cache_engine(path) as engine:
        return EmbeddingCache(engine, MiniLM(), workers).vectors(texts, progress)


@contextmanager
def cache_engine(path: Path | None) -> Iterator[Engine]:
    """Open the cache file of ``cached_vectors``; raises the same errors."""
    path = path or cache_folder() / "embeddings.db"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"can't make {path.parent} ({error.strerror}); name another file with --cache") from None
    try:
        engine = open_engine(path)
        try:
            yield engine
        finally:
            engine.dispose()
    except LibraryError as error:
        raise LibraryError(f"the embedding cache can't be used: {error}; --cache names another file") from None

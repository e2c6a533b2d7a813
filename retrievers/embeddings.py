"""LangChain embeddings as an encoder, and an encoder as LangChain embeddings."""

from collections.abc import Sequence

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from metachain.embedding.encoder import Encoder, MiniLM
from metachain.embedding.similarity import unit_rows
from metachain.errors import DataError

__all__ = ["EncoderEmbeddings", "LangChainEncoder", "unit_vectors"]

PROBE = "a text"
"""Text that is embedded where there are no others, to find the length of the model's vectors."""


class LangChainEncoder:
    """Any LangChain ``Embeddings`` as an encoder for a library.

    ``fingerprint`` names the model (such as ``"openai/text-embedding-3"``), and must change whenever its vectors
    change, because vectors are stored under it. Queries and demonstrations are both embedded as documents, because
    their similarity is symmetric.
    """

    def __init__(self, embeddings: Embeddings, fingerprint: str) -> None:
        if not isinstance(embeddings, Embeddings):
            raise DataError(f"'embeddings' must be a LangChain Embeddings object, got {type(embeddings).__name__}")
        if not isinstance(fingerprint, str) or not fingerprint.strip():
            raise DataError(f"'fingerprint' must name the embedding model, got {fingerprint!r}")
        self.fingerprint, self._embeddings = fingerprint, embeddings
        self._dimensions: int | None = None

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed n texts; (n, d) float32 rows of unit length (an all-zero row stays zero).

        Raises DataError where the model returns anything but one finite vector of the same size for each text.
        """
        given = list(texts) or [PROBE]
        rows = unit_vectors(self._embeddings.embed_documents(given), len(given), self.fingerprint)
        self._dimensions = self._dimensions or rows.shape[1]
        if rows.shape[1] != self._dimensions:
            raise _refusal(self.fingerprint, f"vectors of {rows.shape[1]} numbers, earlier ones had {self._dimensions}")
        return rows[: len(texts)]


class EncoderEmbeddings(Embeddings):
    """An encoder of metachain (all-MiniLM-L6-v2 by default) as LangChain ``Embeddings``."""

    def __init__(self, encoder: Encoder | None = None) -> None:
        self.encoder: Encoder = encoder or MiniLM()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts as unit vectors."""
        vectors: list[list[float]] = self.encoder.encode(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """Embed one text, like a document."""
        return self.embed_documents([text])[0]


def unit_vectors(given: object, count: int, model: str) -> NDArray[np.float32]:
    """Check an embedding model's vectors for ``count`` texts, and scale them to unit length; a zero row stays zero.

    Returns (count, d) float32 rows. Raises DataError that names the model where ``given`` is anything but one finite
    vector of the same size for each text.
    """
    try:
        rows = np.asarray(given, np.float64)
    except (ValueError, TypeError) as error:
        raise _refusal(model, f"something that is not {count} equally long vectors ({error})") from error
    if rows.ndim != 2 or len(rows) != count or rows.shape[1] == 0:
        raise _refusal(model, f"an array of shape {rows.shape} for {count} texts")
    if not np.isfinite(rows).all():
        raise _refusal(model, "NaN or infinite numbers")
    largest = np.abs(rows).max(axis=1, keepdims=True)
    return unit_rows(np.asarray(rows / np.where(largest == 0, 1, largest), np.float32))


def _refusal(model: str, got: str) -> DataError:
    return DataError(f"the embedding model {model!r} must return one vector for each text, it returned {got}")

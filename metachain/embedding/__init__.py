"""Texts to unit vectors: the bundled MiniLM encoder, sentence-transformers, and hybrid similarity."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.embedding.encoder import Encoder, MiniLM, SentenceTransformerEncoder
    from metachain.embedding.similarity import hybrid_vectors, lexical_vectors, normalise_text, text_sha256

__all__ = ["Encoder", "MiniLM", "SentenceTransformerEncoder", "hybrid_vectors", "lexical_vectors", "normalise_text"]
__all__ += ["text_sha256"]
__getattr__, __dir__ = lazily(
    __name__,
    encoder="Encoder MiniLM SentenceTransformerEncoder",
    similarity="hybrid_vectors lexical_vectors normalise_text text_sha256",
)

"""Texts to unit vectors: the bundled MiniLM encoder, sentence-transformers, and hybrid similarity."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.embedding.encoder import Encoder, MiniLM, SentenceTransformerEncoder
    from metachain.embedding.similarity import hybrid_vectors, lexical_vectors, normalise_text, text_sha256

__all__ = [
    "Encoder",
    "MiniLM",
    "SentenceTransformerEncoder",
    "hybrid_vectors",
    "lexical_vectors",
    "normalise_text",
    "text_sha256",
]
_HOMES = {
    "Encoder": "encoder",
    "MiniLM": "encoder",
    "SentenceTransformerEncoder": "encoder",
    "hybrid_vectors": "similarity",
    "lexical_vectors": "similarity",
    "normalise_text": "similarity",
    "text_sha256": "similarity",
}
__getattr__ = lazily(__name__, _HOMES)

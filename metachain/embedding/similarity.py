"""One vector for each text, so that hybrid similarity is a plain inner product.

Half of the similarity is the cosine of dense embeddings, half the cosine of character 2-4-grams. The n-gram half is a
signed feature hashing (Weinberger et al. 2009, "Feature Hashing for Large Scale Multitask Learning", eq. 2-3). It keeps
inner products unbiased and needs no fitting, so it carries nothing from one institution to another.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metachain.normal_form import visible

__all__ = ["LEXICAL_DIMENSIONS", "hybrid_vectors", "lexical_vectors", "normalise_text", "same_text", "text_sha256"]
__all__ += ["unit_rows"]

Vectors = NDArray[np.float32]
LEXICAL_DIMENSIONS = 512
LEXICAL_CHARACTERS = 20_000
"""Characters of a normalised text that are hashed: a longer text's first ones, so that no text takes a second."""
OPENING = "\"'“”‘’„«»([{¿¡"
ENDING = "\"'“”‘’«»)]}.,;:!…。，；：！"
"""Marks that only open or end words. A question mark isn't among them: a suspicion is not a finding."""
PIECE = 2000
"""Characters that are hashed without a pause; other threads of the process wait meanwhile."""


def normalise_text(text: str) -> str:
    """Lower-case the text's normal form (``metachain.normal_form``); texts are compared in this form."""
    return " ".join(visible(text).lower().split())


def same_text(text: str) -> str:
    """Form in which two texts say the same: that of ``normalise_text`` without marks that only end or enclose words.

    ``cast removal.`` is ``Cast removal``. Marks within a word, or before a number, stay: ``.5 mg`` is not ``5 mg``. So
    do question marks and signs, which change what a text says. A text of marks alone stays as it is.
    """
    words = [word.lstrip(OPENING).rstrip(ENDING) for word in normalise_text(text).split()]
    return " ".join(filter(None, words)) or normalise_text(text)


def text_sha256(text: str) -> str:
    """Hash of the normalised text, 64 hexadecimal digits; case and white space make no difference."""
    return sha256(normalise_text(text).encode()).hexdigest()


def lexical_vectors(texts: Sequence[str]) -> Vectors:
    """Hash character 2-4-grams within words, counts damped by ``log(1 + n)``; (n, 512), unit rows (or zero).

    Of each text the first 20,000 characters count.
    """
    if not texts:
        return np.zeros((0, LEXICAL_DIMENSIONS), np.float32)
    normalised = [normalise_text(text)[:LEXICAL_CHARACTERS] for text in texts]
    hashed = _hashing().transform
    rows = _damped(hashed([text if len(text) <= PIECE else "" for text in normalised]))
    for place, text in enumerate(normalised):
        if len(text) > PIECE:
            rows[place] = _damped(sum(hashed([piece]) for piece in _pieces(text)))
    return unit_rows(rows)


def hybrid_vectors(dense: Vectors, lexical: Vectors) -> Vectors:
    """Join unit rows (n, d) and (n, 512) so that ``u @ v = 0.5 cos_dense + 0.5 cos_lexical``; (n, d + 512)."""
    return np.concatenate([dense, lexical], axis=1, dtype=np.float32) * np.float32(np.sqrt(0.5))


def unit_rows(rows: Vectors) -> Vectors:
    """Scale each row to unit length; zero rows stay zero."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths == 0, 1, lengths), np.float32)


def _damped(counts: Any) -> Vectors:
    """Dense rows (n, 512) of sparse counts, damped."""
    counts.data = np.sign(counts.data) * np.log1p(np.abs(counts.data))
    return np.asarray(counts.toarray(), np.float32)


def _pieces(text: str) -> Iterator[str]:
    """Parts of a normalised text that end between words, of PIECE characters or one longer word."""
    start = 0
    while len(text) - start > PIECE:
        end = text.rfind(" ", start + 1, start + PIECE)
        end = end if end > 0 else text.find(" ", start + PIECE)
        if end < 0:
            break
        yield text[start:end]
        start = end
    yield text[start:]


@cache
def _hashing() -> Any:
    from sklearn.feature_extraction.text import HashingVectorizer

    return HashingVectorizer(
        analyzer="char_wb", ngram_range=(2, 4), n_features=LEXICAL_DIMENSIONS, norm=None, dtype=np.float32
    )

"""How near two texts are in meaning."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from metachain.encoder import Encoder
from metachain.metrics import Metric

__all__ = ["embedding_similarity"]

REMEMBERED = 1 << 14


def embedding_similarity(encoder: Encoder) -> Metric:
    """Cosine of the two texts' embeddings (Reimers & Gurevych 2019, "Sentence-BERT", section 3), negative ones as 0.

    Two blank texts score 1, a blank one and another 0. Numbers and negations hardly move an embedding, so texts that
    contradict each other may score high. The last 16,384 embeddings are remembered.
    """

    @lru_cache(REMEMBERED)
    def vector(text: str) -> NDArray[np.float64]:
        row: NDArray[np.float64] = encoder.encode([text])[0].astype(np.float64)
        return row

    def embedding_similarity(prediction: str, reference: str) -> float:
        if prediction.strip() == reference.strip():
            return 1.0
        if not prediction.strip() or not reference.strip():
            return 0.0
        return float(np.clip(vector(prediction) @ vector(reference), 0, 1))

    return embedding_similarity

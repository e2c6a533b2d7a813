"""Metrics by the names that the command line takes, and embedding similarity, which needs an encoder."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from metachain.embedding.encoder import Encoder
from metachain.errors import DataError
from metachain.scoring.json_metric import json_schema_file
from metachain.scoring.metrics import METRICS, Metric, checked_metric

__all__ = ["KNOWN", "embedding_similarity", "metric_named"]

KNOWN = (*METRICS, "embedding", "json_schema:PATH", "judge:PROVIDER:NAME")
CACHED_EMBEDDINGS = 1 << 14


def metric_named(spec: str, *, encoder: Encoder | None = None, judge: Callable[[str], Metric] | None = None) -> Metric:
    """Look up a metric, wrapped by ``checked_metric``: one of ``METRICS``, or one of the other ``KNOWN`` forms.

    ``embedding`` needs the ``encoder``. ``judge:`` is followed by a model that ``load_model`` takes; ``judge`` turns it
    into a metric (``metachain.chains.judge.judge_named``). Raises DataError, with the known names, for any other.
    """
    kind, _, rest = spec.partition(":")
    metric: Metric | None = None
    if spec in METRICS:
        metric = METRICS[spec]
    elif spec == "embedding":
        if encoder is None:
            raise DataError("the metric 'embedding' needs an encoder, such as that of a library")
        metric = embedding_similarity(encoder)
    elif kind == "json_schema" and rest:
        metric = json_schema_file(rest)
    elif kind == "judge" and rest and judge is not None:
        metric = judge(rest)
    if metric is None:
        raise DataError(f"unknown metric {spec!r}; known: {', '.join(KNOWN)}")
    return checked_metric(metric, spec)


def embedding_similarity(encoder: Encoder) -> Metric:
    """Cosine of the two texts' embeddings (Reimers & Gurevych 2019, "Sentence-BERT", section 3), negative ones as 0.

    Two blank texts score 1; a blank and a non-blank one score 0. Numbers and negations hardly change an embedding, so
    texts that contradict each other may score high. The last 16,384 embeddings are cached.
    """

    @lru_cache(CACHED_EMBEDDINGS)
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

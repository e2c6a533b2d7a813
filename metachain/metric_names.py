"""One-line names of metrics, as they are written on the command line."""

from collections.abc import Callable

from metachain.embedding_metric import embedding_similarity
from metachain.encoder import Encoder
from metachain.errors import DataError
from metachain.json_metric import json_schema_file
from metachain.metrics import METRICS, Metric, checked_metric

__all__ = ["KNOWN", "metric_named"]

KNOWN = (*METRICS, "embedding", "json_schema:PATH", "judge:PROVIDER:NAME")


def metric_named(spec: str, *, encoder: Encoder | None = None, judge: Callable[[str], Metric] | None = None) -> Metric:
    """Look a metric up, ``checked_metric`` on top: one of ``METRICS``, or one of the other ``KNOWN`` forms.

    ``embedding`` needs the ``encoder``. ``judge:`` is followed by what ``load_model`` takes, which ``judge`` makes a
    metric of (``metachain.chains.judge.judge_named``). Raises DataError for any other name, with those that are known.
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

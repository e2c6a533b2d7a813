"""Metrics that compare an answer with the reference, and the offline reader that stands in for a model."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.scoring.json_metric import json_schema
    from metachain.scoring.metrics import METRICS, Metric, are_texts, exact_match, suited_metric
    from metachain.scoring.named_metrics import metric_named
    from metachain.scoring.reader import answer

__all__ = ["METRICS", "Metric", "answer", "are_texts", "exact_match", "json_schema", "metric_named", "suited_metric"]
_HOMES = {
    "json_schema": "json_metric",
    "METRICS": "metrics",
    "Metric": "metrics",
    "are_texts": "metrics",
    "exact_match": "metrics",
    "suited_metric": "metrics",
    "metric_named": "named_metrics",
    "answer": "reader",
}
__getattr__ = lazily(__name__, _HOMES)

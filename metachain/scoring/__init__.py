"""Metrics that compare an answer with the reference, and the offline reader that stands in for a model."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.scoring.json_metric import json_schema
    from metachain.scoring.metrics import METRICS, Metric, are_texts, exact_match, suited_metric
    from metachain.scoring.named_metrics import metric_named
    from metachain.scoring.reader import answer

__all__ = ["METRICS", "Metric", "answer", "are_texts", "exact_match", "json_schema", "metric_named", "suited_metric"]
__getattr__, __dir__ = lazily(
    __name__,
    json_metric="json_schema",
    metrics="METRICS Metric are_texts exact_match suited_metric",
    named_metrics="metric_named",
    reader="answer",
)

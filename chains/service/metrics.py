"""What a server counts, for Prometheus."""

import os
from collections.abc import Mapping
from time import perf_counter
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.outputs import ChatGeneration, LLMResult
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from metachain.chains.audit_callback import usage_of
from metachain.chains.select_step import SELECTION_RUN

__all__ = ["SHARED_FOLDER", "Metrics"]

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Where several workers keep their numbers, for each to tell those of all."""
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each that nobody asks for


class Metrics(BaseCallbackHandler):
    """Counters of one server, which is also the callback that counts selections and tokens of the chains it serves."""

    run_inline = True

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        self.requests = Counter(
            "metachain_requests", "Requests answered.", ["route", "method", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "metachain_request_seconds",
            "Time until a request was answered, streams to their end.",
            ["route"],
            buckets=SECONDS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "metachain_requests_in_flight",
            "Requests under way.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.selections = Counter(
            "metachain_selections",
            "Selections handed out; method is metachain where the guard lets learning choose, else nearest.",
            ["institution", "method"],
            registry=registry,
        )
        self.selection_seconds = Histogram(
            "metachain_selection_seconds", "Time to select for one query.", buckets=SECONDS, registry=registry
        )
        self.guard = Gauge(
            "metachain_guard_lets_learning_choose",
            "1 where the last selection of an institution was learned, 0 where it was plain nearest neighbours.",
            ["institution"],
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self.feedback = Counter(
            "metachain_feedback", "Answers scored or corrected.", ["institution", "kind"], registry=registry
        )
        self.labels = Counter("metachain_labels", "Labelled examples stored.", ["institution"], registry=registry)
        self.tokens = Counter("metachain_tokens", "Tokens of the models asked.", ["kind"], registry=registry)
        self.model_calls = Counter("metachain_model_calls", "Calls of models.", ["outcome"], registry=registry)
        self._begun: dict[UUID, float] = {}

    def text(self) -> bytes:
        """All numbers, of all workers, in Prometheus' text format."""
        if SHARED_FOLDER not in os.environ:
            return generate_latest(self._registry)
        every = CollectorRegistry()
        MultiProcessCollector(every)  # type: ignore[no-untyped-call]
        return generate_latest(every)

    def selected(self, institution: str, method: str, seconds: float) -> None:
        """Count one selection."""
        self.selections.labels(institution, method).inc()
        self.selection_seconds.observe(seconds)
        self.guard.labels(institution).set(method == "metachain")

    def on_chain_start(
        self, serialized: dict[str, Any], inputs: dict[str, Any], *, run_id: UUID, **kwargs: Any
    ) -> None:
        """Note when a selection begins."""
        if kwargs.get("name") == SELECTION_RUN:
            self._begun[run_id] = perf_counter()

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Count a selection that was made."""
        begun = self._begun.pop(run_id, None)
        if begun is not None and isinstance(outputs, Mapping):
            self.selected(outputs["institution"], outputs["method"], perf_counter() - begun)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Forget a selection that failed."""
        self._begun.pop(run_id, None)

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        """Count a model's call and its tokens."""
        self.model_calls.labels("answered").inc()
        messages = [one.message for some in response.generations for one in some if isinstance(one, ChatGeneration)]
        for kind, number in usage_of(messages).items():
            self.tokens.labels(kind.removesuffix("_tokens")).inc(number)

    def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        """Count a call that failed."""
        self.model_calls.labels("failed").inc()

"""Metrics of a server, for Prometheus."""

import mmap
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.outputs import LLMResult
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from metachain.chains.audit_callback import messages_of_result, usage_of
from metachain.chains.select_step import SELECTION_RUN

__all__ = ["SHARED_FOLDER", "Metrics"]

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable with the folder in which several workers keep their metrics."""
PAGE_BYTES = mmap.PAGESIZE
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

disable_created_metrics()  # type: ignore[no-untyped-call]  # else each metric has a second series

GUARD = "1 where the last selection of an institution was learned, 0 where it was plain nearest neighbours."
CHANGES = "Changes of an institution's answers that are sure, when it last adapted."
AGE = "Time since the common prior was learned; NaN where that is unknown."


class Metrics(BaseCallbackHandler):
    """Metrics of one server; also the callback that counts the selections and tokens of its chains."""

    run_inline = True

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        counter = partial(Counter, registry=registry)
        histogram = partial(Histogram, buckets=SECONDS, registry=registry)
        gauge = partial(Gauge, registry=registry)
        self.requests = counter("metachain_requests", "Requests answered.", ["route", "method", "status"])
        self.request_seconds = histogram(
            "metachain_request_seconds", "Time until a request was answered, streams to their end.", ["route"]
        )
        self.queue_seconds = histogram(
            "metachain_queue_seconds", "Time that work waited until it was its institution's turn.", ["work"]
        )
        self.in_flight = gauge("metachain_requests_in_flight", "Requests in progress.", multiprocess_mode="livesum")
        self.selections = counter(
            "metachain_selections",
            "Selections; method is metachain where the guard allows learned selection, else nearest.",
            ["institution", "method"],
        )
        self.selection_seconds = histogram("metachain_selection_seconds", "Time to select for one query.")
        self.guard = gauge(
            "metachain_guard_lets_learning_choose", GUARD, ["institution"], multiprocess_mode="mostrecent"
        )
        self.feedback = counter("metachain_feedback", "Answers scored or corrected.", ["institution", "kind"])
        self.labels = counter("metachain_labels", "Labelled examples stored.", ["institution"])
        self.changes = gauge("metachain_changes", CHANGES, ["institution"], multiprocess_mode="mostrecent")
        self.tokens = counter("metachain_tokens", "Tokens of all models.", ["kind"])
        self.model_calls = counter("metachain_model_calls", "Model calls.", ["outcome"])
        self.library_errors = counter("metachain_library_errors", "Errors of the library's database.", ["kind"])
        self.refused_keys = counter("metachain_refused_keys", "Requests without a valid key.")
        self.unwritten = counter("metachain_unwritten_answers", "Answers given that could not be recorded.")
        self.prior_age = gauge("metachain_prior_age_seconds", AGE, multiprocess_mode="mostrecent")
        self.memory = gauge(
            "metachain_resident_memory_bytes",
            "Resident memory of a worker after its last request; Linux only.",
            multiprocess_mode="liveall",
        )
        self._begun: dict[UUID, float] = {}

    def count_unwritten(self, error: Exception) -> None:
        """Count an answer that could not be recorded."""
        self.unwritten.inc()

    def observe_memory(self) -> None:
        """Read this process's resident memory; do nothing where the system does not tell it."""
        with suppress(OSError):
            self.memory.set(int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES)

    def text(self) -> bytes:
        """Write all metrics, of all workers, in Prometheus' text format."""
        if SHARED_FOLDER not in os.environ:
            return generate_latest(self._registry)
        every = CollectorRegistry()
        MultiProcessCollector(every)  # type: ignore[no-untyped-call]
        return generate_latest(every)

    def on_chain_start(self, *args: Any, run_id: UUID, **kwargs: Any) -> None:
        """Note the start of a selection."""
        if kwargs.get("name") == SELECTION_RUN:
            self._begun[run_id] = perf_counter()

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Count a selection."""
        begun = self._begun.pop(run_id, None)
        if begun is not None and isinstance(outputs, Mapping):
            self.count_selection(outputs, perf_counter() - begun)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Drop the start of a selection that failed."""
        self._begun.pop(run_id, None)

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        """Count a model call and its tokens."""
        self.count_call(messages_of_result(response))

    def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        """Count a model call that failed."""
        self.count_call(None)

    def count_selection(self, shown: Mapping[str, Any], seconds: float) -> None:
        """Count a selection, a ``Shown``, and its time."""
        institution, method = shown["institution"], shown["method"]
        self.selections.labels(institution, method).inc()
        self.selection_seconds.observe(seconds)
        self.guard.labels(institution).set(method == "metachain")

    def count_call(self, answered: Sequence[BaseMessage] | None) -> None:
        """Count a model call, and the tokens of its messages; None for a call that failed."""
        self.model_calls.labels("failed" if answered is None else "answered").inc()
        for kind, number in usage_of(answered or ()).items():
            self.tokens.labels(kind.removesuffix("_tokens")).inc(number)

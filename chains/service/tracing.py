"""OpenTelemetry spans of requests, selections and model calls: ids and numbers, no texts."""

import os
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.outputs import LLMResult
from langsmith.utils import tracing_is_enabled

from metachain.chains.audit_callback import messages_of_result, model_name, usage_of
from metachain.chains.select_step import SELECTION_RUN
from metachain.errors import DataError

__all__ = ["Spans", "is_configured", "refuse_traced_texts", "trace"]

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
UNTRACED = "healthz,readyz,metrics"


def is_configured() -> bool:
    """True if OpenTelemetry's environment variables name an exporter's address."""
    return any(os.environ.get(name) for name in ENDPOINTS)


def refuse_traced_texts(*, allowed: bool) -> None:
    """Raise DataError where LangSmith's tracing is on and not allowed: it sends whole prompts to another service."""
    if tracing_is_enabled() and not allowed:
        raise DataError(
            "LangSmith's tracing is on (LANGSMITH_TRACING), which sends prompts with other institutions' texts to "
            "another service: turn it off, or allow it with --trace-texts"
        )


def trace(app: FastAPI) -> "Spans":
    """Send spans of an app's requests to OpenTelemetry's exporter, and return the callback for its chains.

    Raises DataError where the packages are not installed.
    """
    try:
        from opentelemetry import trace as opentelemetry  # noqa: PLC0415
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor  # noqa: PLC0415
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        raise DataError(
            f"{' or '.join(ENDPOINTS)} is set, but OpenTelemetry is not installed: pip install 'metachain[tracing]'"
        ) from None
    name = os.environ.get("OTEL_SERVICE_NAME", "metachain")
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    opentelemetry.set_tracer_provider(provider)
    FastAPIInstrumentor.instrument_app(app, tracer_provider=provider, excluded_urls=UNTRACED)
    return Spans(provider)


class Spans(BaseCallbackHandler):
    """A callback that makes a span of each selection and each model call."""

    run_inline = True

    def __init__(self, provider: Any) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("metachain")
        self._open: dict[UUID, Any] = {}

    def close(self) -> None:
        """Send the remaining spans."""
        self._provider.shutdown()

    def on_chain_start(self, *args: Any, run_id: UUID, **kwargs: Any) -> None:
        """Start the span of a selection."""
        if kwargs.get("name") == SELECTION_RUN:
            self._open[run_id] = self._tracer.start_span(SELECTION_RUN)

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """End the span of a selection, with the institution, the method, the id and the number of demonstrations."""
        if run_id in self._open:
            facts = {"institution": outputs["institution"], "method": outputs["method"]}
            facts |= {"selection_id": outputs.get("selection_id", ""), "demonstrations": len(outputs["demonstrations"])}
            self._end(run_id, {f"metachain.{name}": value for name, value in facts.items()})

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """End the span of a selection or a model call that failed."""
        self._end(run_id, {"error.type": type(error).__name__})

    on_llm_error = on_chain_error

    def on_chat_model_start(self, *args: Any, run_id: UUID, **kwargs: Any) -> None:
        """Start the span of a model call."""
        attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": model_name(kwargs.get("metadata") or {})}
        self._open[run_id] = self._tracer.start_span("chat", attributes=attributes)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """End the span of a model call, with its tokens."""
        used = usage_of(messages_of_result(response))
        self._end(run_id, {f"gen_ai.usage.{name}": tokens for name, tokens in used.items()})

    def _end(self, run_id: UUID, attributes: dict[str, Any]) -> None:
        span = self._open.pop(run_id, None)
        if span is not None:
            span.set_attributes(attributes)
            span.end()

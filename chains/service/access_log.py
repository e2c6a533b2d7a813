"""One log line and one count for each request, and the answer to unexpected errors."""

import logging
from time import perf_counter
from uuid import uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from metachain.chains.service.metrics import Metrics
from metachain.chains.service.problems import error_response, status_and_reason
from metachain.errors import LibraryError, StorageError
from metachain.failures import facts_of

__all__ = ["AccessLog"]

UNKNOWN_KEY = 401
SERVERS = 500
"""First status of errors that are not the client's."""

logger = logging.getLogger("metachain.server")

METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
"""Methods that the log and the metrics name; all others are one, since a caller may make any up."""


class AccessLog:
    """Logs the key, route, status and duration of each request: ids and numbers, never a text."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, also after an unexpected error, and log it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status, id = perf_counter(), 0, uuid4().hex
        state = scope.setdefault("state", {})
        state["request"] = id

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], (b"x-request-id", id.encode())]}
            await send(message)

        with self._metrics.in_flight.track_inprogress():
            try:
                await self._app(scope, receive, sending)
            except Exception as error:  # noqa: BLE001 - the client gets an answer, and the log gets the place
                state["failure"] = error
                if not status:
                    await error_response(*status_and_reason(error))(scope, receive, sending)
            finally:
                if "failure" in state:
                    self._log_failure(state["failure"], id)
                self._log(scope, id, status, perf_counter() - begun)

    def _log_failure(self, error: BaseException, id: str) -> None:
        """Log an error that is the server's, the library's or the model's, and not the client's."""
        if status_and_reason(error)[0] < SERVERS:
            return
        logger.error("failed", extra={"request": id, **facts_of(error)})
        if isinstance(error, LibraryError | StorageError):
            self._metrics.library_errors.labels(type(error).__name__).inc()

    def _log(self, scope: Scope, id: str, status: int, seconds: float) -> None:
        # The path itself may hold anything, and would give each request a metric of its own.
        route = str(getattr(scope.get("route"), "path", "unknown"))
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._metrics.requests.labels(route, method, status).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        self._metrics.refused_keys.inc(status == UNKNOWN_KEY)
        self._metrics.observe_memory()
        key = scope.get("state", {}).get("key")
        fields = {"request": id, "method": method, "route": route, "status": status}
        caller = {"key": key.id, "institution": key.institution} if key and key.id else {}
        logger.info("answered", extra={**fields, "seconds": round(seconds, 4), **caller})

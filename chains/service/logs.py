"""The server's log: one JSON object a line on standard error, with ids and numbers but no texts."""

from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from metachain.chains.service.problems import places_of

__all__ = ["LOG_CONFIG", "JsonLines"]


LONGEST = 500
"""Maximum characters of a value in the log."""
LONGEST_LIST = 20


class JsonLines(JsonFormatter):
    """Formats records. Of an exception it gives the kind and the places only, because the message may quote a text."""

    def __init__(self) -> None:
        super().__init__(
            "{levelname}{name}{message}",
            style="{",
            timestamp=True,
            rename_fields={"levelname": "level"},
            reserved_attrs=[*RESERVED_ATTRS, "color_message"],
        )

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Cut long values, which may be a caller's."""
        return {name: _cut(value) for name, value in super().process_log_record(log_data).items()}

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name in logging
        """Format an exception without its message."""
        kind, _, trace = ei
        return "; ".join([kind.__name__, *places_of(trace)])


def _cut(value: Any) -> Any:
    if isinstance(value, list):
        return [_cut(one) for one in value[:LONGEST_LIST]]
    text = value if isinstance(value, str) else None
    return value if text is None or len(text) <= LONGEST else f"{text[:LONGEST]}…"


LOG_CONFIG: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "metachain.chains.service.logs.JsonLines"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "uvicorn": {"level": "INFO"},
        "uvicorn.access": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
        "sse_starlette": {"level": "WARNING"},
    },
}
"""Configuration of the logging module. ``AccessLog`` replaces uvicorn's access log; sse-starlette would log answers."""

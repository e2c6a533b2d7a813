"""The server's log: one JSON object a line on standard error, with ids and numbers but no texts."""

from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from metachain.chains.service.problems import places_of

__all__ = ["LOG_CONFIG", "JsonLines"]


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

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name in logging
        """Format an exception without its message."""
        kind, _, trace = ei
        return "; ".join([kind.__name__, *places_of(trace)])


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

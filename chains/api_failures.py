"""Failed calls of model providers: whether a retry may help, when, and whether the call may be billed.

Each client raises classes of its own. These functions read what all have: a status code, a ``retry-after`` header, and
class names.
"""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from traceback import walk_tb
from typing import Any

from metachain.failures import causes_of

__all__ = ["is_provider_failure", "is_transient", "is_unbilled", "retry_after", "status_of"]

UNREACHED = {
    "APIConnectionError",  # openai, anthropic
    "ClientConnectionError",  # aiohttp
    "ConnectTimeoutError",  # botocore
    "ConnectionError",
    "EndpointConnectionError",  # botocore
    "IncompleteRead",
    "ReadTimeoutError",  # botocore
    "TimeoutError",
    "TransportError",  # httpx
}
"""Class names of errors without an answer from the server."""
NOT_OF_CLIENTS = frozenset({"builtins", "sqlalchemy"})
"""Packages whose errors have such names too, but don't tell that a provider was asked."""
MODELS = "langchain_core.language_models"
"""Package through which LangChain calls each model."""
REFUSED = frozenset({429, 503, 529})
"""Statuses of calls that were refused before the model read anything; no provider bills them."""


def is_transient(error: BaseException) -> bool:
    """True if a retry may help: too many requests (429), a time-out (408), a server error (5xx) or no connection.

    Where the error has a status code, the code alone decides.
    """
    status = status_of(error)
    if status is not None:
        return status in {408, 429} or status >= 500
    return any(kind.__name__ in UNREACHED for one in causes_of(error) for kind in type(one).__mro__)


def is_unbilled(error: BaseException) -> bool:
    """True if the call was refused unread: statuses 400 to 499 except 408, and 503 and 529.

    A time-out, a lost connection or another server error may come after the model's work, so it may be billed.
    """
    status = status_of(error)
    return status is not None and (status in REFUSED or (400 <= status < 500 and status != 408))


def is_provider_failure(error: BaseException) -> bool:
    """True if a model's provider failed: it gave an error's status, couldn't be reached, or gave no proper answer.

    No proper answer, such as a body that is no JSON, makes clients fail in classes of any kind. So each error within a
    model's call counts, unless it was raised by code of metachain.
    """
    return status_of(error) is not None or any(_is_unreached(one) or _is_in_call(one) for one in causes_of(error))


def _is_unreached(error: BaseException) -> bool:
    kinds = [kind for kind in type(error).__mro__ if kind.__name__ in UNREACHED]
    return any(kind.__module__.split(".")[0] not in NOT_OF_CLIENTS for kind in kinds)


def _is_in_call(error: BaseException) -> bool:
    modules = [str(frame.f_globals.get("__name__", "")) for frame, _ in walk_tb(error.__traceback__)]
    calls = [place for place, name in enumerate(modules) if name.startswith(MODELS)]
    return bool(calls) and not any(name.split(".")[0] == "metachain" for name in modules[calls[-1] :])


def status_of(error: BaseException) -> int | None:
    """HTTP status of an error or of its causes; None where the server gave no answer."""
    for one in causes_of(error):
        response = getattr(one, "response", None)
        metadata = response.get("ResponseMetadata") if isinstance(response, dict) else None
        codes = [
            getattr(one, "status_code", None),
            getattr(response, "status_code", None),
            metadata.get("HTTPStatusCode") if isinstance(metadata, dict) else None,
            getattr(one, "code", None),
            getattr(one, "status", None),
        ]
        for code in codes:
            if isinstance(code, int) and not isinstance(code, bool) and 400 <= code < 600:
                return int(code)
    return None


def retry_after(error: BaseException) -> float | None:
    """Seconds to wait, from the header ``retry-after-ms`` or ``retry-after`` (seconds or a date); None without one."""
    for one in causes_of(error):
        headers = getattr(getattr(one, "response", None), "headers", None)
        if headers is None or not hasattr(headers, "get"):
            continue
        milliseconds, asked = _number(headers.get("retry-after-ms")), headers.get("retry-after")
        if milliseconds is not None:
            return milliseconds / 1000
        seconds = _number(asked)
        if seconds is None and asked:
            seconds = _until(str(asked))
        if seconds is not None:
            return seconds
    return None


def _number(text: Any) -> float | None:
    try:
        number = float(text)
    except (TypeError, ValueError):
        return None
    return number if 0 <= number < float("inf") else None


def _until(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)

"""What a failed call says, read from the shapes of several clients."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from metachain.chains.api_failures import is_transient, is_unbilled, retry_after, status_of


def error(cause: Exception | None = None, name: str = "Error", **attributes: Any) -> Exception:
    """One of a class of this name, with these attributes, raised from a cause."""
    made: Exception = type(name, (Exception,), {})("text")
    for key, value in attributes.items():
        setattr(made, key, value)
    made.__cause__ = cause
    return made


def response(status: int, **headers: str) -> httpx.Response:
    """An answer of a server."""
    return httpx.Response(status, headers={key.replace("_", "-"): value for key, value in headers.items()})


REQUEST = httpx.Request("POST", "http://127.0.0.1/")


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (error(status_code=429), 429),
        (error(response=response(503)), 503),
        (httpx.HTTPStatusError("text", request=REQUEST, response=response(500)), 500),
        (error(code=404), 404),
        (error(code="rate_limit_exceeded", status_code=429), 429),
        (error(status_code=-1), None),
        (error(response={"ResponseMetadata": {"HTTPStatusCode": 400}}), 400),
        (error(cause=error(code=401)), 401),
        (error(), None),
    ],
)
def test_the_status_is_found_where_clients_put_it(failure: Exception, status: int | None) -> None:
    """On the error, its response, or what it was raised from."""
    assert status_of(failure) == status


@pytest.mark.parametrize(
    ("failure", "passing", "free"),
    [
        (error(status_code=429), True, True),
        (error(status_code=408), True, False),
        (error(status_code=500), True, False),
        (error(status_code=504), True, False),
        (error(status_code=529), True, True),
        (error(status_code=400), False, True),
        (error(status_code=401), False, True),
        (error(name="APIConnectionError"), True, False),
        (error(cause=httpx.ConnectError("text")), True, False),
        (httpx.ReadTimeout("text"), True, False),
        (ConnectionRefusedError(), True, False),
        (TimeoutError(), True, False),
        (ValueError(), False, False),
        (error(status_code=401, cause=TimeoutError()), False, True),
    ],
)
def test_what_is_asked_again_and_what_it_costs(failure: Exception, passing: bool, free: bool) -> None:
    """Passing failures are; those refused unread are free, those without an answer may not be."""
    assert is_transient(failure) == passing
    assert is_unbilled(failure) == free


def test_the_wait_asked_for_is_in_seconds() -> None:
    """Milliseconds first, then seconds, then a date; past dates are now, nonsense is none."""
    assert retry_after(error(response=response(429, retry_after_ms="1500", retry_after="9"))) == 1.5
    assert retry_after(error(cause=error(response=response(429, retry_after="9")))) == 9
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30))
    assert retry_after(error(response=response(429, retry_after=soon))) == pytest.approx(30, abs=2)
    assert retry_after(error(response=response(429, retry_after="Wed, 21 Oct 2015 07:28:00 GMT"))) == 0
    for nonsense in ("soon", "nan", "-1", ""):
        assert retry_after(error(response=response(429, retry_after=nonsense))) is None
    assert retry_after(error()) is None

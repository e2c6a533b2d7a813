"""Errors for clients: a status, and one sentence with the remedy."""

from collections.abc import Mapping, Sequence
from traceback import extract_tb
from types import TracebackType
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from metachain import errors
from metachain.chains.api_failures import is_provider_failure
from metachain.errors import MetachainError

__all__ = ["Problem", "documented", "error_response", "explain_errors", "places_of", "status_and_reason"]

STATUS: Sequence[tuple[type[MetachainError], int]] = (
    (errors.AnswerError, 502),
    (errors.DataError, 422),
    (errors.NotLearnedError, 503),
    (errors.NotFoundError, 404),
    (errors.SharingError, 403),
    (errors.StorageError, 503),
    (errors.ModelError, 502),
    (errors.LibraryError, 503),
)
"""Statuses of error classes; the first class that fits counts."""
KEPT_FROM_CLIENTS = (errors.StorageError, errors.LibraryError)
"""Errors with messages that name places on the server's disk."""
UNUSABLE = "the model's answer has not the form that it must have; ask again, or in other words"
"""Answer to an ``AnswerError``, whose message quotes the model's answer, and so perhaps a demonstration."""
MEANINGS = {
    400: "the request is not valid HTTP",
    401: "no key, or an unknown key",
    403: "the key does not allow this",
    404: "not found, or of another institution",
    405: "the path does not support this method",
    413: "the request is too large",
    415: "the request's body is compressed",
    422: "the request is not valid",
    429: "too many concurrent requests or inputs of this institution",
    500: "a fault of the server",
    502: "the model can't be reached, or its answer can't be used",
    503: "the server is busy, or its library can't be used now",
    504: "the request took too long",
}
PROBLEMS_NAMED = 5


class Problem(BaseModel):
    """Error of a request."""

    detail: str = Field(description="The problem and its remedy, in one sentence.")


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe these statuses for OpenAPI."""
    return {status: {"model": Problem, "description": MEANINGS[status]} for status in statuses}


def error_response(status: int, reason: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Make the answer to a request that failed or was refused."""
    return JSONResponse({"detail": reason}, status, headers=headers)


def status_and_reason(error: BaseException) -> tuple[int, str]:
    """Status and message for a client: never a stack trace, and no details of errors that are not metachain's."""
    if isinstance(error, HTTPException):
        return error.status_code, str(error.detail)
    for kind, status in STATUS:
        if isinstance(error, kind):
            if isinstance(error, KEPT_FROM_CLIENTS) and not isinstance(error, errors.BusyError):
                return status, "the library can't be used now; the server's log has the reason"
            return status, UNUSABLE if isinstance(error, errors.AnswerError) else str(error)
    if is_provider_failure(error):
        return 502, "the model's provider failed; try again later"
    return 500, MEANINGS[500]


def places_of(trace: TracebackType | None) -> list[str]:
    """Places in the code of the last eight frames, without the message, which may quote a text."""
    return [f"{one.filename}:{one.lineno} {one.name}" for one in extract_tb(trace)[-8:]]


def explain_errors(app: FastAPI) -> None:
    """Make an app answer errors with a ``Problem``."""
    app.add_exception_handler(HTTPException, _explained)
    app.add_exception_handler(MetachainError, _explained)
    app.add_exception_handler(RequestValidationError, _invalid)


async def _explained(request: Request, error: Exception) -> JSONResponse:
    request.state.failure = error
    headers = error.headers if isinstance(error, HTTPException) else None
    return error_response(*status_and_reason(error), headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """Name the invalid fields and their problems, but not their values, which may be a patient's text."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
    found = [one for one in error.errors() if isinstance(one, Mapping)]
    named = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found[:PROBLEMS_NAMED]]
    more = f", and {len(found) - PROBLEMS_NAMED} more" if len(found) > PROBLEMS_NAMED else ""
    return error_response(422, f"{'; '.join(named)}{more}" if named else MEANINGS[422])

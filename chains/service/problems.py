"""Errors as clients see them: a status, and one sentence that says what to do."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from metachain.chains.api_failures import is_transient, status_of
from metachain.errors import (
    AnswerError,
    DataError,
    LibraryError,
    MetachainError,
    ModelError,
    NotFoundError,
    SharingError,
    StorageError,
)

__all__ = ["Problem", "documented", "explain_errors", "refusal", "status_and_reason"]

STATUS: Sequence[tuple[type[MetachainError], int]] = (
    (AnswerError, 502),
    (DataError, 422),
    (NotFoundError, 404),
    (SharingError, 403),
    (StorageError, 503),
    (ModelError, 502),
    (LibraryError, 503),
)
"""The first that an error is an instance of counts."""
KEPT_FROM_CLIENTS = (StorageError, LibraryError)
"""Their messages name places on the server's disk."""
MEANINGS = {
    400: "the request is no HTTP that can be read",
    401: "no key, or one that is not known",
    403: "the key does not allow this",
    404: "there is nothing of that name, or it is another institution's",
    405: "the path knows no such method",
    413: "the request is too large",
    422: "the request is not what it must be",
    429: "too many requests of this key at once",
    500: "a fault of the server",
    502: "the model could not be asked, or its answer can't be used",
    503: "the server has too much to do, or its library can't be used now",
    504: "it took too long",
}
PROBLEMS_TOLD = 5


class Problem(BaseModel):
    """Why a request was not answered."""

    detail: str = Field(description="One sentence: what was wrong, and what to do.")


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of these statuses."""
    return {status: {"model": Problem, "description": MEANINGS[status]} for status in statuses}


def refusal(status: int, reason: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer that says no."""
    return JSONResponse({"detail": reason}, status, headers=headers)


def status_and_reason(error: BaseException) -> tuple[int, str]:
    """What a client is told of an error: never a stack trace, and nothing at all of one that is not ours."""
    if isinstance(error, HTTPException):
        return error.status_code, str(error.detail)
    for kind, status in STATUS:
        if isinstance(error, kind):
            if isinstance(error, KEPT_FROM_CLIENTS):
                return status, "the library can't be used now; the server's log says why"
            return status, str(error)
    if status_of(error) is not None or is_transient(error):
        return 502, "the model's provider did not answer as it should; ask again later"
    return 500, MEANINGS[500]


def explain_errors(app: FastAPI) -> None:
    """Let an app answer errors with a ``Problem``."""
    app.add_exception_handler(HTTPException, _explained)
    app.add_exception_handler(MetachainError, _explained)
    app.add_exception_handler(RequestValidationError, _invalid)


async def _explained(request: Request, error: Exception) -> JSONResponse:
    headers = error.headers if isinstance(error, HTTPException) else None
    return refusal(*status_and_reason(error), headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """Name the places and what is wrong there, but not what was sent: it may be a patient's text."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - it is registered for nothing else
    found = [one for one in error.errors() if isinstance(one, Mapping)]
    told = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found[:PROBLEMS_TOLD]]
    more = f", and {len(found) - PROBLEMS_TOLD} more" if len(found) > PROBLEMS_TOLD else ""
    return refusal(422, f"{'; '.join(told)}{more}" if told else MEANINGS[422])

"""Authentication: the caller is found from the credential, never from the body; the audit gets to know it."""

import base64
import binascii
from typing import Annotated, Any

from fastapi import Depends, Header, HTTPException, Request
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from metachain.chains.service.key_use import KeyUse
from metachain.chains.service.problems import error_response
from metachain.errors import DataError
from metachain.library.api_keys import ADMIN, METRICS, Key
from metachain.library.audit import Audit
from metachain.library.caller import ACTOR_CHARACTERS, Caller, called_by
from metachain.library.library import Library
from metachain.normal_form import normal_form

__all__ = ["PUBLIC", "Authentication", "caller_of", "check_institution", "key_of", "target_institution"]

PUBLIC = frozenset({"/healthz", "/readyz"})
"""Paths that need no key, and are not limited."""
ANONYMOUS = Key("", None, frozenset({ADMIN}), "")
"""Key of all callers where the library never had a key; on loopback only."""
BEARER = HTTPBearer(auto_error=False, description="A key made by `metachain key`.")
BAD_ACTOR = f"the header X-Actor must name a person in at most {ACTOR_CHARACTERS} printable characters, in UTF-8"
NO_KEY = "send a valid key, as `Authorization: Bearer mc_…`; the library's keeper makes one: metachain key"


class Authentication:
    """Lets requests with a valid key through; with ``unauthenticated``, all requests until a first key is made.

    Keys come as ``Authorization: Bearer …``, as ``X-API-Key`` or, for browsers, as the password of HTTP Basic.
    """

    def __init__(self, app: ASGIApp, *, library: Library, use: KeyUse, unauthenticated: bool = False) -> None:
        self._app, self._library, self._use, self._unauthenticated = app, library, use, unauthenticated

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Find the key, or answer 401; all that the request does is done under its caller."""
        if scope["type"] != "http" or scope["path"] in PUBLIC:
            await self._app(scope, receive, send)
            return
        headers, state = Headers(scope=scope), scope.setdefault("state", {})
        secret, request = _secret_of(headers), state.get("request", "")
        key = await run_in_threadpool(self._find, secret)
        if key is None:
            self._use.refused(secret, request)
            scheme = "Basic" if scope["path"].startswith("/admin") else "Bearer"
            challenge = {"WWW-Authenticate": f'{scheme} realm="metachain", charset="UTF-8"'}
            await error_response(401, NO_KEY, challenge)(scope, receive, send)
            return
        state |= {"key": key, "audit": self._library.audit}
        self._use.accepted(key)
        try:
            one = Caller(key.id, request, _actor_of(headers))
        except DataError:
            await error_response(422, BAD_ACTOR)(scope, receive, send)
            return
        with called_by(one):
            await self._app(scope, receive, send)

    def _find(self, secret: str | None) -> Key | None:
        keys = self._library.keys
        if secret is not None:
            return keys.of(secret)
        return ANONYMOUS if self._unauthenticated and not keys.ever_made() else None


def _secret_of(headers: Headers) -> str | None:
    """The key in a request, valid or not; None where there is none."""
    if (given := headers.get("x-api-key")) is not None:
        return given
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return None


def _actor_of(headers: Headers) -> str:
    """The person who asks, named in UTF-8; empty if nobody is. Raises DataError for other bytes."""
    try:
        return headers.get("x-actor", "").encode("latin-1").decode()
    except UnicodeDecodeError:
        raise DataError(BAD_ACTOR) from None


def key_of(request: Request) -> Key:
    """The valid key of a request."""
    key: Key = request.state.key
    return key


def caller_of(key: Key) -> str:
    """Name under which a key's requests are counted: its institution, or the id of an administrator's key."""
    return key.institution or key.id


def target_institution(scope: str, *, required: bool = True) -> Any:
    """Make a dependency that gives the target institution, for a key that allows ``scope``.

    A key of an institution gives that institution; an administrator's key names one in the header ``X-Institution``.
    Where that is absent, the dependency gives an empty text, or, with ``required``, raises HTTPException 422. It raises
    HTTPException 403 for a key without the scope, and for another institution than the key's.
    """

    def institution(
        request: Request,
        _: Annotated[object, Depends(BEARER)],
        x_institution: Annotated[
            str, Header(description="The target institution; only an administrator's key may choose it.")
        ] = "",
        _actor: Annotated[
            str,
            Header(
                alias="X-Actor",
                description=f"The person who asks, for the audit: at most {ACTOR_CHARACTERS} printable characters, "
                "in UTF-8.",
            ),
        ] = "",
    ) -> str:
        key = key_of(request)
        if not key.allows(scope):
            raise HTTPException(403, f"this key does not allow {scope!r}; ask the library's keeper for one that does")
        if key.id and ADMIN in key.scopes and scope != METRICS:
            _record(request, x_institution)
        if key.institution is not None:
            check_institution(key.institution, x_institution)
            return key.institution
        if required and not normal_form(x_institution):
            raise HTTPException(422, "this key belongs to no institution: name one in the header X-Institution")
        return normal_form(x_institution)

    return Depends(institution)


def _record(request: Request, institution: str) -> None:
    """Record the request of an administrator in the audit before it is answered. Raises StorageError if it can't be."""
    audit: Audit = request.state.audit
    path = f"{request.scope.get('root_path', '')}{request.scope['route'].path}"
    audit.note("request", institution, {"method": request.method, "route": path})


def check_institution(institution: str, named: object) -> None:
    """Raise HTTPException 403 where another institution is named than the key's."""
    said = normal_form(named) if isinstance(named, str) else named
    if said not in ("", institution):
        raise HTTPException(403, "this key may not ask for another institution than its own; leave the name out")

"""Authentication: the caller is found from the credential, never from the body."""

import base64
import binascii
from typing import Annotated, Any

from fastapi import Depends, Header, HTTPException, Request
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from metachain.chains.service.problems import error_response
from metachain.library.api_keys import ADMIN, Key, Keys

__all__ = ["PUBLIC", "Authentication", "caller_of", "check_institution", "key_of", "target_institution"]

PUBLIC = frozenset({"/healthz", "/readyz"})
"""Paths that need no key, and are not limited."""
ANONYMOUS = Key("", None, frozenset({ADMIN}), "")
"""Key of all callers where the library never had a key; on loopback only."""
BEARER = HTTPBearer(auto_error=False, description="A key made by `metachain key`.")
NO_KEY = "send a valid key, as `Authorization: Bearer mc_…`; the library's keeper makes one: metachain key"


class Authentication:
    """Lets requests with a valid key through; with ``unauthenticated``, all requests until a first key is made.

    Keys come as ``Authorization: Bearer …``, as ``X-API-Key`` or, for browsers, as the password of HTTP Basic.
    """

    def __init__(self, app: ASGIApp, *, keys: Keys, unauthenticated: bool = False) -> None:
        self._app, self._keys, self._unauthenticated = app, keys, unauthenticated

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Find the key, or answer 401."""
        if scope["type"] != "http" or scope["path"] in PUBLIC:
            await self._app(scope, receive, send)
            return
        key = await run_in_threadpool(self._find, _secret_of(Headers(scope=scope)))
        if key is None:
            scheme = "Basic" if scope["path"].startswith("/admin") else "Bearer"
            challenge = {"WWW-Authenticate": f'{scheme} realm="metachain", charset="UTF-8"'}
            await error_response(401, NO_KEY, challenge)(scope, receive, send)
            return
        scope.setdefault("state", {})["key"] = key
        await self._app(scope, receive, send)

    def _find(self, secret: str | None) -> Key | None:
        if secret is not None:
            return self._keys.of(secret)
        return ANONYMOUS if self._unauthenticated and not self._keys.ever_made() else None


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
    ) -> str:
        key = key_of(request)
        if not key.allows(scope):
            raise HTTPException(403, f"this key does not allow {scope!r}; ask the library's keeper for one that does")
        if key.institution is not None:
            check_institution(key.institution, x_institution)
            return key.institution
        if required and not x_institution:
            raise HTTPException(422, "this key belongs to no institution: name one in the header X-Institution")
        return x_institution

    return Depends(institution)


def check_institution(institution: str, named: object) -> None:
    """Raise HTTPException 403 where another institution is named than the key's."""
    if named not in ("", institution):
        raise HTTPException(403, "this key may not ask for another institution than its own; leave the name out")

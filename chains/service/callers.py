"""Who is asking: found from the credential, never from the body."""

import base64
import binascii
from typing import Annotated, Any

from fastapi import Depends, Header, HTTPException, Request
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from metachain.chains.service.problems import refusal
from metachain.library.api_keys import ADMIN, Key, Keys

__all__ = ["PUBLIC", "Authentication", "allowing", "key_of", "only"]

PUBLIC = frozenset({"/healthz", "/readyz"})
"""Paths that need no key, and are not limited."""
NOBODY = Key("", None, frozenset({ADMIN}), "")
"""Whoever asks where there is no key yet: on loopback only."""
BEARER = HTTPBearer(auto_error=False, description="A key of `metachain key`.")
NO_KEY = "send a key that counts, as `Authorization: Bearer mc_…`; the library's keeper makes one: metachain key"


class Authentication:
    """Lets through who has a key that counts, and, where ``unauthenticated`` is set, everybody until a key is made.

    Keys come as ``Authorization: Bearer …``, as ``X-API-Key`` or, for browsers, as the password of HTTP Basic.
    """

    def __init__(self, app: ASGIApp, *, keys: Keys, unauthenticated: bool = False) -> None:
        self._app, self._keys, self._unauthenticated = app, keys, unauthenticated

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Find who it is, or answer 401."""
        if scope["type"] != "http" or scope["path"] in PUBLIC:
            await self._app(scope, receive, send)
            return
        key = await run_in_threadpool(self._find, secret_of(Headers(scope=scope)))
        if key is None:
            scheme = "Basic" if scope["path"].startswith("/admin") else "Bearer"
            challenge = {"WWW-Authenticate": f'{scheme} realm="metachain", charset="UTF-8"'}
            await refusal(401, NO_KEY, challenge)(scope, receive, send)
            return
        scope.setdefault("state", {})["key"] = key
        await self._app(scope, receive, send)

    def _find(self, secret: str | None) -> Key | None:
        if secret is not None:
            return self._keys.of(secret)
        return NOBODY if self._unauthenticated and not self._keys.all() else None


def secret_of(headers: Headers) -> str | None:
    """The key that a request carries, whatever it is; None where it carries none."""
    given = headers.get("x-api-key")
    if given is not None:
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
    """The key that a request was let through with."""
    key: Key = request.state.key
    return key


def allowing(scope: str, *, named: bool = True) -> Any:
    """The default of a parameter: the institution that asks, of a key that allows ``scope``.

    ``named`` says that it must be known. A key that belongs to an institution asks for that one alone; an
    administrator's names one in the header ``X-Institution``. Raises HTTPException 403 and 422.
    """

    def asker(
        request: Request,
        _: Annotated[object, Depends(BEARER)],
        x_institution: Annotated[str, Header(description="Who asks; only an administrator's key may choose.")] = "",
    ) -> str:
        key = key_of(request)
        if not key.allows(scope):
            raise HTTPException(403, f"this key does not allow {scope!r}; ask the library's keeper for one that does")
        if key.institution is not None:
            only(key.institution, x_institution)
            return key.institution
        if named and not x_institution:
            raise HTTPException(422, "this key belongs to no institution: name one in the header X-Institution")
        return x_institution

    return Depends(asker)


def only(institution: str, said: object) -> None:
    """Raise HTTPException 403 where somebody else is named."""
    if said not in ("", institution):
        raise HTTPException(403, "this key may not ask for another institution than its own; leave the name out")

"""A library behind a URL: chains by LangServe's protocol, and REST for what institutions ask beside answers."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import Runnable, RunnableBinding
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Scope

from metachain._version import __version__
from metachain.chains.feedback import recorded
from metachain.chains.service.access_log import AccessLog
from metachain.chains.service.callers import PUBLIC, Authentication, allowing
from metachain.chains.service.langserve_routes import add_chain, add_playground
from metachain.chains.service.limits import BodySize, InFlight, Limits, TimeLimit
from metachain.chains.service.metrics import Metrics
from metachain.chains.service.problems import documented, explain_errors
from metachain.chains.service.strict_json import StrictRoute
from metachain.chains.service.tenant_routes import tenant_routes
from metachain.chains.service.tracing import is_configured, trace
from metachain.errors import DataError, MetachainError
from metachain.learning.artifacts import has_learned
from metachain.library.api_keys import ADMIN, METRICS
from metachain.library.library import Library
from metachain.retrievers.library_example_selector import LibraryExampleSelector

__all__ = ["Limits", "create_app"]

RESERVED = frozenset({"adapt", "admin", "explain", "feedback", "healthz", "institutions", "label", "metrics", "readyz"})
NUMBERS = "text/plain; version=0.0.4"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
HEAD = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,"><title>metachain</title>'
)
COUNTER = allowing(METRICS, named=False)
ADMINISTRATOR = allowing(ADMIN, named=False)


class Health(BaseModel):
    """Whether a server is well."""

    status: str = Field(description="ok, or what is missing.")


def create_app(
    library: Library,
    chains: Mapping[str, Runnable[Any, Any]],
    selector: LibraryExampleSelector | None = None,
    *,
    limits: Limits | None = None,
    unauthenticated: bool = False,
) -> FastAPI:
    """Serve a library's chains, by name, to whom ``library.keys`` lets ask.

    A chain's run finds who asks in ``config["configurable"]["institution"]``, where metachain's chains look for it; one
    that selects for one institution alone must not be served. Answers are recorded, so that feedback can name them.
    ``selector`` is what ``/explain`` and ``/label`` select with; that of the chains shares their memory.
    ``unauthenticated`` lets everybody ask for every institution as long as there is no key: for loopback alone, and
    requests must be addressed to loopback then. Raises DataError for a name that is no plain one, or is taken.
    """
    given, metrics = limits or Limits(), Metrics()
    closing: list[Callable[[], None]] = []
    for name in chains:
        if not name.isidentifier() or name in RESERVED:
            raise DataError(f"a chain's name must be a plain one such as 'classify', and not {name!r}")
    app = FastAPI(
        title="metachain",
        version=__version__,
        summary="Answers in each institution's own manner.",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan(library, closing),
        middleware=_middleware(library, metrics, given, unauthenticated=unauthenticated),
    )
    explain_errors(app)
    callbacks: list[BaseCallbackHandler] = [metrics]
    if is_configured():
        spans = trace(app)
        callbacks.append(spans)
        closing.append(spans.close)
    served = {
        name: RunnableBinding(bound=recorded(chain, library), config={"callbacks": callbacks})
        for name, chain in chains.items()
    }
    routes = APIRouter(route_class=StrictRoute)
    for name, chain in served.items():
        add_chain(routes, name, chain, given)
    app.include_router(routes)
    selecting = selector or LibraryExampleSelector(library)
    app.include_router(tenant_routes(library, selecting, metrics, given))
    app.include_router(_operators_routes(library, metrics))
    app.mount("/admin", _admin(served))
    return app


def _middleware(library: Library, metrics: Metrics, limits: Limits, *, unauthenticated: bool) -> list[Middleware]:
    """From the outermost to the innermost."""
    hosts = [Middleware(TrustedHostMiddleware, allowed_hosts=list(LOOPBACK))] if unauthenticated else []
    busy = "the server has too much to do; ask again in a second"
    many = "too many requests of this key at once; wait for their answers"
    return [
        Middleware(AccessLog, metrics=metrics),
        *hosts,
        Middleware(InFlight, most=limits.requests, status=503, reason=busy, who=_anybody),
        Middleware(TimeLimit, seconds=limits.seconds),
        Middleware(BodySize, most=limits.body_bytes),
        Middleware(Authentication, keys=library.keys, unauthenticated=unauthenticated),
        Middleware(InFlight, most=limits.requests_of_one, status=429, reason=many, who=_key),
    ]


def _anybody(scope: Scope) -> str | None:
    return None if scope["path"] in PUBLIC else "anybody"


def _key(scope: Scope) -> str | None:
    key = scope.get("state", {}).get("key")
    return key.id if key and key.id else None


def _lifespan(library: Library, closing: Sequence[Callable[[], None]]) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        """Load the encoder before the first request waits for it, and close what is to be closed in the end."""
        await run_in_threadpool(library.encoder.encode, ["warm"])
        yield
        for close in closing:
            await run_in_threadpool(close)

    return lifespan


def _operators_routes(library: Library, metrics: Metrics) -> APIRouter:
    routes = APIRouter(tags=["operation"])

    @routes.get("/healthz")
    def healthz() -> Health:
        """Whether the process answers."""
        return Health(status="ok")

    @routes.get("/readyz", responses={503: {"model": Health, "description": "Not ready."}})
    def readyz() -> Response:
        """Whether the library can be read and has learned."""
        try:
            learned = has_learned(library)
        except MetachainError:
            return JSONResponse({"status": "the library can't be read"}, 503)
        if not learned:
            return JSONResponse({"status": "the library has not learned: metachain learn"}, 503)
        return JSONResponse({"status": "ok"})

    @routes.get(
        "/metrics",
        response_class=Response,
        responses={**documented(401, 403, 429, 503, 504), 200: {"content": {NUMBERS: {"schema": {"type": "string"}}}}},
    )
    def numbers(institution: str = COUNTER) -> Response:
        """Numbers for Prometheus."""
        return Response(metrics.text(), media_type=NUMBERS)

    return routes


def _admin(chains: Mapping[str, Runnable[Any, Any]]) -> FastAPI:
    """The playgrounds, which show whole prompts: for administrators alone."""
    app = FastAPI(title="metachain: administration", docs_url=None, redoc_url=None, openapi_url=None)
    explain_errors(app)
    routes = APIRouter(route_class=StrictRoute)
    for name, chain in chains.items():
        add_playground(routes, name, chain)
    links = "".join(f'<li><a href="{escape(name)}/playground/">{escape(name)}</a></li>' for name in chains)

    @routes.get("/")
    def index(institution: str = ADMINISTRATOR) -> HTMLResponse:
        """What there is to try."""
        return HTMLResponse(f"{HEAD}<h1>Try a chain</h1><ul>{links}</ul></html>")

    app.include_router(routes)
    return app

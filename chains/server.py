"""A library behind a URL: chains by LangServe's protocol, and REST routes for adaptation and feedback."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from html import escape
from math import nan
from typing import Any

from fastapi import APIRouter, FastAPI
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import Runnable, RunnableBinding
from pydantic import BaseModel, Field
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Scope

from metachain._version import __version__
from metachain.chains.feedback import recorded
from metachain.chains.service import retention
from metachain.chains.service.access_log import AccessLog
from metachain.chains.service.callers import PUBLIC, Authentication, caller_of, target_institution
from metachain.chains.service.fair_queue import FairQueue, LargeBodies
from metachain.chains.service.head_requests import HeadRequests
from metachain.chains.service.key_use import KeyUse
from metachain.chains.service.langserve_routes import add_chain, add_playground
from metachain.chains.service.limits import BodySize, InFlight, Limits, TimeLimit
from metachain.chains.service.metrics import Metrics
from metachain.chains.service.plain_chain import PlainChain
from metachain.chains.service.problems import documented, explain_errors
from metachain.chains.service.readiness import Readiness
from metachain.chains.service.review_routes import review_routes
from metachain.chains.service.strict_json import strict_route
from metachain.chains.service.tenant_routes import tenant_routes
from metachain.chains.service.tracing import is_configured, refuse_traced_texts, trace
from metachain.errors import DataError
from metachain.learning.artifacts import learned_at
from metachain.library.api_keys import ADMIN, METRICS
from metachain.library.library import Library
from metachain.retrievers.library_example_selector import LibraryExampleSelector

__all__ = ["Limits", "create_app"]

RESERVED = frozenset(
    {"adapt", "admin", "explain", "feedback", "healthz", "institutions", "label", "metrics", "readyz"}
) | {"review"}
METRICS_TYPE = "text/plain; version=0.0.4"
LOOPBACK = ["127.0.0.1", "localhost", "[::1]"]
HEAD = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,"><title>metachain</title>'
)
METRICS_READER = target_institution(METRICS, required=False)
ADMINISTRATOR = target_institution(ADMIN, required=False)


class Health(BaseModel):
    """State of a server."""

    status: str = Field(description="ok, or the problem.")


def create_app(
    library: Library,
    chains: Mapping[str, Runnable[Any, Any]],
    selector: LibraryExampleSelector | None = None,
    *,
    limits: Limits | None = None,
    unauthenticated: bool = False,
    allowed_hosts: Sequence[str] = (),
    trace_texts: bool = False,
    keep_answers: timedelta | None = None,
) -> FastAPI:
    """Make an app that serves a library's chains, by name, to callers with a key of ``library.keys``.

    The target institution of a run is in ``config["configurable"]["institution"]``, where metachain's chains read it.
    Do not serve a chain with a selector of one institution. Answers are recorded, so that feedback can refer to them.
    ``/explain`` and ``/label`` select with ``selector``; give the selector of the chains to share its memory. With
    ``unauthenticated``, everybody may ask for every institution, as long as the library never had a key: for loopback
    only, and requests must then be addressed to loopback. ``allowed_hosts`` are the host names, such as
    ``*.hospital.example``, to which requests may be addressed; any if empty. Answers without feedback that are older
    than ``keep_answers`` are deleted, every hour; none by default. Raises DataError for a chain's name that
    is reserved or no identifier, and where LangSmith's tracing is on without ``trace_texts``.
    """
    refuse_traced_texts(allowed=trace_texts)
    given, metrics, readiness, use = limits or Limits(), Metrics(), Readiness(library), KeyUse(library)
    queue = FairQueue(given, metrics)
    closing = [use.close]
    keeping = partial(retention.keep_answers, library, keep_answers) if keep_answers else None
    _check_names(chains)
    app = FastAPI(
        title="metachain",
        version=__version__,
        summary="Answers in each institution's own manner.",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan(readiness, closing, keeping),
        middleware=_middleware(library, use, metrics, given, queue, allowed_hosts, unauthenticated=unauthenticated),
    )
    explain_errors(app)
    spans = [trace(app)] if is_configured() else []
    closing += [one.close for one in spans]
    served = _recorded(chains, library, metrics, spans)
    routes = APIRouter(route_class=strict_route(given.characters))
    for name, chain in served.items():
        plain = None if spans else PlainChain.of(chains[name], library, metrics, queue)
        add_chain(routes, name, chain, given, queue, plain)
    app.include_router(routes)
    app.include_router(tenant_routes(library, selector or LibraryExampleSelector(library), metrics, given, queue))
    app.include_router(review_routes(library, given, queue))
    app.include_router(_operator_routes(library, readiness, metrics))
    app.mount("/admin", _admin(served, given, queue))
    return app


def _recorded(
    chains: Mapping[str, Runnable[Any, Any]], library: Library, metrics: Metrics, spans: Sequence[BaseCallbackHandler]
) -> dict[str, Runnable[Any, Any]]:
    """Make the same chains, with records of their answers, metrics and spans."""
    callbacks: list[BaseCallbackHandler] = [metrics, *spans]
    kept = {name: recorded(chain, library, on_failure=metrics.count_unwritten) for name, chain in chains.items()}
    return {name: RunnableBinding(bound=chain, config={"callbacks": callbacks}) for name, chain in kept.items()}


def _check_names(chains: Iterable[str]) -> None:
    for name in chains:
        if not name.isidentifier() or name in RESERVED:
            raise DataError(f"a chain's name must be a plain one such as 'classify', and not {name!r}")


def _middleware(
    library: Library,
    use: KeyUse,
    metrics: Metrics,
    limits: Limits,
    queue: FairQueue,
    allowed_hosts: Sequence[str],
    *,
    unauthenticated: bool,
) -> list[Middleware]:
    """Make the middleware, from the outermost to the innermost."""
    names = [*allowed_hosts, *(LOOPBACK if unauthenticated else ())]
    hosts = [Middleware(TrustedHostMiddleware, allowed_hosts=names)] if names else []
    busy = "the server is busy; try again in a second"
    many = "too many requests of this institution at once; wait for their answers"
    return [
        Middleware(AccessLog, metrics=metrics),
        Middleware(HeadRequests),
        *hosts,
        Middleware(InFlight, most=limits.requests, status=503, reason=busy, caller=_any_caller),
        Middleware(TimeLimit, seconds=limits.seconds),
        Middleware(BodySize, most=limits.body_bytes),
        Middleware(Authentication, library=library, use=use, unauthenticated=unauthenticated),
        Middleware(InFlight, most=limits.requests_of_one, status=429, reason=many, caller=_one),
        Middleware(LargeBodies, queue=queue, caller=_one),
    ]


def _any_caller(scope: Scope) -> str | None:
    return None if scope["path"] in PUBLIC else "any"


def _one(scope: Scope) -> str | None:
    key = scope.get("state", {}).get("key")
    return (caller_of(key) or None) if key else None


def _lifespan(
    readiness: Readiness,
    closing: Sequence[Callable[[], None]],
    keeping: Callable[[], Coroutine[Any, Any, None]] | None,
) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        """Begin to load the encoder and to delete old answers, and close all resources at the end."""
        readiness.begin()
        beside = asyncio.create_task(keeping()) if keeping else None
        yield
        if beside:
            beside.cancel()
        for close in closing:
            close()  # in no pool of threads, all of which may hang

    return lifespan


def _operator_routes(library: Library, readiness: Readiness, metrics: Metrics) -> APIRouter:
    routes = APIRouter(tags=["operation"])

    @routes.get("/healthz")
    async def healthz() -> Health:
        """Report that the process runs."""
        return Health(status="ok")

    @routes.get("/readyz", responses={503: {"model": Health, "description": "Not ready."}})
    async def readyz() -> Response:
        """Report within two seconds whether the encoder is warm, and the library has learned and can be written."""
        problem = await readiness.problem()
        return JSONResponse({"status": problem or "ok"}, 503 if problem else 200)

    @routes.get(
        "/metrics",
        response_class=Response,
        responses={
            **documented(401, 403, 422, 429, 503, 504),
            200: {"content": {METRICS_TYPE: {"schema": {"type": "string"}}}},
        },
    )
    def numbers(institution: str = METRICS_READER) -> Response:
        """Give metrics for Prometheus."""
        learned = learned_at(library)
        metrics.prior_age.set((datetime.now(UTC) - datetime.fromisoformat(learned)).total_seconds() if learned else nan)
        return Response(metrics.text(), media_type=METRICS_TYPE)

    return routes


def _admin(chains: Mapping[str, Runnable[Any, Any]], limits: Limits, queue: FairQueue) -> FastAPI:
    """Make the app of the playgrounds, which show whole prompts: for administrators only."""
    app = FastAPI(title="metachain: administration", docs_url=None, redoc_url=None, openapi_url=None)
    explain_errors(app)
    routes = APIRouter(route_class=strict_route(limits.characters))
    for name, chain in chains.items():
        add_playground(routes, name, chain, queue)
    links = "".join(f'<li><a href="{escape(name)}/playground/">{escape(name)}</a></li>' for name in chains)

    @routes.get("/")
    def index(institution: str = ADMINISTRATOR) -> HTMLResponse:
        """List the playgrounds."""
        return HTMLResponse(f"{HEAD}<h1>Try a chain</h1><ul>{links}</ul></html>")

    app.include_router(routes)
    return app

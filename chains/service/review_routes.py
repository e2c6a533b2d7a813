"""Routes for the review of what came in at run time, before other institutions may be shown it."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from metachain.chains.service.callers import caller_of, key_of, target_institution
from metachain.chains.service.fair_queue import FairQueue
from metachain.chains.service.limits import Limits
from metachain.chains.service.problems import documented
from metachain.chains.service.strict_json import strict_route
from metachain.library.library import Library

__all__ = ["review_routes"]

REVIEW = target_institution("review")
Id = Annotated[str, Field(min_length=1)]


class Decided(BaseModel):
    """Ids of demonstrations to release to others, and of those to keep for the institution alone."""

    model_config = ConfigDict(extra="forbid")

    release: list[Id] = []
    refuse: list[Id] = []


class Awaited(BaseModel):
    """A demonstration that waits for a review."""

    id: str
    origin: Literal["adapted", "corrected"] = Field(description="A labelled example, or the correction of an answer.")
    input: str
    output: str


class Reviewed(BaseModel):
    """State of an institution's review."""

    institution: str
    released: int = Field(description="Number of demonstrations that this request released.")
    refused: int = Field(description="Number of demonstrations that this request refused.")
    waiting: list[Awaited]


def review_routes(library: Library, limits: Limits, queue: FairQueue) -> APIRouter:
    """Make the routes ``GET`` and ``POST /review``."""
    refusals = documented(401, 403, 404, 413, 422, 429, 500, 503, 504)
    routes = APIRouter(responses=refusals, tags=["institution"], route_class=strict_route(limits.characters))

    def state(institution: str, released: int = 0, refused: int = 0) -> Reviewed:
        found = [(one.origin, one.demonstration) for one in library.review.waiting(institution)]
        waiting = [
            Awaited.model_validate({"id": one.id, "origin": origin, "input": one.input, "output": one.output})
            for origin, one in found
        ]
        return Reviewed(institution=institution, released=released, refused=refused, waiting=waiting)

    def decide(institution: str, body: Decided) -> Reviewed:
        refused = library.review.refuse(institution, body.refuse) if body.refuse else 0
        released = library.review.release(institution, body.release) if body.release else 0
        return state(institution, released, refused)

    async def in_turn(request: Request, compute: Callable[[], Reviewed]) -> Reviewed:
        return await queue.run("feedback", caller_of(key_of(request)), lambda: run_in_threadpool(compute))

    @routes.get("/review")
    async def waiting(request: Request, institution: str = REVIEW) -> Reviewed:
        """List what came in at run time and waits for a review."""
        return await in_turn(request, partial(state, institution))

    @routes.post("/review")
    async def review(request: Request, body: Decided, institution: str = REVIEW) -> Reviewed:
        """Release demonstrations to others, or refuse them; it counts from the next selection on."""
        return await in_turn(request, partial(decide, institution, body))

    return routes

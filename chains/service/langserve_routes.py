"""LangServe's routes for a chain: the one module that knows LangServe.

LangServe is no longer developed, and its licence does not allow offering it to others as a hosted service. What is
known to be wrong in 0.3.3 is mended here and in ``strict_json``.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from inspect import isclass
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from langchain_core.runnables import Runnable, RunnableLambda
from langserve import APIHandler, CustomUserType
from pydantic import BaseModel, RootModel, create_model
from sse_starlette.sse import EventSourceResponse
from starlette.responses import Response

from metachain.chains.select_step import INSTITUTION
from metachain.chains.service.callers import allowing, only
from metachain.chains.service.limits import Limits
from metachain.chains.service.problems import documented, status_and_reason

__all__ = ["add_chain", "add_playground"]

logger = logging.getLogger(__name__)

ASKER = allowing("ask", named=False)
ADMINISTRATOR = allowing("admin", named=False)
REFUSALS = documented(401, 403, 404, 413, 422, 429, 500, 502, 503, 504)
SEEN = documented(401, 403, 429, 503, 504)
EVENT = {
    "type": "object",
    "description": "A server-sent event; data is JSON: the run's id, a piece of the answer, or what failed.",
    "properties": {
        "event": {"enum": ["metadata", "data", "error", "end"]},
        "data": {"type": "string"},
    },
    "required": ["event"],
}


class Events(EventSourceResponse):
    """A stream that goes on to its end, also when the server has been asked to end: it waits for all requests."""

    @staticmethod
    async def listen_for_exit_signal() -> None:
        """Hear nothing."""
        await asyncio.Event().wait()


def add_chain(router: APIRouter, name: str, chain: Runnable[Any, Any], limits: Limits) -> None:
    """Add ``/NAME/invoke``, ``/batch``, ``/stream``, ``/input_schema`` and ``/output_schema``.

    Neither ``/stream_log`` nor ``/stream_events``, which would show the whole prompt with others' demonstrations.
    """
    handler = _handler(name, chain.with_config(max_concurrency=limits.batch_concurrency))
    options: dict[str, Any] = {"tags": [name]}

    async def invoke(body: Any, request: Request, institution: str = ASKER) -> Response:
        """Answer one input."""
        _check_asker(request, institution, [body.input], [body.config])
        answered: Response = await handler.invoke(request)
        return answered

    async def batch(body: Any, request: Request, institution: str = ASKER) -> Response:
        """Answer several inputs."""
        configs = body.config if isinstance(body.config, list) else [body.config]
        if len(body.inputs) > limits.batch:
            raise HTTPException(413, f"a batch has {limits.batch} inputs at most, got {len(body.inputs)}")
        _check_asker(request, institution, body.inputs, configs)
        answered: Response = await handler.batch(request)
        return answered

    async def stream(body: Any, request: Request, institution: str = ASKER) -> Response:
        """Answer one input piece by piece, as server-sent events."""
        _check_asker(request, institution, [body.input], [body.config])
        return await _streamed(await handler.stream(request))

    # The chain's own types, which no annotation in a source can name.
    invoke.__annotations__["body"] = handler.InvokeRequest
    batch.__annotations__["body"] = handler.BatchRequest
    stream.__annotations__["body"] = handler.StreamRequest
    answers = {"invoke": (invoke, handler.InvokeResponse), "batch": (batch, handler.BatchResponse)}
    for ending, (endpoint, model) in answers.items():
        router.post(f"/{name}/{ending}", response_model=model, responses=REFUSALS, **options)(endpoint)
    streamed = {
        **REFUSALS,
        200: {"content": {"text/event-stream": {"schema": EVENT}}, "description": "The answer, piece by piece."},
    }
    router.post(f"/{name}/stream", response_class=Events, responses=streamed, **options)(stream)
    _add_schemas(router, name, handler, ("input_schema", "output_schema"), ASKER, options)


def add_playground(router: APIRouter, name: str, chain: Runnable[Any, Any]) -> None:
    """Add ``/NAME/playground/`` for administrators, with ``/stream_log``, which it asks and which shows the prompt."""
    handler = _handler(name, chain)

    async def stream_log(body: Any, request: Request, institution: str = ADMINISTRATOR) -> Response:
        """Answer one input with all that happens on the way."""
        _check_asker(request, institution, [body.input], [body.config])
        return await _streamed(await handler.stream_log(request))

    async def playground(
        file_path: str, request: Request, config_hash: str = "", institution: str = ADMINISTRATOR
    ) -> Response:
        """LangServe's page to try the chain on."""
        page: Response = await handler.playground(file_path, request, config_hash=config_hash)
        return page

    async def input_schema(config_hash: str, request: Request, institution: str = ADMINISTRATOR) -> Any:
        """What the chain takes with a configuration, as the page asks while one is filled in."""
        return await handler.input_schema(request, config_hash=config_hash)

    stream_log.__annotations__["body"] = handler.StreamLogRequest
    router.post(f"/{name}/stream_log")(stream_log)
    router.get(f"/{name}/c/{{config_hash}}/input_schema")(input_schema)
    for at in (f"/{name}/playground/{{file_path:path}}", f"/{name}/c/{{config_hash}}/playground/{{file_path:path}}"):
        router.get(at)(playground)
    _add_schemas(router, name, handler, ("input_schema", "output_schema", "config_schema"), ADMINISTRATOR, {})


def _add_schemas(
    router: APIRouter, name: str, handler: APIHandler, kinds: tuple[str, ...], asker: Any, options: dict[str, Any]
) -> None:
    for kind in kinds:
        told = f"The JSON schema of the chain's {kind.removesuffix('_schema')}."
        answered = _schema_of(getattr(handler, kind), asker)
        router.get(f"/{name}/{kind}", name=kind, description=told, responses=SEEN, **options)(answered)


def _schema_of(found: Callable[[Request], Awaitable[Any]], asker: Any) -> Callable[..., Awaitable[dict[str, Any]]]:
    async def schema(request: Request, institution: str = asker) -> dict[str, Any]:
        read: dict[str, Any] = await found(request)
        return read

    return schema


def _handler(name: str, chain: Runnable[Any, Any]) -> APIHandler:
    served = _with_own_types(name, _taking_models(chain))
    return APIHandler(served, path=f"/{name}", config_keys=("configurable",), per_req_config_modifier=_asked_by)


def _with_own_types(name: str, chain: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """Name the models of plain types after the chain: LangServe takes two of one name for objects with a field root."""
    models = {"input_type": chain.get_input_schema(), "output_type": chain.get_output_schema()}
    root: Any = RootModel
    own: dict[str, Any] = {
        kind: create_model(f"{name}_{kind[:-5]}", __base__=root[model.model_fields["root"].annotation])
        for kind, model in models.items()
        if issubclass(model, RootModel)
    }
    return chain.with_types(**own) if own else chain


def _taking_models(chain: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """LangServe hands a chain whose input is a Pydantic model a dict in its place: make it the model again."""
    taken = chain.InputType
    if isclass(taken) and issubclass(taken, BaseModel) and not issubclass(taken, CustomUserType):
        return (RunnableLambda(taken.model_validate) | chain).with_types(input_type=taken, output_type=chain.OutputType)
    return chain


def _asked_by(config: dict[str, Any], request: Request) -> dict[str, Any]:
    """Put who asks into the run's config, over what the client has put there."""
    institution = request.state.institution
    if not institution:
        return config
    return {**config, "configurable": {**(config.get("configurable") or {}), INSTITUTION: institution}}


def _check_asker(request: Request, institution: str, inputs: list[Any], configs: list[Any]) -> None:
    """Refuse a body that names another institution than the one that asks, and note the latter for the run."""
    request.state.institution = institution
    if not institution:
        return
    for one in inputs:
        only(institution, _get(one, INSTITUTION))
    for one in configs:
        only(institution, _get(_get(one, "configurable"), INSTITUTION))


def _get(thing: Any, name: str) -> Any:
    thing = getattr(thing, "root", thing)
    return (thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, "")) or ""


async def _streamed(answered: EventSourceResponse) -> Events:
    """Send events on. What fails before the first becomes an answer of its own, later an event that says so."""
    events: Any = answered.body_iterator
    first = await anext(events, None)
    if first is not None and first.get("event") == "error":
        await _raise_what_follows(events)
    return Events(_sent(first, events))


async def _raise_what_follows(events: AsyncIterator[dict[str, Any]]) -> None:
    """LangServe raises what it has said an error event of."""
    async for _ in events:
        pass
    raise HTTPException(500, "the stream failed")


async def _sent(first: dict[str, Any] | None, events: AsyncIterator[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    try:
        if first is not None:
            yield first
        async for event in events:
            if event.get("event") != "error":
                yield event
    except Exception as error:  # noqa: BLE001 - the client is told, and the log
        status, reason = status_and_reason(error)
        logger.warning("a stream failed: %s", type(error).__name__)
        yield {"event": "error", "data": json.dumps({"status_code": status, "message": reason})}

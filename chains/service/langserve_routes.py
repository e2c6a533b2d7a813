"""LangServe's routes for a chain; no other module imports LangServe.

LangServe is no longer developed, and its licence does not allow offering it to others as a hosted service. This module
and ``strict_json`` correct its known faults in version 0.3.3.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from inspect import isclass
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from langchain_core.runnables import Runnable, RunnableLambda
from langserve import APIHandler, CustomUserType
from pydantic import BaseModel, RootModel, create_model
from sse_starlette.sse import EventSourceResponse
from starlette.responses import Response

from metachain.chains.select_step import IN_TURN, INSTITUTION
from metachain.chains.service.callers import caller_of, check_institution, key_of, target_institution
from metachain.chains.service.fair_queue import FairQueue
from metachain.chains.service.limits import Limits
from metachain.chains.service.plain_chain import PlainChain
from metachain.chains.service.problems import documented, status_and_reason

__all__ = ["add_chain", "add_playground"]

CALLER = target_institution("ask", required=False)
ADMINISTRATOR = target_institution("admin", required=False)
REFUSALS = documented(401, 403, 404, 413, 415, 422, 429, 500, 502, 503, 504)
SCHEMA_ERRORS = documented(401, 403, 422, 429, 503, 504)
EVENT = {
    "type": "object",
    "description": "A server-sent event; data is JSON: the run's id, a piece of the answer, or an error.",
    "properties": {"event": {"enum": ["metadata", "data", "error", "end"]}, "data": {"type": "string"}},
    "required": ["event"],
}


class Events(EventSourceResponse):
    """A stream that runs to its end during a shutdown too, because the server waits for all requests."""

    @staticmethod
    async def listen_for_exit_signal() -> None:
        """Wait forever."""
        await asyncio.Event().wait()


def add_chain(
    router: APIRouter,
    name: str,
    chain: Runnable[Any, Any],
    limits: Limits,
    queue: FairQueue,
    plain: PlainChain | None = None,
) -> None:
    """Add ``/NAME/invoke``, ``/batch``, ``/stream``, ``/input_schema`` and ``/output_schema``.

    ``/invoke`` answers by ``plain``, the chain's plain form, where there is one.

    ``/stream_log`` and ``/stream_events`` are left out: they show the whole prompt, with demonstrations of others.
    """
    handler = _handler(name, chain.with_config(max_concurrency=limits.batch_concurrency))
    options: dict[str, Any] = {"tags": [name]}

    async def batch(body: Any, request: Request, institution: str = CALLER) -> Response:
        """Answer several inputs."""
        configs = body.config if isinstance(body.config, list) else [body.config]
        if len(body.inputs) > limits.batch:
            raise HTTPException(413, f"a batch has {limits.batch} inputs at most, got {len(body.inputs)}")
        _prepare(request, institution, body.inputs, configs, queue)
        with queue.taking(caller_of(key_of(request)), len(body.inputs)):
            return await handler.batch(request)

    async def stream(body: Any, request: Request, institution: str = CALLER) -> Response:
        """Answer one input in pieces, as server-sent events."""
        _prepare(request, institution, [body.input], [body.config], queue)
        return await _streamed(request, await handler.stream(request))

    # The chain's own types exist only now, so no annotation can name them.
    invoke = _invoke_endpoint(handler, queue, plain)
    batch.__annotations__["body"] = handler.BatchRequest
    stream.__annotations__["body"] = handler.StreamRequest
    answers = {"invoke": (invoke, handler.InvokeResponse), "batch": (batch, handler.BatchResponse)}
    for ending, (endpoint, model) in answers.items():
        router.post(f"/{name}/{ending}", response_model=model, responses=REFUSALS, **options)(endpoint)
    streamed = {
        **REFUSALS,
        200: {"content": {"text/event-stream": {"schema": EVENT}}, "description": "The answer, in pieces."},
    }
    router.post(f"/{name}/stream", response_class=Events, responses=streamed, **options)(stream)
    _add_schemas(router, name, handler, ("input_schema", "output_schema"), CALLER, options)


def _invoke_endpoint(handler: APIHandler, queue: FairQueue, plain: PlainChain | None) -> Callable[..., Any]:
    async def invoke(body: Any, request: Request, institution: str = CALLER) -> Response:
        """Answer one input."""
        _prepare(request, institution, [body.input], [body.config], queue)
        if plain is None:
            return await handler.invoke(request)
        named = institution or _get(_get(body.config, "configurable"), INSTITUTION)
        return await plain.invoke(_fields(body.input), named, caller_of(key_of(request)))

    invoke.__annotations__["body"] = handler.InvokeRequest
    return invoke


def add_playground(router: APIRouter, name: str, chain: Runnable[Any, Any], queue: FairQueue) -> None:
    """Add ``/NAME/playground/`` for administrators, and the ``/stream_log`` that it needs, which shows the prompt."""
    handler = _handler(name, chain)

    async def stream_log(body: Any, request: Request, institution: str = ADMINISTRATOR) -> Response:
        """Answer one input, with all intermediate steps."""
        _prepare(request, institution, [body.input], [body.config], queue)
        return await _streamed(request, await handler.stream_log(request))

    async def playground(
        file_path: str, request: Request, config_hash: str = "", institution: str = ADMINISTRATOR
    ) -> Response:
        """Show LangServe's page for trying the chain."""
        page: Response = await handler.playground(file_path, request, config_hash=config_hash)
        return page

    async def input_schema(config_hash: str, request: Request, institution: str = ADMINISTRATOR) -> Any:
        """Give the chain's input schema under a configuration, for the page."""
        return await handler.input_schema(request, config_hash=config_hash)

    stream_log.__annotations__["body"] = handler.StreamLogRequest
    router.post(f"/{name}/stream_log")(stream_log)
    router.get(f"/{name}/c/{{config_hash}}/input_schema")(input_schema)
    for at in (f"/{name}/playground/{{file_path:path}}", f"/{name}/c/{{config_hash}}/playground/{{file_path:path}}"):
        router.get(at)(playground)
    _add_schemas(router, name, handler, ("input_schema", "output_schema", "config_schema"), ADMINISTRATOR, {})


def _add_schemas(
    router: APIRouter, name: str, handler: APIHandler, kinds: tuple[str, ...], caller: Any, options: dict[str, Any]
) -> None:
    for kind in kinds:
        description = f"The JSON schema of the chain's {kind.removesuffix('_schema')}."
        endpoint = _schema_of(getattr(handler, kind), caller)
        router.get(f"/{name}/{kind}", name=kind, description=description, responses=SCHEMA_ERRORS, **options)(endpoint)


def _schema_of(read: Callable[[Request], Awaitable[Any]], caller: Any) -> Callable[..., Awaitable[dict[str, Any]]]:
    async def schema(request: Request, institution: str = caller) -> dict[str, Any]:
        found: dict[str, Any] = await read(request)
        return found

    return schema


def _handler(name: str, chain: Runnable[Any, Any]) -> APIHandler:
    served = _with_own_types(name, _with_model_input(chain))
    return APIHandler(served, path=f"/{name}", config_keys=("configurable",), per_req_config_modifier=_with_institution)


def _with_own_types(name: str, chain: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """Name the models of plain types after the chain, because LangServe mistakes two models of one name."""
    models = {"input_type": chain.get_input_schema(), "output_type": chain.get_output_schema()}
    root: Any = RootModel
    own: dict[str, Any] = {
        kind: create_model(f"{name}_{kind[:-5]}", __base__=root[model.model_fields["root"].annotation])
        for kind, model in models.items()
        if issubclass(model, RootModel)
    }
    return chain.with_types(**own) if own else chain


def _with_model_input(chain: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """Turn the dict that LangServe passes back into the chain's input model, where its input is a Pydantic model."""
    model = chain.InputType
    if isclass(model) and issubclass(model, BaseModel) and not issubclass(model, CustomUserType):
        return (RunnableLambda(model.model_validate) | chain).with_types(input_type=model, output_type=chain.OutputType)
    return chain


def _with_institution(config: dict[str, Any], request: Request) -> dict[str, Any]:
    """Set the key's institution in the run's config, in place of any value from the client."""
    institution = request.state.institution
    if not institution:
        return config
    return {**config, "configurable": {**(config.get("configurable") or {}), INSTITUTION: institution}}


def _prepare(request: Request, institution: str, inputs: list[Any], configs: list[Any], queue: FairQueue) -> None:
    """Keep the key's institution and its place in the queue for the run.

    Raises HTTPException 403 where a body names another institution than the key's.
    """
    request.state.institution = institution
    IN_TURN.set(partial(queue.run, "ask", caller_of(key_of(request))))
    if not institution:
        return
    for one in inputs:
        check_institution(institution, _get(one, INSTITUTION))
    for one in configs:
        check_institution(institution, _get(_get(one, "configurable"), INSTITUTION))


def _get(thing: Any, name: str) -> Any:
    thing = getattr(thing, "root", thing)
    return (thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, "")) or ""


def _fields(given: Any) -> dict[str, Any]:
    """Fields of a chain's input, whatever model LangServe made of it."""
    bare = getattr(given, "root", given)
    return bare.model_dump() if isinstance(bare, BaseModel) else dict(bare)


async def _streamed(request: Request, answered: EventSourceResponse) -> Events:
    """Pass events on. An error before the first event becomes the answer; a later one becomes an error event."""
    events: Any = answered.body_iterator
    first = await anext(events, None)
    if first is not None and first.get("event") == "error":
        async for _ in events:  # LangServe raises the error itself
            pass
        raise HTTPException(500, "the stream failed")
    return Events(_sent(request, first, events))


async def _sent(
    request: Request, first: dict[str, Any] | None, events: AsyncIterator[dict[str, Any]]
) -> AsyncIterator[dict[str, Any]]:
    try:
        if first is not None:
            yield first
        async for event in events:
            if event.get("event") != "error":
                yield event
    except Exception as error:  # noqa: BLE001 - the client and the log get it
        status, reason = status_and_reason(error)
        request.state.failure = error
        yield {"event": "error", "data": json.dumps({"status_code": status, "message": reason})}

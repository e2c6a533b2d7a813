"""``metachain serve``: the settings, the app of each worker, and the process that runs the workers."""

import importlib
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from ipaddress import ip_address
from tempfile import TemporaryDirectory
from typing import Any

import uvicorn
from fastapi import FastAPI
from langchain_core.runnables import Runnable, RunnableLambda
from pydantic import BaseModel, Field, JsonValue, RootModel

from metachain.chains.classification import Classification, classification_chain
from metachain.chains.few_shot import ChatRunnable
from metachain.chains.models import load_model
from metachain.chains.server import create_app
from metachain.chains.service.connections import BoundedConnection
from metachain.chains.service.limits import Limits
from metachain.chains.service.logs import LOG_CONFIG
from metachain.chains.service.metrics import SHARED_FOLDER
from metachain.chains.service.retention import checked_age
from metachain.chains.service.tracing import refuse_traced_texts
from metachain.chains.structured_output import extraction_chain
from metachain.chains.summarization import SUMMARY_INSTRUCTIONS, summarization_chain
from metachain.data.demonstration import Demonstration
from metachain.deidentification.gate import Gate, gate_named
from metachain.errors import DataError, NotFoundError
from metachain.learning.artifacts import has_learned
from metachain.library.database.connect import without_password
from metachain.library.database.engine import Connections
from metachain.library.library import Library
from metachain.retrievers.library_example_selector import LibraryExampleSelector
from metachain.selection.learned_policies import load_policy

__all__ = ["Serving", "app", "run", "standard_chains"]

SETTINGS = "METACHAIN_SERVING"
"""Environment variable with the settings for the workers, as JSON."""
SWITCH_SECONDS = 0.001
"""Time after which a computing thread lets others compute; a request waits for it several times."""
GRACE = 5
"""Seconds that requests get beyond their time limit when the server ends."""


@dataclass(frozen=True)
class Serving:
    """Settings of ``metachain serve``, which can be written as JSON."""

    library: str
    model: str = "offline"
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    instructions: str = ""
    extract: str = ""
    """MODULE:CLASS of the Pydantic model of ``/extract``; empty for any JSON object."""
    chains: Sequence[str] = ()
    """Further chains, each NAME=MODULE:ATTRIBUTE: a Runnable, or a function from a library and a model to one."""
    purpose: str = ""
    deidentify: str = "redact"
    certificate: str = ""
    private_key: str = ""
    no_keys: bool = False
    """True to let everybody on this machine ask, for a library that never had a key."""
    plain_http: bool = False
    """True to serve other machines without TLS, for example behind a proxy that ends it."""
    allowed_hosts: Sequence[str] = ()
    """Host names to which requests may be addressed; any if empty."""
    keep_answers: str = ""
    """Age, such as ``90d``, from which on answers without feedback are deleted; empty to keep all."""
    trace_texts: bool = False
    """True to allow LangSmith's tracing, which sends whole prompts to another service."""
    limits: Limits = field(default_factory=Limits)
    connections: Connections = field(default_factory=Connections)


class AnyObject(RootModel[dict[str, JsonValue]]):
    """A JSON object."""


class Classified(BaseModel):
    """The label of a text."""

    label: str | None = Field(description="One of the institution's labels; null where the model's answer fits none.")
    answer: str = Field(description="The model's answer, word for word.")
    reason: str


def run(serving: Serving, tell: Callable[[str], object]) -> None:
    """Serve until a signal arrives; then answer the requests under way, and accept no more.

    ``tell`` gets each line for the person who started the server. Before it serves, it raises DataError, NotFoundError
    and others for a wrong library, model, chain or address, and DataError where it would be open without the option
    that says so: without keys, without TLS to other machines, or traced.
    """
    refuse_traced_texts(allowed=serving.trace_texts)
    _check_network(serving)
    checked_age(serving.keep_answers)
    _gate(serving)
    with Library.open(serving.library, create=False, purpose=serving.purpose) as library:
        if not has_learned(library):
            raise NotFoundError("the library holds no prior; make one with: metachain learn LIBRARY")
        _check_keys(serving, library)
        _chains(serving, library, LibraryExampleSelector(library))
    if serving.no_keys:
        tell("no key: everybody on this machine may ask for every institution (metachain key LIBRARY INSTITUTION)")
    scheme = "https" if serving.certificate else "http"
    host = f"[{serving.host}]" if ":" in serving.host else serving.host
    tell(f"serving {without_password(serving.library)} on {scheme}://{host}:{serving.port}")
    with ExitStack() as stack:
        if serving.workers > 1 and SHARED_FOLDER not in os.environ:
            os.environ[SHARED_FOLDER] = stack.enter_context(TemporaryDirectory(prefix="metachain-metrics-"))
        os.environ[SETTINGS] = json.dumps(asdict(serving))
        uvicorn.run(
            "metachain.chains.service.running:app",
            factory=True,
            host=serving.host,
            port=serving.port,
            workers=serving.workers,
            log_config=LOG_CONFIG,
            access_log=False,
            http=BoundedConnection,
            server_header=False,
            timeout_graceful_shutdown=int(serving.limits.seconds) + GRACE,
            ssl_certfile=serving.certificate or None,
            ssl_keyfile=serving.private_key or None,
        )


def app() -> FastAPI:
    """Make one worker's app from the settings in the environment."""
    sys.setswitchinterval(SWITCH_SECONDS)
    settings = json.loads(os.environ[SETTINGS])
    limits, connections = Limits(**settings["limits"]), Connections(**settings["connections"])
    serving = replace(Serving(**settings), limits=limits, connections=connections)
    library = Library.open(
        serving.library, create=False, purpose=serving.purpose, gate=_gate(serving), connections=serving.connections
    )
    selector = LibraryExampleSelector(library, policy=load_policy(library, serving.model))
    return create_app(
        library,
        _chains(serving, library, selector),
        selector,
        limits=serving.limits,
        unauthenticated=serving.no_keys and _is_loopback(serving.host),
        allowed_hosts=serving.allowed_hosts,
        trace_texts=serving.trace_texts,
        keep_answers=checked_age(serving.keep_answers),
    )


def _gate(serving: Serving) -> Gate | None:
    """Gate of new examples, with its recognisers loaded. Raises DataError where they are not installed."""
    gate = gate_named(serving.deidentify)
    if gate is not None:
        gate.passed(Demonstration("any", "any", "any"))
    return gate


def standard_chains(
    model: str | ChatRunnable,
    selector: LibraryExampleSelector,
    *,
    instructions: str = "",
    schema: type[BaseModel] = AnyObject,
) -> dict[str, Runnable[Any, Any]]:
    """Make ``classify``, ``summarize`` and ``extract`` for all institutions of a library."""
    classifying = classification_chain(model, selector, instructions=instructions)
    return {
        "classify": classifying | RunnableLambda(_classified, name="classified").with_types(output_type=Classified),
        "summarize": summarization_chain(model, selector, instructions or SUMMARY_INSTRUCTIONS),
        "extract": extraction_chain(model, selector, schema, instructions),
    }


def _classified(found: Classification) -> Classified:
    """Leave out the list of allowed labels, some of which are only other institutions'."""
    unfit = f"the model's answer is none of the {len(found.allowed)} allowed labels"
    reason = unfit if found.label is None and found.allowed else found.reason
    return Classified(label=found.label, answer=found.answer, reason=reason)


def _chains(serving: Serving, library: Library, selector: LibraryExampleSelector) -> Mapping[str, Runnable[Any, Any]]:
    model = load_model(serving.model)
    schema = _imported(serving.extract) if serving.extract else AnyObject
    chains = standard_chains(model, selector, instructions=serving.instructions, schema=schema)
    for given in serving.chains:
        name, equals, place = given.partition("=")
        if not equals:
            raise DataError(f"a chain must be NAME=MODULE:ATTRIBUTE, got {given!r}")
        found = _imported(place)
        chain = found if isinstance(found, Runnable) else found(library, model)
        if not isinstance(chain, Runnable):
            raise DataError(
                f"{place!r} must be a Runnable, or a function from a library and a model to one, got {type(chain)}"
            )
        chains[name] = chain
    return chains


def _imported(place: str) -> Any:
    """Import MODULE:ATTRIBUTE, also from the current folder."""
    module, colon, attribute = place.partition(":")
    if not colon:
        raise DataError(f"an attribute to import must be MODULE:ATTRIBUTE, got {place!r}")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise DataError(f"{place!r} can't be imported: {error}") from error


def _check_network(serving: Serving) -> None:
    """Raise DataError where other machines can connect without keys or without TLS, and nothing says so."""
    if _is_loopback(serving.host):
        return
    if serving.no_keys:
        raise DataError(f"--no-keys serves this machine alone, not {serving.host!r}: serve on 127.0.0.1, or with keys")
    if not serving.certificate and not serving.plain_http:
        raise DataError(
            f"on {serving.host!r} keys and texts would travel in the clear: give --certificate and --private-key, or "
            "--plain-http where a proxy ends TLS"
        )


def _check_keys(serving: Serving, library: Library) -> None:
    """Raise DataError where nobody could ask, or everybody could though the library has or had a key."""
    if serving.no_keys and library.keys.ever_made():
        raise DataError(
            "the library has or had keys, so it is served with keys alone: leave out --no-keys, and make a key if "
            "there is none (metachain key LIBRARY INSTITUTION)"
        )
    if not serving.no_keys and not library.keys.all():
        raise DataError(
            "the library has no key, so nobody could ask: make one (metachain key LIBRARY INSTITUTION)"
            + ("" if library.keys.ever_made() else ", or serve this machine alone without keys: --no-keys")
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

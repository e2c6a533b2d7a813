"""``metachain serve``: a server's settings, its app as each worker makes it, and the process that runs them."""

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
from metachain.chains.service.limits import Limits
from metachain.chains.service.logs import LOG_CONFIG
from metachain.chains.service.metrics import SHARED_FOLDER
from metachain.chains.structured_output import extraction_chain
from metachain.chains.summarization import SUMMARY_INSTRUCTIONS, summarization_chain
from metachain.deidentification.gate import gate_named
from metachain.errors import DataError, NotFoundError
from metachain.learning.artifacts import has_learned
from metachain.library.connect import without_password
from metachain.library.library import Library
from metachain.retrievers.library_example_selector import LibraryExampleSelector
from metachain.selection.learned_policies import load_policy

__all__ = ["Serving", "app", "run", "standard_chains"]

SETTINGS = "METACHAIN_SERVING"
"""The variable in which the process tells its workers what to serve."""
GRACE = 5
"""Seconds for requests that are still under way when their time is up."""


@dataclass(frozen=True)
class Serving:
    """What ``metachain serve`` was asked for, as JSON can say it."""

    library: str
    model: str = "offline"
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    instructions: str = ""
    extract: str = ""
    """MODULE:CLASS of the Pydantic model that ``/extract`` fills in; any JSON object where empty."""
    chains: Sequence[str] = ()
    """Further chains, each NAME=MODULE:ATTRIBUTE: a Runnable, or what makes one of a library and a model."""
    purpose: str = ""
    deidentify: str = "off"
    certificate: str = ""
    private_key: str = ""
    limits: Limits = field(default_factory=Limits)


class AnyObject(RootModel[dict[str, JsonValue]]):
    """A JSON object."""


class Classified(BaseModel):
    """The label of a text."""

    label: str | None = Field(description="One of the institution's labels; null where the model's answer is none.")
    answer: str = Field(description="What the model said, word for word.")
    reason: str


def run(serving: Serving, tell: Callable[[str], object]) -> None:
    """Serve until a signal ends it: then requests under way are answered, and no more are taken.

    ``tell`` is called with each line for the person who started the server. Raises DataError, NotFoundError and others
    before it begins where a library, a model, a chain or an address is not what it must be, and where anybody beyond
    this machine could ask though there is no key.
    """
    with Library.open(serving.library, create=False, purpose=serving.purpose) as library:
        if not has_learned(library):
            raise NotFoundError("the library holds no prior; make one with: metachain learn LIBRARY")
        keys = len(library.keys.all())
        _chains(serving, library, LibraryExampleSelector(library))
    if not keys and not _is_loopback(serving.host):
        raise DataError(
            f"the library has no key, so it is served to this machine alone, not on {serving.host!r}: make a key "
            "(metachain key LIBRARY INSTITUTION), or serve on 127.0.0.1"
        )
    if not keys:
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
            server_header=False,
            timeout_graceful_shutdown=int(serving.limits.seconds) + GRACE,
            ssl_certfile=serving.certificate or None,
            ssl_keyfile=serving.private_key or None,
        )


def app() -> FastAPI:
    """One worker's app, as the process above it was asked for."""
    told = json.loads(os.environ[SETTINGS])
    serving = replace(Serving(**told), limits=Limits(**told["limits"]))
    gate = gate_named(serving.deidentify)
    library = Library.open(serving.library, create=False, purpose=serving.purpose, gate=gate)
    selector = LibraryExampleSelector(library, policy=load_policy(library, serving.model))
    return create_app(
        library,
        _chains(serving, library, selector),
        selector,
        limits=serving.limits,
        unauthenticated=_is_loopback(serving.host),
    )


def standard_chains(
    model: str | ChatRunnable,
    selector: LibraryExampleSelector,
    *,
    instructions: str = "",
    schema: type[BaseModel] = AnyObject,
) -> dict[str, Runnable[Any, Any]]:
    """``classify``, ``summarize`` and ``extract`` for every institution of a library, each told the instructions."""
    classifying = classification_chain(model, selector, instructions=instructions)
    return {
        "classify": classifying | RunnableLambda(_classified, name="classified").with_types(output_type=Classified),
        "summarize": summarization_chain(model, selector, instructions or SUMMARY_INSTRUCTIONS),
        "extract": extraction_chain(model, selector, schema, instructions),
    }


def _classified(found: Classification) -> Classified:
    return Classified(label=found.label, answer=found.answer, reason=found.reason)


def _chains(serving: Serving, library: Library, selector: LibraryExampleSelector) -> Mapping[str, Runnable[Any, Any]]:
    model = load_model(serving.model)
    schema = _imported(serving.extract) if serving.extract else AnyObject
    chains = standard_chains(model, selector, instructions=serving.instructions, schema=schema)
    for said in serving.chains:
        name, equals, place = said.partition("=")
        if not equals:
            raise DataError(f"a chain is said as NAME=MODULE:ATTRIBUTE, got {said!r}")
        found = _imported(place)
        chain = found if isinstance(found, Runnable) else found(library, model)
        if not isinstance(chain, Runnable):
            raise DataError(f"{place!r} is no Runnable and makes none of a library and a model, but {type(chain)}")
        chains[name] = chain
    return chains


def _imported(place: str) -> Any:
    """What MODULE:ATTRIBUTE names, from the present folder too."""
    module, colon, attribute = place.partition(":")
    if not colon:
        raise DataError(f"say it as MODULE:ATTRIBUTE, got {place!r}")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise DataError(f"{place!r} can't be imported: {error}") from error


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

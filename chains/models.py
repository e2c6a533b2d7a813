"""Chat models by name: the offline reader, a local file, or any model that LangChain has a client for."""

import os
from importlib.util import find_spec
from typing import Any

from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel

from metachain.chains.local.chat_model import LocalChatModel
from metachain.chains.local.offline import OfflineChatModel
from metachain.errors import DataError

__all__ = ["load_model"]

EXTRAS = {
    "anthropic": ("langchain_anthropic", "anthropic"),
    "google_anthropic_vertex": ("langchain_google_vertexai", "anthropic-vertex"),
    "google_genai": ("langchain_google_genai", "vertex"),
    "ollama": ("langchain_ollama", "ollama"),
    "openai": ("langchain_openai", "openai"),
}
"""Each provider's package and the extra that installs it."""
INSTALL = "pip install 'metachain[{}]'"
VERTEX_PLACE = {"project": "GOOGLE_CLOUD_PROJECT", "location": "GOOGLE_CLOUD_LOCATION"}
EXAMPLES = "'anthropic:claude-haiku-4-5', 'openai:gpt-4o-mini' or 'ollama:llama3'"


def load_model(spec: str | BaseChatModel, **kwargs: Any) -> BaseChatModel:
    """Make a chat model from ``"offline"`` or ``"provider:name"``; a model object is returned as it is.

    ``"local"`` and ``"local:PATH.gguf"`` are language models in this process. ``kwargs`` go to the provider's class
    (``temperature``, ``max_retries``, ``base_url``, …). The provider is always explicit, because LangChain's releases
    resolve a bare name differently. ``vertex:gemini-…`` and ``vertex:claude-…`` are models of Vertex AI; ``project``
    and ``location`` default to ``GOOGLE_CLOUD_PROJECT`` and ``GOOGLE_CLOUD_LOCATION``. Raises DataError for anything
    else, for an unknown provider, for a provider without its package installed, and for Vertex AI without a project.
    """
    if isinstance(spec, BaseChatModel):
        if kwargs:
            raise DataError(f"{', '.join(map(repr, kwargs))} can't be applied to a model object; set it when making it")
        return spec
    if not isinstance(spec, str):
        raise DataError(f"'model' must be a text such as {EXAMPLES}, or a chat model, got {type(spec).__name__}")
    if spec == "offline":
        return OfflineChatModel(**kwargs)
    provider, colon, name = spec.partition(":")
    if provider == "local":
        return LocalChatModel(**{"path": name or None, **kwargs})
    if not (colon and provider.strip() and name.strip()):
        raise DataError(
            f"{spec!r} doesn't say who serves the model: write provider:name, such as {EXAMPLES}, or 'offline', 'local'"
        )
    return _from_provider(provider.strip().lower().replace("-", "_"), name.strip(), kwargs)


def _from_provider(provider: str, name: str, kwargs: dict[str, Any]) -> BaseChatModel:
    if provider == "vertex":
        provider = "google_anthropic_vertex" if name.startswith("claude") else "google_genai"
        kwargs = {**kwargs, "vertexai": True} if provider == "google_genai" else kwargs
    spec = f"{provider}:{name}"
    package, extra = EXTRAS.get(provider, (None, ""))
    # Checked here, because without the package LangChain would use Ollama's old class in langchain-community.
    if package is not None and find_spec(package) is None:
        raise DataError(f"{spec!r} needs a package that is not installed: {INSTALL.format(extra)}")
    if provider == "google_anthropic_vertex" or (provider == "google_genai" and kwargs.get("vertexai")):
        kwargs = _placed(spec, kwargs)
    if provider == "ollama" and "max_retries" in kwargs:
        kwargs = _retried(kwargs)
    try:
        model: BaseChatModel = init_chat_model(name, model_provider=provider, **kwargs)
    except ImportError as error:
        install = f" {INSTALL.format(extra)}" if extra else ""
        raise DataError(f"{spec!r} needs a package that is not installed. {error}{install}") from error
    except ValueError as error:
        if not str(error).startswith("Unsupported provider"):
            raise
        known = str(error).rpartition("are: ")[2]
        raise DataError(
            f"no provider is called {provider!r}; 'offline', 'local', 'vertex' and these are known: {known}"
        ) from None
    return model


def _placed(spec: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Add Vertex AI's project and location from the environment where the arguments have none."""
    found = {key: os.environ[variable] for key, variable in VERTEX_PLACE.items() if os.environ.get(variable)}
    placed = {**found, **kwargs}
    if not placed.get("project") and not placed.get("api_key"):
        raise DataError(
            f"{spec!r} on Vertex AI needs a project: give project='…' and location='…', "
            "or set GOOGLE_CLOUD_PROJECT and GOOGLE_CLOUD_LOCATION"
        )
    return kwargs if placed.get("api_key") else placed


def _retried(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Move ``max_retries``, which Ollama's client lacks, from the arguments into its HTTP transport."""
    from metachain.chains.retries import AsyncRetryTransport, RetryTransport, checked_retries  # noqa: PLC0415

    rest = dict(kwargs)
    retries = checked_retries(rest.pop("max_retries"))
    if not retries:
        return rest
    sync = {"transport": RetryTransport(retries), **(rest.pop("sync_client_kwargs", None) or {})}
    asynchronous = {"transport": AsyncRetryTransport(retries), **(rest.pop("async_client_kwargs", None) or {})}
    return {**rest, "sync_client_kwargs": sync, "async_client_kwargs": asynchronous}

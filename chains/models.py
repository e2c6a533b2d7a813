"""Which chat model answers: the offline reader, or any that LangChain has a client for."""

from importlib.util import find_spec
from typing import Any

from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel

from metachain.chains.offline import OfflineChatModel
from metachain.errors import DataError

__all__ = ["load_model"]

EXAMPLES = "'anthropic:claude-sonnet-4-5', 'openai:gpt-4o-mini' or 'ollama:llama3'"


def load_model(spec: str | BaseChatModel, **kwargs: Any) -> BaseChatModel:
    """Make a chat model from ``"offline"`` or ``"provider:name"``; a model object is given back as it is.

    ``kwargs`` go to the provider's class (``temperature``, ``max_retries``, ``base_url``, …). The provider is always
    explicit, as what a bare name stands for changes between LangChain's releases. Raises DataError for anything else,
    for an unknown provider and for a provider whose package is not installed.
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
    if not (colon and provider.strip() and name.strip()):
        raise DataError(
            f"{spec!r} doesn't say who serves the model: write provider:name, such as {EXAMPLES}, or 'offline'"
        )
    return _from_provider(provider.strip().lower().replace("-", "_"), name.strip(), kwargs)


def _from_provider(provider: str, name: str, kwargs: dict[str, Any]) -> BaseChatModel:
    if provider == "ollama" and find_spec("langchain_ollama") is None:
        # LangChain would fall back to the class in langchain-community, which is in sunset.
        raise DataError(f"'{provider}:{name}' needs a package that is not installed: pip install langchain-ollama")
    try:
        model: BaseChatModel = init_chat_model(name, model_provider=provider, **kwargs)
    except ImportError as error:
        raise DataError(f"'{provider}:{name}' needs a package that is not installed. {error}") from error
    except ValueError as error:
        if not str(error).startswith("Unsupported provider"):
            raise
        known = str(error).rpartition("are: ")[2]
        raise DataError(f"no provider is called {provider!r}; 'offline' and these are known: {known}") from None
    return model

"""The five provider clients, each pointed at a server of its protocol on loopback."""

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest
from anthropic_wire import AnthropicWire
from gemini_wire import GeminiWire
from langchain_core.language_models import BaseChatModel
from loopback import Loopback, Wire
from ollama_wire import OllamaWire
from openai_wire import OpenAIWire

from metachain.chains import load_model

__all__ = ["CASES", "CLIENTS_OWN", "Case", "collected", "each_client"]

CLIENTS_OWN = (
    "ignore:Inheritance class AiohttpClientSession:DeprecationWarning",
    "ignore:unclosed:ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)
"""Warnings of the clients' own code, and of connections that they leave to the garbage collector."""


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Collect a test's clients within the test, so that their open connections don't warn in a later one."""
    yield
    gc.collect()


@dataclass(frozen=True)
class Case:
    """One client, with its names for common arguments."""

    spec: str
    package: str
    wire: Callable[[], Wire]
    base: str = ""
    """End of its base URL."""
    limit: str = "max_tokens"
    cut_reason: tuple[str, str] = ("finish_reason", "length")

    def make(self, server: Loopback, *, timeout: float = 20, limit: int | None = None, **kwargs: Any) -> BaseChatModel:
        """Make the real client's model with ``load_model``."""
        spelled: dict[str, Any] = {"base_url": server.url + self.base, "max_retries": 0, **kwargs}
        if self.spec.startswith("ollama"):
            spelled["client_kwargs"] = {"timeout": timeout}
        else:
            spelled["timeout"] = timeout
        if self.spec.startswith("vertex"):
            credentials = import_module("google.oauth2.credentials").Credentials(token="token")
            spelled |= {"project": "hospital", "location": "us-central1", "credentials": credentials}
        elif not self.spec.startswith("ollama"):
            spelled["api_key"] = "key"
        if limit is not None:
            spelled[self.limit] = limit
        return load_model(self.spec, **spelled)


CASES = {
    "anthropic": Case(
        "anthropic:claude-haiku-4-5",
        "langchain_anthropic",
        AnthropicWire,
        cut_reason=("stop_reason", "max_tokens"),
    ),
    "ollama": Case(
        "ollama:llama3", "langchain_ollama", OllamaWire, limit="num_predict", cut_reason=("done_reason", "length")
    ),
    "openai": Case("openai:gpt-4o-mini", "langchain_openai", OpenAIWire, base="/v1"),
    "vertex-gemini": Case(
        "vertex:gemini-2.5-flash",
        "langchain_google_genai",
        GeminiWire,
        limit="max_output_tokens",
        cut_reason=("finish_reason", "MAX_TOKENS"),
    ),
    "vertex-claude": Case(
        "vertex:claude-haiku-4-5",
        "langchain_google_vertexai",
        AnthropicWire,
        base="/v1",
        limit="max_output_tokens",
        cut_reason=("stop_reason", "max_tokens"),
    ),
}


def each_client(*names: str) -> pytest.MarkDecorator:
    """Run a test with every installed client (or those named); missing ones are skipped with a reason."""
    return pytest.mark.parametrize(
        "case",
        [
            pytest.param(
                CASES[name],
                id=name,
                marks=pytest.mark.skipif(
                    find_spec(CASES[name].package) is None, reason=f"{CASES[name].package} is not installed"
                ),
            )
            for name in names or CASES
        ],
    )

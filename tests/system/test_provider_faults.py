"""What comes out of the providers' real clients where the server fails, and what their retries mend."""

import asyncio
import time
from typing import Any

import httpx
import pytest
from langchain_core.language_models import BaseChatModel
from loopback import FAULTS, serving
from provider_cases import CASES, CLIENTS_OWN, Case, collected, each_client  # noqa: F401
from provider_prompt import PROMPT

from metachain.chains import load_model
from metachain.errors import DataError

pytestmark = pytest.mark.filterwarnings(*CLIENTS_OWN)

ERRORS = {
    "anthropic": {
        "429": {"AnthropicRateLimitError"},
        "500": {"AnthropicAPIError"},
        "sleep": {"AnthropicTimeoutError"},
        "reset": {"AnthropicConnectionError"},
        "garbage": {"JSONDecodeError"},
    },
    "ollama": {
        "429": {"ResponseError"},
        "500": {"ResponseError"},
        "sleep": {"ReadTimeout"},
        "reset": {"ReadError"},
        "garbage": {"JSONDecodeError"},
    },
    "openai": {
        "429": {"OpenAIRateLimitError"},
        "500": {"OpenAIAPIError"},
        "sleep": {"OpenAITimeoutError"},
        "reset": {"OpenAIConnectionError"},
        "garbage": {"JSONDecodeError"},
    },
    "vertex-claude": {
        "429": {"RateLimitError"},
        "500": {"InternalServerError"},
        "sleep": {"APITimeoutError"},
        "reset": {"APIConnectionError"},
        "garbage": {"JSONDecodeError"},
    },
    "vertex-gemini": {
        "429": {"GoogleRateLimitError"},
        "500": {"GoogleAPIError"},
        "sleep": {"ReadTimeout", "TimeoutError"},
        "reset": {"ReadError", "ClientOSError"},
        "garbage": {"JSONDecodeError", "UnknownApiResponseError"},
    },
}
"""The classes that docs/providers.md names, for invoke and stream and then for ainvoke where that differs."""


async def ask(model: BaseChatModel, way: str) -> None:
    """Call a model in one of three ways."""
    if way == "invoke":
        model.invoke(PROMPT)
    elif way == "stream":
        list(model.stream(PROMPT))
    else:
        await model.ainvoke(PROMPT)


async def raised(model: BaseChatModel, way: str) -> Exception:
    """The error of a call that fails."""
    with pytest.raises(Exception) as caught:  # noqa: PT011
        await ask(model, way)
    return caught.value


@pytest.mark.parametrize("fault", FAULTS)
@each_client(*ERRORS)
async def test_a_failure_has_its_error(case: Case, fault: str) -> None:
    """Each failure comes out as the class in the table of docs/providers.md, after one request without retries."""
    (name,) = (name for name, one in CASES.items() if one is case)
    with serving(case.wire()) as server:
        server.faults[:] = [f"{fault}!"]
        model = case.make(server, timeout=0.3)
        found = {type(await raised(model, way)).__name__ for way in ("invoke", "stream", "ainvoke")}
        assert found == ERRORS[name][fault]
        assert len(server.received) == 3


@pytest.mark.parametrize("fault", ["429", "500", "sleep", "reset"])
@each_client(*ERRORS)
async def test_a_failure_is_retried(case: Case, fault: str) -> None:
    """With retries the answer comes after one failure, sync and async; after 429 not before the server asked.

    Of google-genai, neither a reset nor an asynchronous time-out is sent again.
    """
    if fault == "reset" and case.spec.startswith("vertex:gemini"):
        pytest.skip("google-genai doesn't send a request again after a reset")
    with serving(case.wire()) as server:
        model = case.make(server, timeout=0.4 if fault == "sleep" else 20, max_retries=2)
        server.faults[:] = [fault]
        started = time.monotonic()
        assert model.invoke(PROMPT).text == "code 0611"
        assert fault != "429" or time.monotonic() - started >= 1
        twice = fault != "429" and not (fault == "sleep" and case.spec.startswith("vertex:gemini"))
        if twice:
            server.faults[:] = [fault]
            assert (await model.ainvoke(PROMPT)).text == "code 0611"
        assert len(server.received) == (4 if twice else 2)


@each_client("ollama")
async def test_ollama_gives_up_after_its_retries(case: Case) -> None:
    """A server that stays down is asked once and once more a retry; then its own error comes out."""
    with serving(case.wire()) as server:
        server.faults[:] = ["500!"]
        model = case.make(server, max_retries=1)
        for way in ("invoke", "stream", "ainvoke"):
            assert "as the test asked (status code: 500)" in str(await raised(model, way))
        assert len(server.received) == 6


@each_client("ollama")
@pytest.mark.parametrize("retries", [-1, 1.5, True, None, "2"])
def test_bad_retries_are_refused(case: Case, retries: Any) -> None:
    """What is no number of retries is a DataError."""
    with pytest.raises(DataError, match="'max_retries' must be a whole number"):
        load_model(case.spec, max_retries=retries)


@each_client("anthropic", "ollama", "openai")
def test_one_model_belongs_to_one_event_loop(case: Case) -> None:
    """The clients keep connections open for the loop that made them: the next loop's first call fails."""
    with serving(case.wire()) as server:
        model = case.make(server)
        asyncio.run(model.ainvoke(PROMPT))
        with pytest.raises(Exception) as caught:  # noqa: PT011
            asyncio.run(model.ainvoke(PROMPT))
        assert {type(caught.value).__name__} <= {"RuntimeError", "AnthropicConnectionError"}
        assert asyncio.run(case.make(server).ainvoke(PROMPT)).text == "code 0611"


@each_client("vertex-gemini")
def test_gemini_may_be_used_in_many_event_loops(case: Case) -> None:
    """Its client makes its session anew."""
    with serving(case.wire()) as server:
        model = case.make(server)
        assert [asyncio.run(model.ainvoke(PROMPT)).text for _ in range(3)] == ["code 0611"] * 3


@each_client("ollama", "openai")
def test_without_kept_connections_it_may_be_used_in_many(case: Case) -> None:
    """The remedy of docs/providers.md."""
    limits = httpx.Limits(max_keepalive_connections=0)
    with serving(case.wire()) as server:
        if case.spec.startswith("ollama"):
            model = case.make(server, async_client_kwargs={"limits": limits})
        else:
            model = case.make(server, http_async_client=httpx.AsyncClient(limits=limits))
        assert [asyncio.run(model.ainvoke(PROMPT)).text for _ in range(3)] == ["code 0611"] * 3

"""A chat model whose calls are sent by the workers of a Dask cluster, each with a client of its own."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, message_to_dict, messages_from_dict
from langchain_core.outputs import ChatGeneration, ChatResult

from metachain.chains.api_failures import is_passing, retry_after, status_of
from metachain.chains.call_budget import LIMITS
from metachain.chains.models import load_model
from metachain.errors import DataError, MetachainError
from metachain.workers import DaskWorkers, Workers

__all__ = ["DaskChatModel", "model_at"]


class DaskChatModel(BaseChatModel):
    """Asks the model that ``load_model(spec, **settings)`` makes in a worker, where a call is sent at most once.

    For a ``ModelCaller``, which holds to its budget and keeps each answer as it would in one process: a call counts
    before it is sent, and one that is lost with its worker counts as one that lost its connection. The spec, the
    settings, the prompt and the answer travel; keys don't unless they are among the settings: each worker's client
    finds its own in the worker's environment. Made by ``model_at``.
    """

    spec: str
    settings: dict[str, Any]
    workers: Any
    """``DaskWorkers``."""
    here: BaseChatModel
    """The same model in this process, which is never asked."""
    max_tokens: int | None = None
    n: int | None = None

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        told = [message_to_dict(one) for one in messages]
        found = await self.workers.once(_asked, self.spec, self.settings, told, {"stop": stop, **kwargs})
        if "failed" in found:
            raise _error_of(**found["failed"])
        (message,) = messages_from_dict([found])
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise DataError("a DaskChatModel is asked asynchronously alone: give it to a ModelCaller, or use ainvoke")

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        """What LangChain's cache knows the model by: the same as in one process."""
        return self.here._get_llm_string(stop, **kwargs)

    @property
    def _llm_type(self) -> str:
        return self.here._llm_type


class FailedElsewhereError(Exception):
    """What a client raised in a worker, with what ``failures`` reads of it."""

    def __init__(self, told: str, status: int | None, seconds: float | None) -> None:
        super().__init__(told)
        self.status_code = status
        self.response = SimpleNamespace(headers={} if seconds is None else {"retry-after": str(seconds)})


def model_at(workers: Workers, spec: str, settings: Mapping[str, Any]) -> BaseChatModel:
    """``load_model(spec, **settings)``, asked from the workers where they are Dask's; raises what it raises."""
    here = load_model(spec, **settings)
    if not isinstance(workers, DaskWorkers):
        return here
    limit = next((found for name in LIMITS if (found := getattr(here, name, None))), None)
    return DaskChatModel(
        spec=spec,
        settings=dict(settings),
        workers=workers,
        here=here,
        max_tokens=limit,
        n=getattr(here, "n", None),
        cache=here.cache,
    )


def _asked(spec: str, settings: Mapping[str, Any], told: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Ask once, in a worker; what the client raises is told in words, as not every client's errors can be sent."""
    model = _made(spec, tuple(sorted(settings.items())))
    try:
        return message_to_dict(model.invoke(messages_from_dict(list(told)), **kwargs))
    except MetachainError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a client raises
        failed = {
            "told": f"{type(error).__name__}: {error}",
            "status": status_of(error),
            "seconds": retry_after(error),
            "passing": is_passing(error),
        }
        return {"failed": failed}


@lru_cache(8)
def _made(spec: str, settings: tuple[tuple[str, Any], ...]) -> BaseChatModel:
    """A worker's client, made once."""
    return load_model(spec, **dict(settings))


def _error_of(told: str, status: int | None, seconds: float | None, *, passing: bool) -> Exception:
    if status is None and passing:
        return ConnectionError(told)
    return FailedElsewhereError(told, status, seconds)

"""A chat model that the workers of a Dask cluster call; each worker has a client of its own."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, message_to_dict, messages_from_dict
from langchain_core.outputs import ChatGeneration, ChatResult

from metachain.chains.api_failures import is_transient, retry_after, status_of
from metachain.chains.call_budget import LIMITS
from metachain.chains.models import load_model
from metachain.errors import DataError, MetachainError
from metachain.workers import DaskWorkers, Workers

__all__ = ["DaskChatModel", "model_at"]


class DaskChatModel(BaseChatModel):
    """Calls the model ``load_model(spec, **settings)`` in a worker; each call is sent at most once.

    A ``ModelCaller`` keeps to its budget, and keeps each answer, as in one process: a call counts before it is sent,
    and a call that is lost with its worker counts as a lost connection. The spec, the settings, the prompt and the
    answer are sent over the network. API keys are not, unless they are among the settings: each worker's client reads
    its key from the worker's environment. ``model_at`` makes this model.
    """

    spec: str
    settings: dict[str, Any]
    workers: Any
    here: BaseChatModel
    """The same model in this process; it gives names and settings, and is never called."""
    max_tokens: int | None = None
    n: int | None = None

    async def _agenerate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, *_: Any, **kwargs: Any
    ) -> ChatResult:
        sent = [message_to_dict(one) for one in messages]
        found = await self.workers.once(_call, self.spec, self.settings, sent, {"stop": stop, **kwargs})
        if "failed" in found:
            raise _error_of(**found["failed"])
        (message,) = messages_from_dict([found])
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        raise DataError("a DaskChatModel has asynchronous calls only; give it to a ModelCaller, or use ainvoke")

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        return self.here._get_llm_string(stop, **kwargs)

    @property
    def _llm_type(self) -> str:
        return self.here._llm_type


class FailedElsewhereError(Exception):
    """Error of a client in a worker, with the attributes that ``api_failures`` reads."""

    def __init__(self, message: str, status: int | None, seconds: float | None) -> None:
        super().__init__(message)
        self.status_code = status
        self.response = SimpleNamespace(headers={} if seconds is None else {"retry-after": str(seconds)})


def model_at(workers: Workers, spec: str, settings: Mapping[str, Any]) -> BaseChatModel:
    """Make ``load_model(spec, **settings)``; Dask's workers call it. Raises the errors of ``load_model``."""
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


def _call(spec: str, settings: Mapping[str, Any], sent: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Call the model once, in a worker. An error is returned in words, because not all errors can be pickled."""
    model = _model(spec, tuple(sorted(settings.items())))
    try:
        return message_to_dict(model.invoke(messages_from_dict(list(sent)), **kwargs))
    except MetachainError:
        raise
    except Exception as error:  # noqa: BLE001 - each client has errors of its own
        failed = {"message": f"{type(error).__name__}: {error}", "status": status_of(error)}
        return {"failed": {**failed, "seconds": retry_after(error), "transient": is_transient(error)}}


@lru_cache(8)
def _model(spec: str, settings: tuple[tuple[str, Any], ...]) -> BaseChatModel:
    return load_model(spec, **dict(settings))


def _error_of(message: str, status: int | None, seconds: float | None, *, transient: bool) -> Exception:
    if status is None and transient:
        return ConnectionError(message)
    return FailedElsewhereError(message, status, seconds)

"""Completes a selection's entry in the audit with the model's name and its tokens."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from threading import Lock
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from metachain.failures import facts_of
from metachain.library.audit import Audit

__all__ = ["AuditCallback", "audit_callbacks", "complete_entry", "demonstration_tokens", "messages_of_result"]
__all__ += ["model_name", "total_usage", "usage_of"]

logger = logging.getLogger(__name__)
TOKENS = "input_tokens", "output_tokens"


class AuditCallback(BaseCallbackHandler):
    """Updates the audit entry of one selection after each model call that shows it."""

    def __init__(self, audit: Audit, selection_id: str, demonstration_tokens: int) -> None:
        self._audit, self._id, self._tokens = audit, selection_id, demonstration_tokens
        self._models: dict[UUID, str] = {}
        self._used: dict[str, int] = {}
        self._lock = Lock()

    def on_chat_model_start(self, *args: Any, run_id: UUID, **kwargs: Any) -> None:
        """Note the model's name."""
        self._models[run_id] = model_name(kwargs.get("metadata") or {})

    on_llm_start = on_chat_model_start

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """Add the model's name, and the tokens of all answers so far."""
        self._complete(run_id, usage_of(messages_of_result(response)))

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Add the model's name: it was sent the demonstrations, although it gave no answer."""
        self._complete(run_id, {})

    def _complete(self, run_id: UUID, used: Mapping[str, int]) -> None:
        with self._lock:
            for name, tokens in used.items():
                self._used[name] = self._used.get(name, 0) + tokens
            known = dict(self._used)
        model = self._models.pop(run_id, None)
        complete_entry(self._audit, self._id, model=model, demonstration_tokens=self._tokens, **known)


def audit_callbacks(audit: Audit | None, shown: Mapping[str, Any]) -> list[BaseCallbackHandler]:
    """Callbacks for a model that is sent a ``Shown``; none without an audit or without a selection id."""
    id = shown.get("selection_id")
    if audit is None or not audit.recording or id is None:
        return []
    return [AuditCallback(audit, id, demonstration_tokens(shown)["demonstration_tokens"])]


def demonstration_tokens(shown: Mapping[str, Any]) -> dict[str, int]:
    """Tokens of all demonstrations of a ``Shown``, as a fact of the audit."""
    return {"demonstration_tokens": sum(one["tokens"] for one in shown["demonstrations"])}


def complete_entry(audit: Audit, selection_id: str, **known: Any) -> None:
    """Add facts to the audit entry of a selection. A failure is logged, with ids only, and the answer is kept."""
    try:
        audit.complete(selection_id, **known)
    except Exception as error:  # noqa: BLE001 - the answer must not be lost
        kind = type(error).__name__
        logger.warning("the audit's entry %s was not completed: %s", selection_id, kind, extra=facts_of(error))


def usage_of(messages: Sequence[BaseMessage]) -> dict[str, int]:
    """Total tokens of messages, as ``input_tokens`` and ``output_tokens``; empty where no message reports them."""
    return total_usage(one.usage_metadata for one in messages if isinstance(one, AIMessage))


def total_usage(usages: Iterable[Mapping[str, Any] | None]) -> dict[str, int]:
    """Total ``input_tokens`` and ``output_tokens`` of some calls; empty where no call reports them."""
    reported = [one for one in usages if one]
    return {name: sum(one.get(name, 0) for one in reported) for name in TOKENS if reported}


def messages_of_result(result: LLMResult) -> list[BaseMessage]:
    """Messages of all chat generations."""
    return [one.message for some in result.generations for one in some if isinstance(one, ChatGeneration)]


def model_name(metadata: Mapping[str, Any]) -> str:
    """Provider and name of a model, from the metadata that LangChain gives to tracers."""
    return f"{metadata.get('ls_provider', 'unknown')}:{metadata.get('ls_model_name', 'unnamed')}"

"""Completes a selection's entry in the audit with what is known once a model was asked: its name, and tokens."""

import logging
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from metachain.library.audit import Audit

__all__ = ["AuditCallback", "audit_callbacks", "model_name", "tell", "usage_of"]

logger = logging.getLogger(__name__)


class AuditCallback(BaseCallbackHandler):
    """Watches the calls of models that one selection is shown in, and tells the audit after each of them."""

    def __init__(self, audit: Audit, selection_id: str, demonstration_tokens: int) -> None:
        self._audit = audit
        self._id = selection_id
        self._tokens = demonstration_tokens
        self._models: dict[UUID, str] = {}
        self._used: dict[str, int] = {}
        self._adding = Lock()

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Note which model is asked."""
        self._models[run_id] = model_name(metadata or {})

    def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],
        *,
        run_id: UUID,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Note which model is asked, of those that aren't chat models."""
        self._models[run_id] = model_name(metadata or {})

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """Tell which model answered, and the tokens of all answers so far."""
        generated = [one for some in response.generations for one in some if isinstance(one, ChatGeneration)]
        self._tell(run_id, usage_of([one.message for one in generated]))

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Tell which model was asked: what it was sent it has seen, whether or not it answered."""
        self._tell(run_id, {})

    def _tell(self, run_id: UUID, used: Mapping[str, int]) -> None:
        with self._adding:
            for name, tokens in used.items():
                self._used[name] = self._used.get(name, 0) + tokens
            known = dict(self._used)
        model = self._models.pop(run_id, None)
        tell(self._audit, self._id, model=model, demonstration_tokens=self._tokens, **known)


def audit_callbacks(audit: Audit | None, shown: Mapping[str, Any]) -> list[BaseCallbackHandler]:
    """Callbacks for the models that are sent a ``Shown``: none where another selector has chosen, or none records."""
    id = shown.get("selection_id")
    if audit is None or not audit.recording or id is None:
        return []
    return [AuditCallback(audit, id, sum(one["tokens"] for one in shown["demonstrations"]))]


def tell(audit: Audit, selection_id: str, **known: Any) -> None:
    """Tell the audit what became known; what can't be stored is logged, with ids only, and costs no answer."""
    try:
        audit.complete(selection_id, **known)
    except Exception as error:  # noqa: BLE001 - the answer is there, whatever is wrong with the library
        logger.warning("the audit's entry %s was not completed: %s", selection_id, type(error).__name__)


def usage_of(messages: Sequence[BaseMessage]) -> dict[str, int]:
    """Tokens by the names that the audit has for them, in all; nothing where no message says how many."""
    reported = [one.usage_metadata for one in messages if isinstance(one, AIMessage) and one.usage_metadata]
    if not reported:
        return {}
    read = sum(one.get("input_tokens", 0) for one in reported)
    return {"input_tokens": read, "output_tokens": sum(one.get("output_tokens", 0) for one in reported)}


def model_name(told: Mapping[str, Any]) -> str:
    """The provider and name of a model, from what LangChain tells tracers of it."""
    return f"{told.get('ls_provider', 'unknown')}:{told.get('ls_model_name', 'unnamed')}"

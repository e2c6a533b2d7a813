"""The token budget of a prompt, and the count of its tokens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseLanguageModel
from langchain_core.messages import BaseMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.runnables import Runnable
from langchain_core.runnables.base import RunnableBindingBase

from metachain.chains.local.chat_model import LocalChatModel
from metachain.chains.local.offline import OfflineChatModel
from metachain.errors import DataError

__all__ = ["PromptBudget", "prompt_budget"]

CountText = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class PromptBudget:
    """Maximum number of tokens of a prompt, and the function that counts them."""

    tokens: int | None = None
    """Maximum number of tokens; None for no limit."""
    count_text: CountText | None = None
    """Counts the tokens of one message's text; None for LangChain's approximation for the whole message."""

    def count(self, messages: Sequence[BaseMessage]) -> int:
        """Count the tokens of messages. Raises DataError where ``count_text`` gives anything but a whole number."""
        return sum(self._count(message) for message in messages)

    def room(self, messages: Sequence[BaseMessage]) -> int | None:
        """Count the tokens left beside instructions and query; None without a limit. Raises DataError below 0."""
        if self.tokens is None:
            return None
        needed = self.count(messages)
        if needed > self.tokens:
            raise DataError(
                f"the instructions and the query alone need {needed} tokens, but the prompt may hold "
                f"{self.tokens}: raise 'max_prompt_tokens' to {needed} or more, or shorten them"
            )
        return self.tokens - needed

    def _count(self, message: BaseMessage) -> int:
        text = str(message.text)
        if self.count_text is not None and not text:
            return 0
        found = 0 if self.count_text is None else self.count_text(text)
        if not isinstance(found, int) or isinstance(found, bool) or found < 0:
            raise DataError(f"'count_tokens' must give a whole number of tokens, 0 or more, got {found!r}")
        # A tokenizer that could not be loaded finds 0 tokens in any text.
        return found or count_tokens_approximately([message])


def prompt_budget(
    model: Runnable[Any, Any], max_prompt_tokens: int | float | None, count_tokens: CountText | None = None
) -> PromptBudget:
    """Make a budget of a number of tokens, or of a share of the model's context window (a float in (0, 1]).

    With None there is no limit, but tokens are counted for traces. ``count_tokens`` counts the tokens of a text. The
    default is the model's own tokenizer where it needs no network (``custom_get_token_ids``, the offline reader, a
    local model), and otherwise LangChain's approximation. Raises DataError for anything else, and for a share where
    LangChain doesn't know the context window.
    """
    if count_tokens is not None and not callable(count_tokens):
        raise DataError(f"'count_tokens' must be a function from a text to a number, got {count_tokens!r}")
    while isinstance(model, RunnableBindingBase):  # with retries, or with arguments bound
        model = model.bound
    tokens = None if max_prompt_tokens is None else _tokens(model, max_prompt_tokens)
    return PromptBudget(tokens, count_tokens or _local_count(model))


def _tokens(model: Runnable[Any, Any], wanted: int | float) -> int:
    if isinstance(wanted, int) and not isinstance(wanted, bool) and wanted >= 1:
        return wanted
    if not isinstance(wanted, float) or not 0 < wanted <= 1:
        raise DataError(
            "'max_prompt_tokens' must be a whole number of tokens, 1 or more, or a share of the context window, "
            f"a float over 0 and up to 1.0, got {wanted!r}"
        )
    window = (
        getattr(model, "num_ctx", None)  # an Ollama server's setting, which may be below the model's own limit
        or (getattr(model, "profile", None) or {}).get("max_input_tokens")
        or getattr(model, "max_input_tokens", None)
    )
    if not isinstance(window, int) or window < 1:
        raise DataError(
            f"'max_prompt_tokens' is {wanted}, a share of the context window, which is not known for "
            f"{type(model).__name__}: give a number of tokens, such as 4000"
        )
    return int(wanted * window)


def _local_count(model: Runnable[Any, Any]) -> CountText | None:
    """The model's own count if it needs no network, else None: other clients download a tokenizer, or count 0."""
    if isinstance(model, OfflineChatModel | LocalChatModel):
        return model.get_num_tokens
    ids = model.custom_get_token_ids if isinstance(model, BaseLanguageModel) else None
    return None if ids is None else lambda text: len(ids(text))

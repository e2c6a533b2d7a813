"""A chat model with answers written by the test, streamed word by word; it keeps its messages."""

import re
from collections.abc import Iterator
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field

__all__ = ["CORRECTED", "Scripted"]

CORRECTED = "That answer can't be used"


class Scripted(BaseChatModel):
    """Answers ``first``, or ``second`` if the last message corrects it; so calls may come in any order."""

    first: str
    second: str = ""
    sent: list[list[BaseMessage]] = Field(default_factory=list)
    """The messages of each call, in order."""
    streamed: list[str] = Field(default_factory=list)
    """The words streamed so far."""

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self._said(messages)))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for word in re.split(r"(?<=\s)(?=\S)", self._said(messages)):
            self.streamed.append(word)
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _said(self, messages: list[BaseMessage]) -> str:
        self.sent.append(list(messages))
        return self.second if str(messages[-1].text).startswith(CORRECTED) else self.first

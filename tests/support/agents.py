"""A chat model for agents' tests: it keeps its messages and calls the tools that the test chose."""

from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolCall
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from pydantic import Field

from metachain.chains import OfflineChatModel

__all__ = ["Recorder"]


class Recorder(BaseChatModel):
    """Calls the tools of ``calls``, one at each turn, then answers as the offline model does."""

    calls: list[ToolCall] = Field(default_factory=list)
    sent: list[list[BaseMessage]] = Field(default_factory=list)
    """The messages of each call, in order."""

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self.sent.append(list(messages))
        if self.calls:
            message = AIMessage("", tool_calls=[self.calls.pop(0)])
            return ChatResult(generations=[ChatGeneration(message=message)])
        return OfflineChatModel()._generate(messages, stop)

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        """Accept any tools; the test chooses the calls."""
        return self

    @property
    def _llm_type(self) -> str:
        return "recorder"

    def said(self, turn: int = -1) -> list[tuple[str, str]]:
        """Type and text of each message of one call."""
        return [(one.type, str(one.text)) for one in self.sent[turn]]

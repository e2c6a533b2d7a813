"""A chat model with the faults that a test asks for: late, refused, without usage; it records its calls."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult

__all__ = ["Record", "RefusedError", "Served", "asked"]


class RefusedError(Exception):
    """A provider's error with its status where clients look for it."""

    def __init__(self, status: int, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"status {status}")
        self.status_code = status
        self.response = type("Response", (), {"headers": headers or {}})()


@dataclass
class Record:
    """Requests that reached the server."""

    texts: list[str] = field(default_factory=list)
    """Text of the last message of each call, in order."""
    tokens: int = 0
    """Tokens of all answered calls."""
    running: int = 0
    most: int = 0
    """Maximum number of simultaneous calls."""
    loops: set[int] = field(default_factory=set)


class Served(BaseChatModel):
    """Answers with the text of the query, or ``answer`` of it, after the delay or error of ``behave``."""

    behave: Callable[[str, int], float | Exception | None] = lambda text, attempt: None
    """From the text and its earlier number of calls: seconds to wait, or an error to raise."""
    usage: Callable[[str], tuple[int, int] | None] = lambda text: (len(text.encode()), len(text))
    """Tokens read and written, or None for a server that doesn't report them."""
    answer: Callable[[str], str] = lambda text: text
    max_tokens: int | None = None
    record: Record

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        text, record = str(messages[-1].text), self.record
        behaviour = self.behave(text, record.texts.count(text))
        record.texts.append(text)
        record.loops.add(id(asyncio.get_running_loop()))
        record.running += 1
        record.most = max(record.most, record.running)
        try:
            await asyncio.sleep(behaviour if isinstance(behaviour, int | float) else 0)
            if isinstance(behaviour, Exception):
                raise behaviour
        finally:
            record.running -= 1
        counted = self.usage(text)
        message = AIMessage(self.answer(text))
        if counted:
            record.tokens += sum(counted)
            message.usage_metadata = UsageMetadata(
                input_tokens=counted[0], output_tokens=counted[1], total_tokens=sum(counted)
            )
        return ChatResult(generations=[ChatGeneration(message=message)])

    @property
    def _llm_type(self) -> str:
        return "served"


def asked(*texts: str) -> list[list[BaseMessage]]:
    """Make one prompt for each text."""
    return [[HumanMessage(text)] for text in texts]

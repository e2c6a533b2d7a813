"""A rule-based stand-in for a chat model, so that examples run without a key: it reads the demonstrations."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import pairwise
from typing import Any

from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from metachain.scoring.reader import READER_TEMPERATURE, answer

__all__ = ["NOTHING_TO_READ", "OfflineChatModel", "demonstrations_shown"]

NAME = "offline"
NOTHING_TO_READ = (
    "I am metachain's offline reader, not a language model: I answer from worked examples alone, "
    "and this prompt shows me none."
)


class OfflineChatModel(BaseChatModel):
    """Answers the last human message from the demonstrations before it, and from nothing else.

    It is no language model. A demonstration is a human message followed by the assistant's. The answer is that of
    ``metachain.scoring.reader.answer``: one of the labels shown, spans or sentences of the query, or a text shown.
    Without demonstrations it is ``NOTHING_TO_READ``; for a blank query it is empty. System messages are ignored. The
    same prompt always gets the same answer. ``temperature`` and other arguments of real models are accepted, and have
    no effect. Tokens are words between white space.
    """

    max_tokens: int | None = None
    """Maximum length of an answer, in words."""
    stop: list[str] | None = None
    """Texts that end an answer before them; the ``stop`` of a call replaces them."""

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, *_: Any, **kwargs: Any
    ) -> ChatResult:
        text = self._read(messages, stop)
        message = AIMessage(text, usage_metadata=self._usage(messages, text), response_metadata=_metadata())
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in self._chunks(messages, stop):
            if run_manager and chunk.text:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in await asyncio.to_thread(self._chunks, messages, stop):
            if run_manager and chunk.text:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    def get_num_tokens(self, text: str) -> int:
        """Count the words between white space, which are this reader's tokens."""
        return len(text.split())

    @property
    def _llm_type(self) -> str:
        return "metachain-offline-reader"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": NAME, "reader_temperature": READER_TEMPERATURE, "stop": self.stop}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        return {"ls_model_name": NAME, **params, "ls_provider": "metachain"}

    def _read(self, messages: Sequence[BaseMessage], stop: list[str] | None) -> str:
        query, demonstrations = demonstrations_shown(messages)
        text = answer(query, demonstrations) if demonstrations else NOTHING_TO_READ
        cut = _cut(text, self.stop if stop is None else stop)
        return cut if self.max_tokens is None else "".join(re.findall(r"\s*\S+", cut)[: self.max_tokens])

    def _usage(self, messages: Sequence[BaseMessage], text: str) -> UsageMetadata:
        read, written = sum(self.get_num_tokens(str(one.text)) for one in messages), self.get_num_tokens(text)
        return UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)

    def _chunks(self, messages: Sequence[BaseMessage], stop: list[str] | None) -> list[ChatGenerationChunk]:
        """The answer word by word, then an empty chunk with the token counts."""
        text = self._read(messages, stop)
        words = [AIMessageChunk(content=word) for word in re.split(r"(?<=\s)(?=\S)", text) if word]
        end = AIMessageChunk(
            content="", usage_metadata=self._usage(messages, text), response_metadata=_metadata(), chunk_position="last"
        )
        return [ChatGenerationChunk(message=message) for message in [*words, end]]


def demonstrations_shown(messages: Sequence[BaseMessage]) -> tuple[str, list[tuple[str, str]]]:
    """Find the query (the last human message) and the (input, output) pairs before it, in prompt order.

    A pair is a human message and the assistant's message directly after it. Assistant messages without text do not
    count. The query is empty where there is no human message.
    """
    last = max((place for place, one in enumerate(messages) if isinstance(one, HumanMessage)), default=None)
    if last is None:
        return "", []
    before = messages[:last]
    pairs = [
        (str(asked.text), str(answered.text))
        for asked, answered in pairwise(before)
        if isinstance(asked, HumanMessage) and isinstance(answered, AIMessage) and str(answered.text).strip()
    ]
    return str(messages[last].text), pairs


def _cut(text: str, stop: Sequence[str] | None) -> str:
    places = [text.find(sign) for sign in stop or () if sign and sign in text]
    return text[: min(places)] if places else text


def _metadata() -> dict[str, Any]:
    return {"model_name": NAME, "model_provider": "metachain", "finish_reason": "stop"}

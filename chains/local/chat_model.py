"""A real chat model without a key: a language model in a GGUF file, run by PyTorch in this process."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.language_models import BaseChatModel, LangSmithParams, LanguageModelInput, ModelProfile
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.output_parsers import JsonOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableLambda
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from metachain.chains.local.answer import Answer, picker
from metachain.chains.local.gguf import SMOLLM2_NAME, load_gguf, smollm2_file
from metachain.chains.local.language_model import LanguageModel
from metachain.errors import DataError

__all__ = ["LocalChatModel"]


class LocalChatModel(BaseChatModel):
    """Answers with SmolLM2-135M-Instruct, or with the language model of another GGUF file.

    Nothing is downloaded, and nothing loaded before the first call; all objects of a process share one model per file.
    Prompts are put to the model through its chat template; a model without one gets lines "Input: …" and "Output: …".
    The same prompt and settings get the same answer. ``with_structured_output`` takes a schema of one string with an
    enumeration: the answer is the likeliest of its labels. Raises DataError for a file that can't be loaded, for a
    prompt that is longer than the model's context, and for messages other than system, human and assistant.
    """

    path: Path | None = None
    """GGUF file; None for SmolLM2-135M-Instruct."""
    temperature: float = Field(default=0.0, ge=0)
    """0 for the likeliest token, over 0 to draw tokens."""
    max_tokens: int | None = Field(default=256, ge=1)
    """Maximum length of an answer; None for the rest of the context."""
    stop: list[str] | None = None
    """Texts that end an answer before them; the ``stop`` of a call replaces them."""
    seed: int = 0
    """Random state of an answer's tokens where ``temperature`` is over 0."""
    threads: int | None = Field(default=None, ge=1)
    """Threads of PyTorch during a call; None for its own number."""

    @property
    def language_model(self) -> LanguageModel:
        """Network and tokenizer, loaded at first use."""
        return load_gguf(self.path or smollm2_file())

    @property
    def max_input_tokens(self) -> int:
        """Longest prompt and answer together, in tokens; loads the model."""
        return self.language_model.context

    def label_log_probabilities(
        self, prompts: Sequence[Sequence[BaseMessage]], labels: Sequence[Sequence[str]]
    ) -> list[NDArray[np.float64]]:
        """Log-probability of each of a prompt's labels, as the whole answer (with the end of turn).

        Natural logarithms, each 0 or less; one array a prompt, of shape ``(len(labels[i]),)``. A prompt is read once
        for all its labels.
        """
        if len(prompts) != len(labels):
            raise DataError(
                f"each prompt needs its labels, got {len(prompts)} prompts and {len(labels)} lists of labels"
            )
        return [np.array(self._scores(*one), np.float64) for one in zip(prompts, labels, strict=True)]

    def with_structured_output(
        self, schema: dict[str, Any] | type, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
        """Answer with one label of an enumeration, the likeliest of them, as ``{property: label}``.

        ``schema`` is a JSON schema of one property, a string with an ``enum``. Raises DataError for any other.
        """
        key, labels = _enumeration(schema)
        answer = self.bind(label_key=key, labels=labels)
        if not include_raw:
            return answer | JsonOutputParser()
        return answer | RunnableLambda(
            lambda raw: {"raw": raw, "parsed": json.loads(str(raw.text)), "parsing_error": None}
        )

    def get_token_ids(self, text: str) -> list[int]:
        """Tokens of a text, by the model's own tokenizer; loads the model."""
        return self.language_model.format.ids(text)

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        with self.language_model.turn:
            *before, last = self._parts(messages, stop, **kwargs)
        message = AIMessage(
            "".join(str(one.text) for one in [*before, last]),
            usage_metadata=last.usage_metadata,
            response_metadata=last.response_metadata,
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        for part in self._parts(messages, stop, **kwargs):
            chunk = ChatGenerationChunk(message=part)
            if run_manager and chunk.text:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    def _parts(
        self, messages: Sequence[BaseMessage], stop: list[str] | None, **kwargs: Any
    ) -> Iterator[AIMessageChunk]:
        return self._labelled(messages, **kwargs) if "labels" in kwargs else self._answered(messages, stop, **kwargs)

    def _answered(
        self,
        messages: Sequence[BaseMessage],
        stop: list[str] | None,
        *,
        max_tokens: int | None = None,
        temperature: float | None = None,
        **_: Any,
    ) -> Iterator[AIMessageChunk]:
        model = self.language_model
        form = model.format
        ids = form.prompt(messages)
        answer = Answer(form, self.stop if stop is None else stop)
        limit = max_tokens or self.max_tokens or model.context
        pick = picker(self.temperature if temperature is None else temperature, self.seed)
        with self._turn(model):
            reading = model.read(ids)
        tokens = model.go_on(reading, limit, pick)
        while not answer.ended:
            with self._turn(model):
                token = next(tokens, None)
            if token is None:
                break
            if text := answer.add(token):
                yield AIMessageChunk(content=text)
        model.keep(reading)
        yield self._last(answer.rest(), len(ids), len(answer.ids), "stop" if answer.ended else "length")

    def _labelled(
        self, messages: Sequence[BaseMessage], *, label_key: str, labels: Sequence[str], **_: Any
    ) -> Iterator[AIMessageChunk]:
        form, best = self.language_model.format, labels[int(np.argmax(self._scores(messages, labels)))]
        text = json.dumps({label_key: best}, ensure_ascii=False)
        yield self._last(text, len(form.prompt(messages)), len(form.answers([best])[0]), "stop")

    def _scores(self, messages: Sequence[BaseMessage], labels: Sequence[str]) -> list[float]:
        model = self.language_model
        ids, answers = model.format.prompt(messages), model.format.answers(labels)
        longest = max(map(len, answers), default=0)
        with self._turn(model):
            reading = model.read(ids, longest)
            found = model.log_probabilities(reading, answers)
            model.keep(reading)
        return found

    def _last(self, text: str, read: int, written: int, reason: str) -> AIMessageChunk:
        usage = UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)
        metadata = {"model_name": self._name, "model_provider": "local", "finish_reason": reason}
        return AIMessageChunk(content=text, usage_metadata=usage, response_metadata=metadata, chunk_position="last")

    @contextmanager
    def _turn(self, model: LanguageModel) -> Iterator[None]:
        """Hold the model's turn, with this object's number of threads."""
        import torch  # noqa: PLC0415

        with model.turn:
            before = torch.get_num_threads()
            torch.set_num_threads(self.threads or before)
            try:
                yield
            finally:
                torch.set_num_threads(before)

    @property
    def _name(self) -> str:
        return (self.path or Path(SMOLLM2_NAME)).stem

    @property
    def _llm_type(self) -> str:
        return "metachain-local"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        names = ("temperature", "max_tokens", "stop", "seed")
        return {"model_name": self._name, "path": str(self.path or ""), **{name: getattr(self, name) for name in names}}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        return {"ls_model_name": self._name, **params, "ls_provider": "local"}

    def _resolve_model_profile(self) -> ModelProfile:
        return ModelProfile(structured_output=True, tool_calling=False)


def _enumeration(schema: Any) -> tuple[str, list[str]]:
    """Read the property and the labels of a JSON schema. Raises DataError for any other schema."""
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    if isinstance(properties, Mapping) and len(properties) == 1:
        ((key, only),) = properties.items()
        labels = only.get("enum") if isinstance(only, Mapping) else None
        if labels and all(isinstance(label, str) for label in labels):
            return str(key), list(labels)
    raise DataError(
        "a local model's structured output is one label: give a JSON schema with one property, "
        f"a string with an 'enum'; got {str(schema)[:80]!r}"
    )

"""Answers within a set of labels, or a plain statement that none fits."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda

from metachain.chains.audit_callback import audit_callbacks
from metachain.chains.few_shot import ChatRunnable, chat_runnable, selecting_and_prompt
from metachain.chains.prompt_budget import prompt_budget
from metachain.embedding.similarity import normalise_text
from metachain.errors import DataError

__all__ = ["Classification", "classification_chain", "classify"]

QUOTES = "\"'`*“”‘’"
LABELS_NAMED = 8
NONE_FITS = "none of these labels"
"""What a model with structured output may fill in where no label fits: a text, as not all providers take a null."""
MOST_ENUMERATED = 249
"""With ``NONE_FITS`` 250: OpenAI takes longer lists only where all labels together are short (15,000 characters)."""


@dataclass(frozen=True, slots=True)
class Classification:
    """One label, or None where the model's answer fits none, with what it was judged by."""

    label: str | None
    answer: str
    """What the model said, word for word."""
    allowed: tuple[str, ...]
    """The labels that would have been accepted, in alphabetical order."""

    @property
    def reason(self) -> str:
        """One sentence a person understands."""
        if self.label is not None:
            return f"the model answered {self.label!r}, one of {len(self.allowed)} allowed labels"
        if not self.allowed:
            return "no label is known: there were no demonstrations, and the institution has no labels of its own"
        more = ", …" if len(self.allowed) > LABELS_NAMED else ""
        named = ", ".join(map(repr, self.allowed[:LABELS_NAMED]))
        return (
            f"the model's answer {self.answer[:80]!r} is none of the {len(self.allowed)} allowed labels: {named}{more}"
        )


def classification_chain(
    model: str | ChatRunnable,
    selector: BaseExampleSelector,
    labels: Iterable[str] | None = None,
    instructions: str = "",
    *,
    input_key: str = "input",
    output_key: str = "output",
    max_prompt_tokens: int | float | None = None,
    count_tokens: Callable[[str], int] | None = None,
    structured: bool | None = None,
) -> Runnable[dict[str, Any], Classification]:
    """Answer ``{input_key: text}`` with one of ``labels``, checked after the model has answered.

    A model with structured output is given the labels as a list to choose from, "none of these labels" among them, up
    to 249 of them; ``structured`` is False to answer in words all the same. Other models, and those wrapped in other
    Runnables, answer in words.

    Without ``labels``, those of the demonstrations shown and the institution's own (``selector.labels``, where the
    selector has them) are allowed. The prompt is ``few_shot_prompt``: a model that should be told all labels is told
    in the ``instructions``. ``max_prompt_tokens`` and ``count_tokens`` are those of ``few_shot_chain``.
    Raises DataError for labels that are no strings, blank or none at all, and for ``structured=True`` with a model
    that has no structured output.
    """
    chat = chat_runnable(model)
    budget = prompt_budget(chat, max_prompt_tokens, count_tokens)
    selecting, prompt = selecting_and_prompt(
        selector, instructions, input_key=input_key, output_key=output_key, budget=budget
    )
    fixed = None if labels is None else _checked(labels)
    enumerate_labels = _structured(chat, structured)

    def allowed(shown: dict[str, Any]) -> Sequence[str]:
        outputs = (one["output"] for one in shown["demonstrations"])
        return fixed or sorted({*selecting.labels(shown["institution"]), *outputs})

    def answering(labels: Sequence[str]) -> Runnable[LanguageModelInput, str]:
        if isinstance(chat, BaseChatModel) and enumerate_labels and 0 < len(labels) <= MOST_ENUMERATED:
            filled: Runnable[LanguageModelInput, Any] = chat.with_structured_output(
                _label_schema(labels), include_raw=True
            )
            return filled | RunnableLambda(_said)
        return chat | StrOutputParser()

    def answering_shown(shown: dict[str, Any], labels: Sequence[str]) -> Runnable[dict[str, Any], str]:
        return (prompt | answering(labels)).with_config(callbacks=audit_callbacks(selecting.audit, shown))

    def judge(shown: dict[str, Any], config: RunnableConfig) -> Classification:
        labels = allowed(shown)
        return classify(answering_shown(shown, labels).invoke(shown, config), labels)

    async def ajudge(shown: dict[str, Any], config: RunnableConfig) -> Classification:
        labels = await asyncio.to_thread(allowed, shown)
        said = await answering_shown(shown, labels).ainvoke(shown, config)
        return await asyncio.to_thread(classify, said, labels)

    return selecting | RunnableLambda(judge, ajudge, name="classify").with_types(output_type=Classification)


def classify(answer: str, allowed: Iterable[str]) -> Classification:
    """Find the label that an answer stands for.

    It is the label itself, or the only one that differs in nothing but letter case, white space, quotes around it and
    a full stop at the end. A label within a longer sentence is not taken: "not urgent" is no "urgent".
    """
    labels = tuple(sorted(set(allowed)))
    for exact in (answer, answer.strip()):
        if exact in labels:
            return Classification(exact, answer, labels)
    alike = [label for label in labels if _bare(label) == _bare(answer)]
    return Classification(alike[0] if len(alike) == 1 else None, answer, labels)


def _bare(text: str) -> str:
    return normalise_text(text).strip(QUOTES).rstrip(".").strip(QUOTES)


def _structured(chat: ChatRunnable, wanted: bool | None) -> bool:
    """Whether labels are enumerated for the model: where its class can, and its profile doesn't deny it."""
    able = isinstance(chat, BaseChatModel) and (
        type(chat).bind_tools is not BaseChatModel.bind_tools
        or type(chat).with_structured_output is not BaseChatModel.with_structured_output
    )
    if wanted and not able:
        raise DataError(f"'structured' is True, but {type(chat).__name__} has no structured output; leave it out")
    profile = getattr(chat, "profile", None) or {}
    denied = {profile.get("structured_output"), profile.get("tool_calling")} == {False}
    return able and not denied if wanted is None else wanted


def _label_schema(labels: Sequence[str]) -> dict[str, Any]:
    none, taken = NONE_FITS, set(map(_bare, labels))
    while _bare(none) in taken:
        none = f"({none})"
    enum = {"type": "string", "enum": [*labels, none], "description": f"The label, or {none!r}."}
    return {
        "title": "label",
        "description": "The label of the text.",
        "type": "object",
        "properties": {"label": enum},
        "required": ["label"],
    }


def _said(answer: Any) -> str:
    """The label that was filled in, else what was said in words, or where OpenAI's refusals are kept."""
    parsed, raw = answer["parsed"], answer["raw"]
    said = parsed.get("label") if isinstance(parsed, Mapping) else None
    return said if isinstance(said, str) else str(raw.text) or str(raw.additional_kwargs.get("refusal") or "")


def _checked(labels: Iterable[str]) -> Sequence[str]:
    if isinstance(labels, str):
        raise DataError(f"'labels' must be a list of labels, got the text {labels!r}; write [{labels!r}]")
    checked = list(labels)
    if not checked:
        raise DataError("'labels' is empty: give at least one, or leave it out to take the institution's own")
    for label in checked:
        if not isinstance(label, str) or not label.strip():
            raise DataError(f"a label must be a string that is not blank, got {label!r}")
    return checked

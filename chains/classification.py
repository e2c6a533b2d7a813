"""Answers within a set of labels, or a plain statement that none fits."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel

from metachain.chains.few_shot import ChatRunnable, chat_runnable, few_shot_prompt
from metachain.chains.prompt_budget import prompt_budget
from metachain.errors import DataError
from metachain.similarity import normalise_text

__all__ = ["Classification", "classification_chain", "classify"]

QUOTES = "\"'`*“”‘’"
LABELS_NAMED = 8


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
) -> Runnable[dict[str, Any], Classification]:
    """Answer ``{input_key: text}`` with one of ``labels``, checked after the model has answered.

    Without ``labels``, those of the demonstrations shown and the institution's own (``selector.labels``, where the
    selector has them) are allowed. The prompt is ``few_shot_prompt``: a model that should be told all labels is told
    in the ``instructions``. ``max_prompt_tokens`` and ``count_tokens`` are those of ``few_shot_chain``.
    Raises DataError for labels that are no strings, blank or none at all.
    """
    chat = chat_runnable(model)
    budget = None if max_prompt_tokens is None else prompt_budget(chat, max_prompt_tokens, count_tokens)
    prompt = few_shot_prompt(selector, instructions, input_key=input_key, output_key=output_key, budget=budget)
    fixed = None if labels is None else _checked(labels)

    def judged(parts: dict[str, Any]) -> Classification:
        own: Iterable[str] = getattr(selector, "labels", ())
        return classify(parts["answer"], fixed or {*own, *parts["shown"]})

    answered = RunnableParallel(answer=chat | StrOutputParser(), shown=RunnableLambda(_outputs_shown))
    return prompt | answered | RunnableLambda(judged, name="classify")


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


def _outputs_shown(prompt: PromptValue) -> tuple[str, ...]:
    return tuple(str(message.text) for message in prompt.to_messages() if isinstance(message, AIMessage))


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

"""Classification: an answer within a set of labels, or a reason why none fits."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda

from metachain.chains.answers.cleaning import Cleaning, cleaning_of
from metachain.chains.audit_callback import audit_callbacks
from metachain.chains.few_shot import AnswerStep, ChatRunnable, ShownPrompt, chat_runnable, prompt_steps
from metachain.chains.label_scores import label_scores, scoring_model
from metachain.chains.prompt_budget import prompt_budget
from metachain.chains.select_step import SelectDemonstrations
from metachain.embedding.similarity import normalise_text
from metachain.errors import DataError
from metachain.normal_form import label_form
from metachain.selection.fusion import Fusion, fusible_labels, log_posterior
from metachain.selection.selection import AnswerProbability

__all__ = ["Classification", "classification_chain", "classify"]

QUOTES = "\"'`*“”‘’"
ALL_RULES = Cleaning()
LABELS_NAMED = 8
NONE_FITS = "none of these labels"
"""Structured output where no label fits; a text, because not all providers accept null."""
MOST_ENUMERATED = 249
"""250 with ``NONE_FITS``. OpenAI accepts longer lists only where all labels together have at most 15,000 characters."""


@dataclass(frozen=True, slots=True)
class Classification:
    """One label, or None where the model's answer fits none, with the answer and the allowed labels."""

    label: str | None
    answer: str
    """The model's answer, word for word."""
    allowed: tuple[str, ...]
    """The accepted labels, in alphabetical order."""
    probability: float | None = None
    """Probability of the label among the allowed ones, in [0, 1]; None where the model answered in words."""
    decided_by: Literal["words", "scores", "fusion"] = "words"
    """The model's words, its scores of the labels, or a fusion of these with the posterior."""

    @property
    def reason(self) -> str:
        """The reason for the label, or for its absence, in one sentence."""
        if self.decided_by == "fusion":
            told = "" if self.probability is None else f", at {self.probability:.0%}"
            return (
                f"the model says {self.answer[:80]!r}; together with past institutions' answers {self.label!r} is the "
                f"most probable of {len(self.allowed)} allowed labels{told}"
            )
        if self.probability is not None:
            return (
                f"the model gives {self.label!r} the highest probability, {self.probability:.0%}, of "
                f"{len(self.allowed)} allowed labels"
            )
        if self.label is not None:
            return f"the model answered {self.label!r}, one of {len(self.allowed)} allowed labels"
        if not self.allowed:
            return "no label is known: there were no demonstrations, and the institution has no labels of its own"
        more = ", …" if len(self.allowed) > LABELS_NAMED else ""
        named = ", ".join(map(repr, self.allowed[:LABELS_NAMED]))
        cleaned = ALL_RULES.cleaned(self.answer, self.allowed)
        why = "" if "none of the labels" in cleaned.reason or "empty" in cleaned.reason else f"; {cleaned.reason}"
        return (
            f"the model's answer {(cleaned.text or self.answer)[:80]!r} is none of the {len(self.allowed)} allowed "
            f"labels: {named}{more}{why}"
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
    scoring: bool = False,
    calibrated: bool = False,
    fusion: Fusion | None = None,
    clean: bool | Cleaning = True,
) -> Runnable[dict[str, Any], Classification]:
    """Make a chain that answers ``{input_key: text}`` with one of ``labels``, checked after the model's answer.

    A model with structured output gets up to 249 labels, and "none of these labels", as an enumeration; with
    ``structured=False`` it answers in words. Other models, and models wrapped in other Runnables, answer in words.

    Without ``labels``, the allowed labels are those of the demonstrations shown and the institution's own
    (``selector.labels()``, where the selector has them). The prompt is ``few_shot_prompt``, which does not list the
    labels: list them in the ``instructions`` if the model needs them. ``max_prompt_tokens`` and ``count_tokens`` are
    those of ``few_shot_chain``.

    With ``scoring``, the model doesn't write: the label with the highest probability as its whole answer is taken, and
    comes with that probability. This needs a model that is ``ScoresLabels``, such as ``local``. ``calibrated`` divides
    the probabilities by those for a query without content (see ``ScoringChatModel``).

    A ``fusion`` also asks the selector's posterior (``Selection.answers``), whose ten most probable answers then are
    allowed labels too. Allowed labels without a posterior probability get the smallest one given. With ``scoring``
    both opinions are pooled; otherwise the model's answer in words gives way where the posterior is surer by the
    fusion's margin. Selectors without a posterior leave the decision to the model.

    ``clean`` has the rules by which an answer in words is read (``Cleaning``): thoughts in their tags, fences and
    "Answer:" are left out. With False an answer must be the label alone.

    Raises DataError for an empty list, for labels that are blank or no strings, for ``structured=True`` with a model
    that has no structured output or with ``scoring``, for ``scoring`` with a model that can't, and for ``calibrated``
    without ``scoring``.
    """
    chat = chat_runnable(model)
    budget = prompt_budget(chat, max_prompt_tokens, count_tokens)
    select, prompt = prompt_steps(selector, instructions, input_key=input_key, output_key=output_key, budget=budget)
    allowed = None if labels is None else _checked(labels)
    _check_ways(scoring=scoring, calibrated=calibrated, structured=structured)
    enumerated = not scoring and _structured(chat, structured)
    asked = scoring_model(chat, calibrated=calibrated) if scoring else chat
    cleaning = cleaning_of(clean)
    step = _ClassifyStep(asked, select, prompt, allowed, enumerated, scoring, fusion, cleaning)
    plain = None if scoring or enumerated else step
    answering = AnswerStep(step.run, step.arun, name="classify", chat=asked, plain=plain)
    return select | answering.with_types(output_type=Classification)


def classify(answer: str, allowed: Iterable[str], cleaning: Cleaning = ALL_RULES) -> Classification:
    """Find the label of an answer.

    The answer is the label itself, or differs from exactly one label only in letter case, white space, quotes around
    it and a full stop at the end; or a rule of ``cleaning`` finds the label in it. A label within a longer sentence
    does not count: "not urgent" is not "urgent".
    """
    by_form: dict[str, str] = {}
    for label in sorted(set(allowed)):
        by_form.setdefault(label_form(label), label)
    labels, exact = tuple(by_form.values()), by_form.get(label_form(answer))
    if exact is not None:
        return Classification(exact, answer, labels)
    return Classification(cleaning.cleaned(answer, labels).label, answer, labels)


@dataclass(frozen=True)
class _ClassifyStep:
    chat: ChatRunnable
    select: SelectDemonstrations
    prompt: ShownPrompt
    labels: Sequence[str] | None
    """The caller's labels; None to take those of the demonstrations and the institution."""
    enumerated: bool
    scored: bool
    fusion: Fusion | None
    cleaning: Cleaning

    def run(self, shown: dict[str, Any], config: RunnableConfig) -> Classification:
        labels = self._allowed(shown)
        return self._classified(self._answering(shown, labels).invoke(shown, config), shown, labels)

    async def arun(self, shown: dict[str, Any], config: RunnableConfig) -> Classification:
        labels = await asyncio.to_thread(self._allowed, shown)
        answer = await self._answering(shown, labels).ainvoke(shown, config)
        return await asyncio.to_thread(self._classified, answer, shown, labels)

    def prompt_of(self, shown: dict[str, Any]) -> tuple[list[BaseMessage], Sequence[str]]:
        return self.prompt.format_messages(**shown), self._allowed(shown)

    def answer_of(self, answer: str, shown: dict[str, Any], prepared: Sequence[str]) -> Classification:
        return self._classified(answer, shown, prepared)

    def _allowed(self, shown: dict[str, Any]) -> Sequence[str]:
        outputs = [label_form(one["output"]) for one in shown["demonstrations"]]
        answers = _answers(shown) if self.fusion else ()
        return self.labels or fusible_labels([*self.select.labels(shown["institution"]), *outputs], answers)

    def _answering(self, shown: dict[str, Any], labels: Sequence[str]) -> Runnable[dict[str, Any], str | AIMessage]:
        answering = self.prompt | self._model(labels)
        return answering.with_config(callbacks=audit_callbacks(self.select.audit, shown))

    def _model(self, labels: Sequence[str]) -> Runnable[LanguageModelInput, str | AIMessage]:
        if self.scored:
            return self.chat.bind(labels=list(labels))
        if isinstance(self.chat, BaseChatModel) and self.enumerated and 0 < len(labels) <= MOST_ENUMERATED:
            schema = _label_schema(labels)
            structured: Runnable[LanguageModelInput, Any] = self.chat.with_structured_output(schema, include_raw=True)
            return structured | RunnableLambda(_label_text)
        return self.chat | StrOutputParser()

    def _classified(self, answer: str | AIMessage, shown: dict[str, Any], labels: Sequence[str]) -> Classification:
        answers = _answers(shown)
        if isinstance(answer, AIMessage):
            scores = label_scores(answer)
            if scores:
                return _by_scores(scores, answers, self.fusion)
            answer = str(answer.text)
        found = classify(str(answer), labels, Cleaning.none() if isinstance(answer, _Filled) else self.cleaning)
        return _by_margin(found, answers, self.fusion) if self.fusion else found


def _answers(shown: Mapping[str, Any]) -> list[AnswerProbability]:
    """Posterior of a ``Shown``, most probable first; empty where it has none."""
    return [AnswerProbability(*one) for one in shown.get("answers", {}).items()]


def _by_scores(
    scores: Mapping[str, float], answers: Sequence[AnswerProbability], fusion: Fusion | None
) -> Classification:
    """Take the label that scores highest, pooled with the posterior's ``answers`` where there are any."""
    labels, log_model = sorted(scores), np.array([scores[label] for label in sorted(scores)])
    pooled = (
        fusion.probabilities(log_posterior(labels, answers), log_model) if fusion and answers else np.exp(log_model)
    )
    best, said = int(pooled.argmax()), labels[int(log_model.argmax())]
    decided: Literal["scores", "fusion"] = "fusion" if fusion and answers else "scores"
    return Classification(labels[best], said, tuple(labels), float(pooled[best]), decided)


def _by_margin(found: Classification, answers: Sequence[AnswerProbability], fusion: Fusion) -> Classification:
    """Replace a label by the posterior's where that is surer by the fusion's margin."""
    said = found.answer if found.label is None else found.label
    chosen = fusion.worded(said, [one for one in answers if one.answer in found.allowed])
    return found if chosen == said else replace(found, label=chosen, decided_by="fusion")


def _check_ways(*, scoring: bool, calibrated: bool, structured: bool | None) -> None:
    if scoring and structured:
        raise DataError("'scoring' and 'structured' are two ways to answer; choose one of them")
    if calibrated and not scoring:
        raise DataError("'calibrated' calibrates the scores of labels, so it needs scoring=True")


def _bare(text: str) -> str:
    return normalise_text(text).strip(QUOTES).rstrip(".").strip(QUOTES)


def _structured(chat: ChatRunnable, wanted: bool | None) -> bool:
    """True if the model gets the labels as structured output: its class supports it, and its profile does not deny it.

    ``wanted`` overrides the profile. Raises DataError where it is True for a class without structured output.
    """
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


class _Filled(str):
    """A label that a model filled in: it is the answer, and no words to clean."""

    __slots__ = ()


def _label_text(answer: Any) -> str:
    """Read the label of a structured answer; without one, its text or OpenAI's refusal."""
    parsed, raw = answer["parsed"], answer["raw"]
    label = parsed.get("label") if isinstance(parsed, Mapping) else None
    return (
        _Filled(label) if isinstance(label, str) else str(raw.text) or str(raw.additional_kwargs.get("refusal") or "")
    )


def _checked(labels: Iterable[str]) -> Sequence[str]:
    if isinstance(labels, str):
        raise DataError(f"'labels' must be a list of labels, got the text {labels!r}; write [{labels!r}]")
    if not (checked := list(labels)):
        raise DataError("'labels' is empty: give at least one, or leave it out to take the institution's own")
    for label in checked:
        if not isinstance(label, str) or not label_form(label):
            raise DataError(f"a label must be a string that is not blank, got {label!r}")
    return checked

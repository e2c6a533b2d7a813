# Longer than 300 lines: the three ways in which one chain answers, and the labels, or sets of them, that it accepts.
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
from metachain.label_sets import LabelSets, label_sets
from metachain.normal_form import label_form
from metachain.selection.fusion import Fusion, fusible_labels, log_posterior
from metachain.selection.selection import AnswerProbability

__all__ = ["Classification", "classification_chain", "classify"]

QUOTES = "\"'`*“”‘’"
ALL_RULES, NO_RULES = Cleaning(), Cleaning.none()
LABELS_NAMED = 8
BULLETS = "-•* "
USUAL = ";|,\n"
"""Separators that models write between labels."""
NONE_FITS = "none of these labels"
"""Structured output where no label fits; a text, because not all providers accept null."""
MOST_ENUMERATED = 249
"""250 with ``NONE_FITS``. OpenAI accepts longer lists only where all labels together have at most 15,000 characters."""


@dataclass(frozen=True, slots=True)
class Classification:
    """One label, or None where the model's answer fits none, with the answer and the allowed labels.

    Where answers are sets of labels, ``label`` is the set in its canonical form.
    """

    label: str | None
    answer: str
    """The model's answer, word for word."""
    allowed: tuple[str, ...]
    """The accepted labels, in alphabetical order."""
    probability: float | None = None
    """Probability of the label among the allowed ones, in [0, 1]; None where the model answered in words."""
    decided_by: Literal["words", "scores", "fusion"] = "words"
    """The model's words, its scores of the labels, or a fusion of these with the posterior."""
    labels: tuple[str, ...] = ()
    """The labels of the set, in alphabetical order; empty where answers are single labels, or nothing fits."""
    unknown: tuple[str, ...] = ()
    """Parts of the model's answer that are no allowed label, where answers are sets."""

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
            named = ", ".join(map(repr, self.labels[:LABELS_NAMED]))
            several = f"{named}, all of them among" if len(self.labels) > 1 else f"{self.label!r}, one of"
            return f"the model answered {several} {len(self.allowed)} allowed labels"
        return self._absence

    @property
    def _absence(self) -> str:
        if not self.allowed:
            return "no label is known: there were no demonstrations, and the institution has no labels of its own"
        more = ", …" if len(self.allowed) > LABELS_NAMED else ""
        named = ", ".join(map(repr, self.allowed[:LABELS_NAMED]))
        if self.unknown:
            unknown = ", ".join(repr(one[:40]) for one in self.unknown[:LABELS_NAMED])
            return (
                f"the model's answer {self.answer[:80]!r} names {unknown}, none of the {len(self.allowed)} allowed "
                f"labels: {named}{more}"
            )
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
    label_separator: str | None = None,
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

    Where answers are sets of labels, the answer is the set of allowed labels that the model names, in canonical order;
    a part that is no allowed label is no answer, and the reason names it. ``label_separator`` says so; without it,
    the selector's library does (``Library.label_separator``). With ``scoring``, whole sets are compared: those of the
    demonstrations and the labels alone.
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
    step = _ClassifyStep(
        asked,
        select,
        prompt,
        allowed,
        enumerated=enumerated,
        scored=scoring,
        fusion=fusion,
        cleaning=cleaning_of(clean),
        separator=label_separator,
    )
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


def _classify_set(answer: str, allowed: Iterable[str], sets: LabelSets, cleaning: Cleaning) -> Classification:
    """Find the set of labels of an answer, as it is or cleaned; one whose parts are not all allowed labels is none."""
    found = _named_set(answer, allowed, sets)
    return replace(_named_set(cleaning.text(answer), allowed, sets), answer=answer) if found.label is None else found


def _named_set(answer: str, allowed: Iterable[str], sets: LabelSets) -> Classification:
    labels = tuple(sorted({label for one in allowed for label in sets.labels(one)}))
    whole = classify(answer, labels, NO_RULES)
    if whole.label is not None:
        return replace(whole, label=sets.form(whole.label), labels=(whole.label,))
    parts = _parts(answer, labels, sets) or ((label_form(answer),) if label_form(answer) else ())
    found = {part: _label_named(part, labels) for part in parts}
    named = {label for label in found.values() if label is not None}
    unknown = tuple(part for part, label in found.items() if label is None)
    if unknown or not named:
        return Classification(None, answer, labels, unknown=unknown)
    return Classification(sets.join(named), answer, labels, labels=tuple(sorted(named)))


def _parts(answer: str, labels: Sequence[str], sets: LabelSets) -> tuple[str, ...]:
    """The parts of an answer; a model may separate them in a usual way that is not the library's, if it then fits."""
    bare = answer.strip().strip(QUOTES)
    parts = sets.labels(bare)
    usual = LabelSets(sets.separators + USUAL).labels(bare)
    unknown = any(_label_named(part, labels) is None for part in parts)
    fits = usual and all(_label_named(part, labels) is not None for part in usual)
    return usual if unknown and fits else parts


def _label_named(part: str, labels: Sequence[str]) -> str | None:
    exact = classify(part, labels, NO_RULES).label
    return exact if exact is not None else classify(part.lstrip(BULLETS), labels, NO_RULES).label


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
    separator: str | None = None
    """The caller's separators of labels; None to take those of the selector's library."""

    @property
    def sets(self) -> LabelSets | None:
        return label_sets(self.select.label_separator if self.separator is None else self.separator)

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
        labels = self.labels or fusible_labels([*self.select.labels(shown["institution"]), *outputs], answers)
        if (sets := self.sets) is None:
            return labels
        single = {label for one in labels for label in sets.labels(one)}
        return sorted(single | set(map(sets.form, labels)) if self.scored else single)

    def _answering(self, shown: dict[str, Any], labels: Sequence[str]) -> Runnable[dict[str, Any], str | AIMessage]:
        answering = self.prompt | self._model(labels)
        return answering.with_config(callbacks=audit_callbacks(self.select.audit, shown))

    def _model(self, labels: Sequence[str]) -> Runnable[LanguageModelInput, str | AIMessage]:
        if self.scored:
            return self.chat.bind(labels=list(labels))
        if isinstance(self.chat, BaseChatModel) and self.enumerated and 0 < len(labels) <= MOST_ENUMERATED:
            schema = _label_schema(labels, several=self.sets is not None)
            structured: Runnable[LanguageModelInput, Any] = self.chat.with_structured_output(schema, include_raw=True)
            return structured | RunnableLambda(self._label_text)
        return self.chat | StrOutputParser()

    def _label_text(self, answer: Any) -> str:
        """Read the labels of a structured answer, joined where they are several."""
        parsed, sets = answer["parsed"], self.sets
        labels = parsed.get("labels") if isinstance(parsed, Mapping) and sets else None
        if sets and isinstance(labels, list) and all(isinstance(one, str) for one in labels):
            return _Filled(sets.joint.join(labels))
        return _label_text(answer)

    def _classified(self, answer: str | AIMessage, shown: dict[str, Any], labels: Sequence[str]) -> Classification:
        answers = _answers(shown)
        if isinstance(answer, AIMessage):
            scores = label_scores(answer)
            if scores:
                return _by_scores(scores, answers, self.fusion)
            answer = str(answer.text)
        cleaning = Cleaning.none() if isinstance(answer, _Filled) else self.cleaning
        sets = self.sets
        found = _classify_set(answer, labels, sets, cleaning) if sets else classify(answer, labels, cleaning)
        return _by_margin(found, answers, self.fusion, sets) if self.fusion else found


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


def _by_margin(
    found: Classification, answers: Sequence[AnswerProbability], fusion: Fusion, sets: LabelSets | None
) -> Classification:
    """Replace a label by the posterior's where that is surer by the fusion's margin."""
    said = found.answer if found.label is None else found.label
    allowed = set(found.allowed)
    known = [one for one in answers if allowed.issuperset(sets.labels(one.answer) if sets else (one.answer,))]
    chosen = fusion.worded(said, known)
    if chosen == said:
        return found
    labels = sets.labels(chosen) if sets else ()
    return replace(found, label=chosen, decided_by="fusion", labels=labels, unknown=())


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


def _label_schema(labels: Sequence[str], *, several: bool = False) -> dict[str, Any]:
    none, taken = NONE_FITS, set(map(_bare, labels))
    while _bare(none) in taken:
        none = f"({none})"
    enum = {"type": "string", "enum": [*labels, none], "description": f"The label, or {none!r}."}
    if several:
        items = {"type": "string", "enum": [*labels, none]}
        return {
            "title": "labels",
            "description": f"All labels of the text, each once; only {none!r} if none fits.",
            "type": "object",
            "properties": {"labels": {"type": "array", "items": items}},
            "required": ["labels"],
        }
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

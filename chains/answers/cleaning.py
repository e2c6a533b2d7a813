"""The one step that cleans a model's answer: named rules, in a table, each of which may be switched off."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from metachain.chains.answers.json_values import fields_of, json_text
from metachain.chains.answers.label_reader import LabelReader, announced_rest
from metachain.chains.answers.thoughts import without_channels, without_thoughts
from metachain.chains.answers.wrappings import (
    narrow,
    out_of_answer_tags,
    out_of_box,
    out_of_emphasis,
    out_of_fence,
    out_of_quotes,
    out_of_whole_fence,
)
from metachain.errors import DataError
from metachain.scoring.metrics import are_texts

__all__ = ["LABEL_RULES", "TEXT_RULES", "Cleaned", "Cleaning", "Kind", "cleaning_of", "kind_of"]

Kind = Literal["label", "json", "text"]
"""A label, JSON, or a text: what an answer is to be."""
LABELS: frozenset[Kind] = frozenset({"label"})
SHORT: frozenset[Kind] = frozenset({"label", "json"})
ALL: frozenset[Kind] = frozenset({"label", "json", "text"})
DENYING = frozenset(
    {"not", "wrong", "old", "previous", "rejected", "excluded", "input", "text", "example", "alternative"}
)
NAMED_FIELDS = frozenset({"label", "answer", "code", "category", "class", "classification", "result", "final_answer"})
ANSWER_SHOWN = 80


@dataclass(frozen=True)
class _TextRule:
    apply: Callable[[str], str]
    kinds: frozenset[Kind]


TEXT_RULES: Mapping[str, _TextRule] = MappingProxyType(
    {
        "channels": _TextRule(without_channels, ALL),
        "thoughts": _TextRule(without_thoughts, ALL),
        "answer_tags": _TextRule(out_of_answer_tags, SHORT),
        "fence": _TextRule(out_of_fence, SHORT),
        "whole_fence": _TextRule(out_of_whole_fence, frozenset({"text"})),
        "json": _TextRule(lambda text: json_text(text) or text, frozenset({"json"})),
        "box": _TextRule(out_of_box, LABELS),
        "emphasis": _TextRule(out_of_emphasis, LABELS),
        "quotes": _TextRule(out_of_quotes, LABELS),
        "width": _TextRule(narrow, LABELS),
    }
)
"""Rules that give a text from a text, by name, in their order."""
LABEL_RULES = ("json_field", "announced", "explained", "lone_line")
"""Rules that find a label in a text, by name, in their order."""
NAMES = frozenset([*TEXT_RULES, *LABEL_RULES])


@dataclass(frozen=True, slots=True)
class Cleaned:
    """An answer, cleaned."""

    text: str
    """The label where one is clear, else the answer without what the rules left out; may be empty."""
    label: str | None = None
    """The known label that the answer gives; None where none is clear, or no labels are known."""
    rules: tuple[str, ...] = ()
    """Names of the rules that changed the answer, in their order."""
    reason: str = ""
    """The reason why no label is clear, or why nothing is left; empty where there is none to tell."""


@dataclass(frozen=True)
class Cleaning:
    """The rules by which answers are cleaned; ``Cleaning(off=["json_field"])`` leaves one out.

    The names are those of ``TEXT_RULES`` and ``LABEL_RULES``. Raises DataError for other names.
    """

    off: frozenset[str] = frozenset()
    """Names of rules; any iterable of names is taken."""

    def __post_init__(self) -> None:
        given: Iterable[str] | str = self.off
        names = frozenset([given] if isinstance(given, str) else given)
        if unknown := sorted(map(str, names - NAMES)):
            raise DataError(f"no rule of cleaning is called {unknown[0]!r}; the rules are {', '.join(sorted(NAMES))}")
        object.__setattr__(self, "off", names)

    @classmethod
    def none(cls) -> "Cleaning":
        """Make the cleaning that leaves answers as they are."""
        return cls(off=NAMES)

    def cleaned(self, answer: str, labels: Iterable[str] | LabelReader = (), kind: Kind = "label") -> Cleaned:
        """Clean an answer that is to be of a ``kind``; with known ``labels``, find the one that it gives.

        An answer that is a known label stays that label, whatever the rules say. Cleaning a cleaned answer changes
        nothing.
        """
        reader = labels if isinstance(labels, LabelReader) else LabelReader.of(labels)
        if reader.exact(answer) is None and reader.is_between(answer):
            return Cleaned(answer, None, (), "several labels differ from the answer in letter case or quotes alone")
        found = self._plain(answer, reader, kind)
        if found.label is not None or not reader.labels:
            return found
        for name, read in _READS.items():
            labels_found = frozenset[str]() if name in self.off else read(reader, found.text)
            if len(labels_found) == 1:
                (label,) = labels_found
                return Cleaned(label, label, (*found.rules, name))
            if labels_found:
                break
        return Cleaned(found.text, None, found.rules, _reason(found.text, answer, reader))

    def text(self, answer: str, labels: Iterable[str] | LabelReader = (), kind: Kind = "label") -> str:
        """Text of the cleaned answer."""
        return self.cleaned(answer, labels, kind).text

    def _plain(self, answer: str, reader: LabelReader, kind: Kind) -> Cleaned:
        """Apply the rules of texts until none changes anything, or the text is a label."""
        text, applied, before = answer, list[str](), None
        while text != before:
            before = text
            for name, rule in self._text_rules(kind):
                label = reader.exact(text)
                if label is None and name == "announced":
                    label = reader.alike(text)
                if label is not None:
                    return Cleaned(label, label, tuple(applied))
                changed = rule(text)
                if changed != text:
                    applied += [] if name in applied else [name]
                    text = changed
        reason = "the answer holds nothing but thoughts" if answer.strip() and not text.strip() else ""
        label = reader.exact(text) or reader.alike(text)
        return Cleaned(text if label is None else label, label, tuple(applied), reason)

    def _text_rules(self, kind: Kind) -> list[tuple[str, Callable[[str], str]]]:
        rules = [(name, one.apply) for name, one in TEXT_RULES.items() if kind in one.kinds and name not in self.off]
        return [*rules, ("announced", announced_rest)] if kind == "label" and "announced" not in self.off else rules


def cleaning_of(clean: bool | Cleaning) -> Cleaning:
    """Return all rules for True, none for False, and a cleaning as it is. Raises DataError for anything else."""
    if isinstance(clean, Cleaning):
        return clean
    if not isinstance(clean, bool):
        raise DataError(f"'clean' must be True, False or a Cleaning, got {type(clean).__name__}")
    return Cleaning() if clean else Cleaning.none()


def kind_of(outputs: Sequence[str]) -> Kind:
    """Tell from demonstrations' outputs what an answer is to be: JSON if all are, a text if most are, else a label."""
    known = [one for one in outputs if one.strip()]
    if known and all(one.lstrip()[0] in "{[" and json_text(one) == one.strip() for one in known):
        return "json"
    return "text" if are_texts(known) else "label"


def _by_field(reader: LabelReader, text: str) -> frozenset[str]:
    value = json_text(text)
    if value is None:
        return frozenset()
    fields = [
        (key.lower(), label) for key, said in fields_of(value) if (label := reader.exact(said) or reader.alike(said))
    ]
    named = {label for key, label in fields if key in NAMED_FIELDS}
    return frozenset(named or {label for key, label in fields if not DENYING & set(key.replace("-", "_").split("_"))})


def _announced(reader: LabelReader, text: str) -> frozenset[str]:
    """Labels announced, and that of the first line, which may be another one."""
    said, lines = reader.announced(text), text.strip().split("\n")
    opening = reader.explained(lines[0]) if said and len(lines) > 1 else None
    return frozenset(said | ({opening} if opening else set()))


def _explained(reader: LabelReader, text: str) -> frozenset[str]:
    label = reader.explained(text)
    return frozenset({label} if label else ())


_READS: Mapping[str, Callable[[LabelReader, str], frozenset[str]]] = {
    "json_field": _by_field,
    "announced": _announced,
    "explained": _explained,
    "lone_line": lambda reader, text: frozenset(reader.lone(text)),
}


def _reason(text: str, answer: str, reader: LabelReader) -> str:
    if not text.strip():
        return "the answer holds nothing but thoughts" if answer.strip() else "the answer is empty"
    named = sorted(reader.within(text))
    if not named:
        return "the answer names none of the labels"
    shown = ", ".join(map(repr, named[:4]))
    return f"the answer names {shown} without giving one of them alone as its answer"

"""Thoughts that a model writes around its answer: tags of thinking, and channels."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["ThoughtGate", "without_channels", "without_thoughts"]

NAMES = r"(?:seed:|ant_?)?(?:think(?:ing)?|thoughts?|reasoning|reflection|scratch_?pad|inner_monologue)"
TAG = re.compile(
    rf"<\s*(?P<close>/?)\s*(?P<name>{NAMES})(?:\s[^<>]*)?>"
    rf"|\[(?P<close_2>/?)(?P<name_2>think)\]"
    rf"|<\|(?P<mark>begin|end)_of_(?P<name_3>thought)\|>"
    rf"|◁(?P<close_4>/?)(?P<name_4>think)▷"
    rf"|(?P<open_5><\|channel>)\s*(?P<name_5>thought|analysis)\b|(?P<close_5><channel\|>)",
    re.IGNORECASE,
)
"""Tags that open and close thoughts: XML's with attributes, and those of single families of models."""
CHANNEL = re.compile(
    r"(?:<\|start\|>\s*\w+\s*)?<\|channel\|>\s*(?P<name>\w+)(?:\s*<\|constrain\|>\s*\w+|\s+to=[^\s<]+)*\s*(?:<\|message\|>)?"
    r"(?P<text>.*?)(?=<\|(?:start|channel|end|return|call)\|>|\Z)",
    re.DOTALL | re.IGNORECASE,
)
SPOKEN = re.compile(r"\A\s*(?:assistant)?analysis(?=[\sA-Z]).*assistant(?:<\|channel\|>)?final", re.DOTALL)
"""Channels whose marks were lost when tokens became text."""
FINAL = "final"
FENCE = "```"
LONGEST_TAG = 64
"""Characters of a tag, attributes included, that a stream waits for."""


@dataclass(frozen=True)
class _Tag:
    start: int
    end: int
    name: str
    closes: bool


def without_thoughts(text: str) -> str:
    """Leave out thinking in its tags; the text as it is where it has no such tag.

    A tag that is never closed hides the rest, and a closing tag without an opening one hides all before it. Thoughts
    may be nested, and a thought that speaks of an opening tag ends at the last closing one.
    """
    tags = [_tag(one) for one in TAG.finditer(text)]
    if not tags:
        return text
    kept, is_open = _outside(text, tags)
    if is_open and not kept.strip() and tags[-1].closes:
        kept = text[tags[-1].end :]
    return kept.strip()


def without_channels(text: str) -> str:
    """Take the last final channel of an answer in channels; empty where it has others alone."""
    found = [(one["name"].lower(), one["text"]) for one in CHANNEL.finditer(text)]
    if found:
        finals = [said for name, said in found if name == FINAL]
        return finals[-1].strip() if finals else ""
    spoken = SPOKEN.match(text)
    return text[spoken.end() :].strip() if spoken else text


def _outside(text: str, tags: Sequence[_Tag]) -> tuple[str, bool]:
    """Text outside all thoughts, and True where a thought is open at the end."""
    kept, start, names = "", 0, list[str]()
    for tag in tags:
        if not names:
            kept += text[start : tag.start]
        if not tag.closes:
            names.append(tag.name)
        elif tag.name in names:
            del names[len(names) - 1 - names[::-1].index(tag.name) :]
        elif not names:
            kept = ""  # its opening tag is missing: all before it was thought
        start = tag.end
    return kept if names else kept + text[start:], bool(names)


def _tag(found: re.Match[str]) -> _Tag:
    closes = any(found[name] for name in ("close", "close_2", "close_4", "close_5")) or found["mark"] == "end"
    names = (found[name] for name in ("name", "name_2", "name_3", "name_4"))
    return _Tag(found.start(), found.end(), next(filter(None, names), "channel").lower(), bool(closes))


@dataclass
class ThoughtGate:
    """Lets the text of a stream pass as soon as it can be no thought; joined, it is the cleaned answer.

    With ``waits`` nothing passes before a thought has closed, or the end: a closing tag may come without an opening
    one. Otherwise text passes until a tag opens, so that a lone closing tag comes too late for what has passed.
    """

    waits: bool = False
    _text: str = field(default="", init=False)
    _passed: str = field(default="", init=False)

    def add(self, chunk: str) -> str:
        """Take a chunk; return the text that may be passed on now."""
        self._text += chunk
        known = self._text[: _opening(self._text)]
        if known.lstrip().startswith(FENCE):
            return ""
        tags = [_tag(one) for one in TAG.finditer(known)]
        if "<|" in self._text or (self.waits and not tags):
            return ""
        if not tags:
            return self._pass(known)
        kept, is_open = _outside(known, tags)
        return "" if is_open and tags[-1].closes else self._pass(kept.strip())

    def end(self, cleaned: str) -> str:
        """Take the end of the stream and the whole answer, cleaned; return the part that has not passed."""
        return self._pass(cleaned)

    @property
    def text(self) -> str:
        """The whole answer as the model said it, so far."""
        return self._text

    def _pass(self, shown: str) -> str:
        passed = self._passed if shown.startswith(self._passed) else self._passed.lstrip()
        if not shown.startswith(passed):
            return "" if passed.startswith(shown) else shown
        self._passed = shown
        return shown[len(passed) :]


def _opening(text: str) -> int:
    """Place where the last characters may be the start of a tag; the text's length where they can't."""
    tail = max(len(text) - LONGEST_TAG, 0)
    places = [place for sign in "<[◁`" if (place := text.rfind(sign, tail)) >= 0]
    return min((place for place in places if not re.search(r"[>\]▷`]\S*\s", text[place:])), default=len(text))

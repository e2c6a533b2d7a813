"""Labels in an answer: the one that a text gives as its answer, or a reason why none is clear."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from metachain.normal_form import label_form

__all__ = ["LabelReader", "announced_rest"]

NOUN = r"(?:answer|label|code|category|classification|class|result|output|response|prediction|decision|verdict|choice)"
SURE = r"(?:(?:therefore|thus|then|most likely|likely|probably|clearly|definitely|simply|indeed)\b,?\s*)?"
ANNOUNCED = re.compile(
    rf"\b{NOUN}(?:\s*\([^()\n]*\))?(?:\s+(?:for|of|to|here|in)\b[^.:;,\n?]{{0,60}}?)?"
    rf"\s*(?:\s(?:is|would be|should be|will be|must be)\b\s*:?|:|=>|->|=|→)\s*{SURE}"
    r"|\bi(?:'d| would|'ll| will)?\s+"
    r"(?:code|classify|label|book|bill|assign|choose|pick|select|say|go with|use|answer)\b"
    r"(?:\s+(?:it|this|that|with|as|under|to|the|code|label|text|charge|item))*\s*:?\s+",
)
SAID = re.compile(
    r"\b(?:it|this|that)(?:'s|\s(?:is|should be|would be|must be))\s+"
    r"(?:(?:coded|classified|labelled|booked)\s+(?:as|under)?\s*)?"
)
"""Announces labels with digits only: "this is urgent" is a sentence."""
DOUBTED = re.compile(
    r"n't\b|\b(?:not|never|no|none|neither|nor|if|wrong|incorrect|false|bad|previous|old|former|earlier|example|sample|alternative|other"
    r"|another|second|rejected|excluded|possible|candidate|input|unlikely|whether|cannot|unsure|draft|initial|first)\b"
)
FINAL = re.compile(r"\bfinal\s+(?:\w+\s+)?$")
OPENING, CLOSING = " \t\"'`*“‘«([{$", "\"'`*”’»)]}$"
BULLET = re.compile(r"(?:[-•>–]|\d{1,2}[.)])\s+")
NOT_BUT = re.compile(r"not\s+[^.;\n]{1,60}?,?\s+but\s+(?:rather\s+|is\s+|instead\s+)?")
SEPARATOR = re.compile(
    r"\s*\n\s*|\s*[.;:!,|]+(?=\s|$)\s*|\s+[-–—]+\s+|\s*—\s*|\s*(?=\()"
    r"|\s+(?=(?:because|since|due to|based on|instead of|rather than|and not|as (?:the|it|this))\b)"
    rf"|\s+(?=is (?:the|my|our)\s(?:[\w-]+\s){{0,4}}{NOUN}\b|is (?:correct|right|the best|most appropriate)\b)"
)
DENIES = re.compile(
    r"\(?\s*(?:(?:is |are |would be |this is |that is |that's |it's )?"
    r"(?:not|no|wrong|incorrect|false|never|unlikely|none|n/a)\b"
    r"|(?:isn't|doesn't|don't|can't|cannot)\b|\?)"
)
LISTS = re.compile(
    r"\(?\s*(?:or|and(?! not)|and/or|to|through|thru|until|versus|vs\.?|/|&|,|alternatively|either)(?=\W)"
)
HEDGED = re.compile(
    r"(?:\b(?:or|and|also|maybe|perhaps|possibly|probably|alternatively|either|neither|versus|vs|could|might|may|should"
    r"|actually|wait|correction|meant|mistake|no|better|now|then|but|finally)\b|[/&?])[^.\n]*$"
)
AGAINST = re.compile(
    r"(?:\b(?:not|than|instead of|previously|formerly|was|were|unlike|used to be|without)\b|n't)[^.;\n]{0,20}$"
)
RECONSIDERS = re.compile(r"\b(?:wait|actually|correction|second thoughts?|scratch that|i meant|my mistake|sorry)\b")


UNCLEAR = ""
QUOTES = "\"'`*“”‘’"


@dataclass(frozen=True)
class LabelReader:
    """Finds labels in answers; letter case and blanks don't count, where labels don't differ in these alone."""

    labels: tuple[str, ...]
    """Distinct in their normal form."""

    @classmethod
    def of(cls, labels: Iterable[str]) -> Self:
        """Make a reader; of labels that look the same the first in alphabetical order counts."""
        by_form: dict[str, str] = {}
        for label in sorted(set(labels)):
            by_form.setdefault(label_form(label), label)
        return cls(tuple(one for form, one in by_form.items() if form))

    def exact(self, text: str) -> str | None:
        """The label that the text is, in the form in which outputs are compared."""
        return self._by_form.get(label_form(text))

    def alike(self, text: str) -> str | None:
        """The only label from which the text differs in letter case, quotes and a full stop alone."""
        found = self._by_bare.get(_bare(text), [])
        return found[0] if len(found) == 1 else None

    def announced(self, text: str) -> set[str]:
        """Labels that the text announces, as "The code is 0320."; those called final where there are any.

        A label with an alternative, as in "Answer: 0320 or 0324", comes with a second, empty one.
        """
        shown, folded = _folded(text)
        found: list[tuple[str, bool]] = []
        for one in [*ANNOUNCED.finditer(folded), *SAID.finditer(folded)]:
            before = re.split(r"[.;!\n]", folded[: one.start()])[-1]
            first, label = ("", None) if DOUBTED.search(before) else self._opening(shown[one.end() :])
            if first and (one.re is ANNOUNCED or any(map(str.isdigit, first))):
                found += [(said, bool(FINAL.search(before))) for said in {label or first, label or UNCLEAR}]
        finals = {label for label, final in found if final}
        return finals or {label for label, _ in found}

    def explained(self, text: str) -> str | None:
        """The label at the start of a text that then explains it."""
        return self._head(_folded(text)[0])

    def lone(self, text: str) -> set[str]:
        """Labels that stand alone in a line, or as "0320 is the answer", where the line before doesn't deny them."""
        found, before = set[str](), ""
        for line in filter(None, map(str.strip, text.split("\n"))):
            label = self._head(_folded(line)[0])
            rest = line[len(label) + 1 :] if label else ""
            if (
                label
                and (len(rest) < 3 or re.search(rf"\bis\b.*\b{NOUN}\b", rest))
                and not DOUBTED.search(before.lower())
            ):
                found.add(label)
            before = line
        return found

    def within(self, text: str) -> set[str]:
        """All labels that stand as words of the text; of labels within others the longest."""
        return {label for _, _, label in self._places(_folded(text)[0])}

    def is_between(self, text: str) -> bool:
        """True for a text that is alike to several labels, which differ in letter case or quotes alone."""
        return len(self._by_bare.get(_bare(text), [])) > 1

    @cached_property
    def _by_form(self) -> dict[str, str]:
        return {label_form(one): one for one in self.labels}

    @cached_property
    def _by_bare(self) -> dict[str, list[str]]:
        return _grouped(self.labels, _bare)

    @cached_property
    def _by_fold(self) -> dict[str, list[str]]:
        return _grouped(self.labels, lambda one: _folded(one)[1])

    @cached_property
    def _lengths(self) -> list[int]:
        return sorted({len(one) for one in self._by_fold}, reverse=True)

    def _head(self, shown: str) -> str | None:
        """The label at the start of a text, if what follows explains it and names no other as the answer."""
        return self._opening(shown)[1]

    def _opening(self, shown: str) -> tuple[str, str | None]:
        """The label at the start of a text, empty where there is none, and the same if it is settled."""
        for start in self._starts(shown):
            found = self._at(shown, start)
            if found is not None:
                return found[0], found[0] if self._is_settled(found[0], shown[found[1] :]) else None
        turned = NOT_BUT.match(_fold(shown))
        return self._opening(shown[turned.end() :]) if turned else ("", None)

    def _starts(self, shown: str) -> Iterator[int]:
        yield 0
        start = len(shown) - len(shown.lstrip(OPENING))
        yield start
        bullet = BULLET.match(shown, start)
        if bullet:
            yield bullet.end() + len(shown[bullet.end() :]) - len(shown[bullet.end() :].lstrip(OPENING))

    def _at(self, shown: str, start: int) -> tuple[str, int] | None:
        """The longest label that stands at a place, and the place after it; None where there is none, or several."""
        for length in self._lengths:
            end = start + length
            known = self._by_fold.get(_fold(shown[start:end]), [])
            if known and end <= len(shown) and _ends_word(shown, end):
                same = [one for one in known if label_form(one) == shown[start:end]] or known
                return (same[0], end) if len(same) == 1 else None
        return None

    def _is_settled(self, label: str, rest: str) -> bool:
        rest = rest.lstrip(CLOSING)
        if not rest.strip(" .!\n"):
            return True
        separator = SEPARATOR.match(_fold(rest))
        if separator is None:
            return False
        more = rest[separator.end() :]
        others = [one for one in self._places(more) if one[2] != label]
        denied = DENIES.match(_fold(more))
        if denied and not _names_another(more[denied.end() :], label, {start for start, _, _ in others}, denied.end()):
            return False
        if LISTS.match(_fold(more)) or _is_code(more, label) or self._opens_with(more, others):
            return False
        return not any(self._is_rival(more, start) for start, _, _ in others)

    def _opens_with(self, more: str, others: Sequence[tuple[int, int, str]]) -> bool:
        opening = set(self._starts(more))
        return any(start in opening for start, _, _ in others)

    def _is_rival(self, more: str, start: int) -> bool:
        before = _fold(more[:start])
        if AGAINST.search(before):
            return False
        named = ANNOUNCED.search(before[-60:])
        return bool(HEDGED.search(before) or RECONSIDERS.search(before) or (named and named.end() == len(before[-60:])))

    def _places(self, shown: str) -> list[tuple[int, int, str]]:
        found, place = [], 0
        while place < len(shown):
            one = self._at(shown, place) if place == 0 or not _is_word(shown[place - 1]) else None
            if one is not None:
                found.append((place, one[1], one[0]))
            place = one[1] if one else place + 1
        return found


def announced_rest(text: str) -> str:
    """The rest of a single line "Answer: …" or "The label is …"; the text as it is where it is no such line."""
    found = re.fullmatch(
        rf"(?:the |my )?(?:final |correct |best )*(?:{NOUN}|rating|score)(?:\s*:|\s+is:?)\s*(?P<rest>\S.*)",
        text.strip(),
        re.IGNORECASE,
    )
    return found["rest"] if found else text


def _grouped(labels: Iterable[str], form: Callable[[str], str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for one in labels:
        groups.setdefault(form(one), []).append(one)
    return groups


def _folded(text: str) -> tuple[str, str]:
    """The text in the form in which outputs are compared, and in lower case; both of one length."""
    shown = label_form(text)
    return shown, _fold(shown)


def _fold(text: str) -> str:
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(one.lower() if len(one.lower()) == 1 else one for one in text)


def _bare(text: str) -> str:
    return " ".join(text.split()).lower().strip(QUOTES).rstrip(".").strip(QUOTES)


def _is_word(sign: str) -> bool:
    return sign.isalnum() or sign == "_"


def _ends_word(text: str, end: int) -> bool:
    """True where a word ends: "E11" is no word of "E11.9", "0320" none of "0320-0329" or "0320%"."""
    if end >= len(text):
        return True
    if _is_word(text[end - 1]) and _is_word(text[end]):
        return False
    joins = text[end] in ".-–/,:'’+" and end + 1 < len(text) and _is_word(text[end + 1])
    return not joins and text[end] not in "%+°#@^"


def _is_code(more: str, label: str) -> bool:
    """True where a text opens with a code like the label: the end of a range, or the next of a list."""
    found = re.match(r"\(?\s*(\w+)", more)
    first = found[1] if found else ""
    return len(first) == len(label) and all(any(map(str.isdigit, one)) for one in (first, label))


def _names_another(rest: str, label: str, starts: set[int], offset: int) -> bool:
    """True where a denial is of another label, as in "0324, not 0320"."""
    blank = len(rest) - len(rest.lstrip())
    return offset + blank in starts or _is_code(rest.lstrip(), label)

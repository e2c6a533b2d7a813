"""Sets of labels: outputs that hold several labels, such as ``R05; R50.9``, in one canonical order."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from metachain.errors import DataError
from metachain.normal_form import label_form, visible

__all__ = ["LabelSets", "label_sets", "proposed_separator"]

NAMES = {"newline": "\n", "\\n": "\n", "tab": "\t", "\\t": "\t", "space": " ", "comma": ",", "semicolon": ";"}
NAMES |= {"bar": "|", "pipe": "|"}
"""Names of separators that are hard to type."""
UNFIT = "\"'()[]{}“”‘’„"
CACHED = 1 << 16
PROPOSED = ";|,\n/+"
"""Separators that are looked for, the likeliest first."""
RECURRING = 0.6
"""Least share of parts that stand in other outputs too."""
FEWEST = 2
"""Least number of distinct outputs with several labels."""
MOST_WORDS = 4
"""Most words of a part that may be a label."""
NUMBER = re.compile(r"[\d\s.,/:+%-]*\d[\d\s.,/:+%-]*[^\W\d]{0,3}")
"""A number, a date or a range of numbers, maybe with a unit."""
GROUP = r'"[^"\n]*"|\([^()\n]*\)|\[[^\[\]\n]*\]'
"""Quoted and bracketed parts; a separator within them does not separate."""


@dataclass(frozen=True)
class LabelSets:
    """The way in which outputs hold labels: each character of ``separators`` separates two labels.

    A separator within double quotes or brackets belongs to its label. Raises DataError for separators that are letters,
    digits, quotes or brackets, or none.
    """

    separators: str
    _between: "re.Pattern[str]" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "separators", _checked(self.separators))
        one_of = r"\s" if self.separators == " " else re.escape(self.separators)
        object.__setattr__(self, "_between", re.compile(f"{GROUP}|(?P<between>[{one_of}])"))

    @property
    def joint(self) -> str:
        """The text between two labels in the canonical form: the first separator, with blanks as people write them."""
        first = self.separators[0]
        return first if first.isspace() else f"{first} " if first in ",;:" else f" {first} "

    def labels(self, text: str) -> tuple[str, ...]:
        """The distinct labels of an output, each in the form of labels, in alphabetical order.

        Empty parts don't count. Double quotes around a label without a separator, and square brackets around one label
        or several, are left out.
        """
        return _labels(self, text)

    def form(self, text: str) -> str:
        """The canonical form of a set: its labels in alphabetical order; the same for every order, and for duplicates.

        Empty for a text without any label.
        """
        return self.joint.join(self.labels(text))

    def stored(self, text: str) -> str:
        """The canonical form, or the text itself where it holds no label, such as ``;``."""
        return self.form(text) or text

    def join(self, labels: Iterable[str]) -> str:
        """The canonical form of several labels, or sets of them."""
        return self.joint.join(sorted({one for label in labels for one in self.labels(label)}))

    def _parts(self, text: str) -> list[str]:
        places = [found for found in self._between.finditer(text) if found["between"]]
        starts = [0, *(found.end() for found in places)]
        ends = [*(found.start() for found in places), len(text)]
        return [label_form(text[start:end]) for start, end in zip(starts, ends, strict=True)]


def label_sets(separators: str) -> LabelSets | None:
    """The sets of labels with these separators; None for an empty text, where each output is one label."""
    return LabelSets(separators) if separators else None


@lru_cache(CACHED)
def _labels(sets: LabelSets, text: str) -> tuple[str, ...]:
    found: set[str] = set()
    waiting, seen = [visible(text)], set()
    while waiting:
        asked = waiting.pop()
        for part in sets._parts(asked):
            inner = _unwrapped(part, sets)
            if inner in (part, asked):
                found.add(part)
            elif inner not in seen:
                seen.add(inner)
                waiting.append(inner)
    found.discard("")
    joined = sets.joint.join(sorted(found))
    # Parts of unbalanced brackets may be balanced in another order.
    return tuple(sorted(found)) if len(found) < 2 or joined == text else _labels_again(sets, joined, found)


def _labels_again(sets: LabelSets, joined: str, found: set[str]) -> tuple[str, ...]:
    again = {part for part in sets._parts(joined) if part}
    if again == found:
        return tuple(sorted(found))
    return _labels(sets, joined)


def _unwrapped(part: str, sets: LabelSets) -> str:
    """A part without the square brackets around all of it, or the quotes around a label without a separator."""
    if re.fullmatch(r"\[[^\[\]]*\]", part):
        return label_form(part[1:-1])
    if re.fullmatch(r'"[^"]*"', part) and sets._between.search(part[1:-1]) is None:
        return label_form(part[1:-1])
    return part


def _checked(given: object) -> str:
    if not isinstance(given, str) or not given:
        raise DataError(f"a label separator must be a text such as ';', got {given!r}")
    named = NAMES.get(given.strip().lower() or given, given)
    kept = "".join(dict.fromkeys(named))
    kept = kept.replace("\r", "\n")
    if not set(kept) <= {" ", "\n", "\t"} or "\n" in kept or "\t" in kept:
        kept = kept.replace(" ", "")
    kept = "".join(dict.fromkeys(kept))
    unfit = (one for one in kept if one.isalnum() or one in UNFIT or not (one.isprintable() or one in "\n\t"))
    if wrong := next(unfit, ""):
        raise DataError(f"{wrong!r} can't separate labels; give a sign such as ; | , / or newline, each sign separates")
    return kept


def proposed_separator(outputs: Mapping[str, int]) -> tuple[str, str]:
    """Signs that seem to separate several labels in one output, and such an output; both empty if none do.

    ``outputs`` are distinct outputs in the form of labels. The parts of those with the sign must recur: most of them
    stand in other outputs too, alone or in other company. Sentences, numbers and dates are no sets.
    """
    found, example = "", ""
    for sign in PROPOSED:
        sets = LabelSets(sign)
        split = {output: sets.labels(output) for output in outputs}
        several = {output: labels for output, labels in split.items() if len(labels) > 1}
        parts = [label for labels in several.values() for label in labels]
        if len(several) < FEWEST or _are_no_labels(sign, list(several), parts):
            continue
        known = Counter(label for labels in split.values() for label in labels)
        if sum(known[label] > 1 for label in parts) >= RECURRING * len(parts):
            found, example = found + sign, example or min(several)
    return found, example


def _are_no_labels(sign: str, several: list[str], parts: list[str]) -> bool:
    """True for parts of sentences, and of numbers, dates and ranges; codes of digits are no numbers."""
    if 5 * sum(len(part.split()) > MOST_WORDS for part in parts) > len(parts):
        return True
    if sign not in ",/+":
        return False
    return 2 * sum(bool(NUMBER.fullmatch(one)) and not _lists_codes(one) for one in several) > len(several)


def _lists_codes(text: str) -> bool:
    """True for codes of at least three digits each, all of one length, with commas between them."""
    codes = [one.strip() for one in text.split(",")]
    same = len(set(map(len, codes))) == 1
    return len(codes) > 1 and same and all(one.isdigit() and len(one) > 2 for one in codes)

"""Patient identifiers in a text, found by Presidio."""

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import chain
from typing import Any

from metachain.deidentification.person_names import name_words, occurrences
from metachain.errors import DataError

__all__ = ["Identifier", "identifiers", "identifiers_of", "replaced"]

WINDOW, OVERLAP = 20_000, 1_000
"""Length of the parts in which a text is analysed, and their overlap, in characters."""
_PLACEHOLDER = re.compile(r"<[A-Z][A-Z0-9_]*>")


@dataclass(frozen=True, slots=True)
class Identifier:
    """A part ``text[start:end]`` of a text that identifies a person.

    ``kind`` is Presidio's name, such as PERSON or US_SSN; ``score`` in [0, 1] is the confidence.
    """

    kind: str
    start: int
    end: int
    score: float


def identifiers(text: str, analyzer: Any = None) -> tuple[Identifier, ...]:
    """Identifiers in a text, in order, without overlaps.

    ``analyzer`` is a Presidio ``AnalyzerEngine`` that runs in addition. ``<KIND>`` marks an identifier that was already
    replaced and does not count. Raises DataError if Presidio is not installed.
    """
    return identifiers_of([text], analyzer)[0]


def identifiers_of(texts: Sequence[str], analyzer: Any = None) -> list[tuple[Identifier, ...]]:
    """Identifiers in each of the texts; a name found in one of them is searched in all."""
    found = [_analyzed(text, analyzer) for text in texts]
    spans = ((text, one) for text, several in zip(texts, found, strict=True) for one in several if one.kind == "PERSON")
    words = {word for text, one in spans for word in name_words(text[one.start : one.end])}
    again = [[Identifier("PERSON", *span, 0.5) for span in occurrences(text, words)] for text in texts]
    return [_merged(text, [*a, *b]) for text, a, b in zip(texts, found, again, strict=True)]


def replaced(text: str, found: Sequence[Identifier]) -> str:
    """The text with each identifier replaced by its kind, ``<KIND>``; identifiers are in order and do not overlap."""
    parts, place = [], 0
    for one in found:
        parts += [text[place : one.start], f"<{one.kind}>"]
        place = one.end
    return "".join([*parts, text[place:]])


def _analyzed(text: str, analyzer: Any) -> list[Identifier]:
    engines = [_our_analyzer(), *([] if analyzer is None else [analyzer])]
    return [
        Identifier(result.entity_type, start + result.start, start + result.end, float(result.score))
        for start, window in _windows(text)
        for engine in engines
        for result in engine.analyze(text=window, language="en")
        if not _is_cut(text, start + result.start, start) and not _is_cut(text, start + result.end, start + len(window))
    ]


def _is_cut(text: str, place: int, edge: int) -> bool:
    """True if the position is the edge of a window within a word; a result that starts or ends there is unreliable."""
    return place == edge and 0 < edge < len(text) and not (text[edge - 1].isspace() or text[edge].isspace())


def _our_analyzer() -> Any:
    logging.getLogger("presidio-analyzer").setLevel(logging.WARNING)  # it tells of each recogniser that it loads
    try:
        return import_module("metachain.deidentification.recognizers").analyzer()
    except ImportError as error:
        raise DataError(
            f"de-identification needs presidio-analyzer ({error}): pip install 'metachain[deidentify]'"
        ) from None


def _windows(text: str) -> Iterator[tuple[int, str]]:
    """Overlapping parts of a text with their start, cut between words where possible."""
    start = 0
    while len(text) - start > WINDOW:
        end = start + WINDOW
        cut = max(text.rfind(" ", end - OVERLAP // 2, end), text.rfind("\n", end - OVERLAP // 2, end))
        end = end if cut < 0 else cut
        yield start, text[start:end]
        begin = end - OVERLAP
        space = text.find(" ", begin, begin + OVERLAP // 2)
        start = begin if space < 0 else space
    yield start, text[start:]


def _merged(text: str, found: list[Identifier]) -> tuple[Identifier, ...]:
    """Identifiers with overlapping ones merged, under the kind with the highest score, and placeholders left out."""
    merged: list[tuple[int, int, Identifier]] = []
    for one in sorted(found, key=lambda one: (one.start, -one.end)):
        if merged and one.start < merged[-1][1]:
            start, end, surest = merged.pop()
            surest = max(surest, one, key=lambda one: (one.score, one.end - one.start))
            merged.append((start, max(end, one.end), surest))
        else:
            merged.append((one.start, one.end, one))
    whole = (replace(surest, start=start, end=end) for start, end, surest in merged)
    return tuple(part for one in whole for part in _outside_placeholders(text, one))


def _outside_placeholders(text: str, one: Identifier) -> Iterator[Identifier]:
    """Parts of an identifier outside placeholders that have a letter or digit."""
    matches = _PLACEHOLDER.finditer(text, max(0, one.start - 40), one.end + 40)
    inside = (match.span() for match in matches if match.end() > one.start and match.start() < one.end)
    edges = [one.start, *chain.from_iterable(inside), one.end]
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if any(character.isalnum() for character in text[start:end]):
            yield replace(one, start=start, end=end)

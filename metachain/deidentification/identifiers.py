"""What in a text may tell who a patient is, by Presidio."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from metachain.deidentification.person_names import name_words, occurrences
from metachain.errors import DataError

__all__ = ["Identifier", "identifiers", "identifiers_of", "replaced"]

WINDOW, OVERLAP = 20_000, 1_000
"""Characters of a text that are looked at together, and how many of them again with the next."""
_PLACEHOLDER = re.compile(r"<[A-Z][A-Z0-9_]*>")


@dataclass(frozen=True, slots=True)
class Identifier:
    """A part ``text[start:end]`` of a text that identifies somebody.

    ``kind`` is Presidio's word, such as PERSON or US_SSN; ``score`` in [0, 1] says how sure it is.
    """

    kind: str
    start: int
    end: int
    score: float


def identifiers(text: str, analyzer: Any = None) -> tuple[Identifier, ...]:
    """Identifiers in a text, in order, none over another.

    ``analyzer`` is a Presidio ``AnalyzerEngine`` that is asked too. What stands as ``<KIND>`` has been replaced already
    and is no identifier. Raises DataError where Presidio isn't installed.
    """
    return identifiers_of([text], analyzer)[0]


def identifiers_of(texts: Sequence[str], analyzer: Any = None) -> list[tuple[Identifier, ...]]:
    """Identifiers in each of the texts; a name that one of them gives away is found in all."""
    found = [_analyzed(text, analyzer) for text in texts]
    spans = ((text, one) for text, several in zip(texts, found, strict=True) for one in several if one.kind == "PERSON")
    words = {word for text, one in spans for word in name_words(text[one.start : one.end])}
    again = [[Identifier("PERSON", *span, 0.5) for span in occurrences(text, words)] for text in texts]
    return [_merged(text, [*a, *b]) for text, a, b in zip(texts, found, again, strict=True)]


def replaced(text: str, found: Sequence[Identifier]) -> str:
    """The text with each identifier replaced by its kind, ``<KIND>``; the identifiers are in order and apart."""
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
    """Whether a place is the edge of a window that goes through a word: what seems to begin or end there doesn't."""
    return place == edge and 0 < edge < len(text) and not (text[edge - 1].isspace() or text[edge].isspace())


def _our_analyzer() -> Any:
    try:
        return import_module("metachain.deidentification.recognizers").analyzer()
    except ImportError as error:
        raise DataError(
            f"de-identification needs presidio-analyzer ({error}): pip install 'metachain[deidentify]'"
        ) from None


def _windows(text: str) -> Iterator[tuple[int, str]]:
    """Parts of a text with where they begin; they overlap, and are cut between words where that can be."""
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
    """Those that overlap made one, of the surest kind, and what is replaced already left out."""
    merged: list[Identifier] = []
    surest: list[Identifier] = []
    for one in sorted(found, key=lambda one: (one.start, -one.end)):
        if merged and one.start < merged[-1].end:
            last, best = merged[-1], max(surest[-1], one, key=lambda one: (one.score, one.end - one.start))
            merged[-1] = replace(best, start=last.start, end=max(last.end, one.end))
            surest[-1] = best
        else:
            merged.append(one)
            surest.append(one)
    return tuple(part for one in merged for part in _outside_placeholders(text, one))


def _outside_placeholders(text: str, one: Identifier) -> Iterator[Identifier]:
    place = one.start
    around = text[max(0, one.start - 40) : one.end + 40]
    for match in _PLACEHOLDER.finditer(around):
        start, end = (max(0, one.start - 40) + edge for edge in match.span())
        if end > one.start and start < one.end:
            yield from _if_it_has_letters(text, replace(one, start=place, end=max(place, start)))
            place = max(place, end)
    yield from _if_it_has_letters(text, replace(one, start=place, end=max(place, one.end)))


def _if_it_has_letters(text: str, one: Identifier) -> Iterator[Identifier]:
    if any(character.isalnum() for character in text[one.start : one.end]):
        yield one

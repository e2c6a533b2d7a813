"""Outputs that list spans, ``text [Type]; text [Type]`` or ``none``: reading, writing, and tagging a query.

A similarity-weighted vote of the demonstrations' tokens labels each token of the query (a Nadaraya-Watson classifier
over character n-grams of the token and of its neighbours). A word that was never shown can thus be found by its shape
and its place.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metachain.embedding.similarity import lexical_vectors, normalise_text
from metachain.scoring.scripts import TOKEN

__all__ = [
    "NO_SPANS",
    "TAGGING_TEMPERATURE",
    "Span",
    "are_span_lists",
    "format_spans",
    "mark_inputs",
    "parse_spans",
    "tag_spans",
]

NO_SPANS = "none"
TAGGING_TEMPERATURE = 0.04
SHAPE_LENGTH = 6
NEIGHBOUR_WEIGHT = 0.15
_NO_SPANS = re.compile(r"\s*none\s*\.?\s*", re.IGNORECASE)
_SPAN = re.compile(r"\s*(\S|\S.*?\S)\s*\[([^\W\d][^\[\];]*)\]\s*(?:;|$)")
_TOKEN = re.compile(rf"{TOKEN}|[^\w\s]")


class Span(NamedTuple):
    """A piece of text and its type."""

    text: str
    type: str


def parse_spans(output: str) -> tuple[Span, ...] | None:
    """Read ``text [Type]; text [Type]``, or the word none as no spans; None where the output has another form.

    A type starts with a letter; the text may hold semicolons and brackets of its own.
    """
    if _NO_SPANS.fullmatch(output):
        return ()
    spans, place, end = [], 0, len(output.rstrip())
    while place < end:
        found = _SPAN.match(output, place)
        if found is None:
            return None
        spans.append(Span(found[1], found[2].strip()))
        place = found.end()
    return tuple(spans) or None


def format_spans(spans: Sequence[Span]) -> str:
    """Write spans as ``parse_spans`` reads them; the word none where there are none."""
    return "; ".join(f"{span.text} [{span.type}]" for span in spans) or NO_SPANS


def are_span_lists(outputs: Sequence[str], share: float = 1.0) -> bool:
    """True where at least this share of the non-blank outputs lists spans or says none, and one lists a span."""
    parsed = [parse_spans(output) for output in outputs if output.strip()]
    return any(parsed) and sum(one is not None for one in parsed) >= share * len(parsed)


def mark_inputs(demonstrations: Sequence[tuple[str, str]]) -> bool:
    """True where all non-blank outputs are span lists, and most of the spans occur in their own inputs."""
    if not are_span_lists([output for _, output in demonstrations]):
        return False
    stands = [
        normalise_text(span.text) in normalise_text(text)
        for text, output in demonstrations
        for span in parse_spans(output) or ()
    ]
    return 2 * sum(stands) > len(stands)


def tag_spans(query: str, demonstrations: Sequence[tuple[str, str]], temperature: float = TAGGING_TEMPERATURE) -> str:
    """List the spans of the query, in its order and wording, as the ``(input, output)`` pairs shown mark theirs.

    Each token of the demonstrations weighs ``exp(similarity / temperature)`` for its type, or for no type; adjacent
    tokens of one type make a span. Returns ``none`` where no token has a type. Outputs of another form are ignored.
    """
    shown = [_tagged(text, output) for text, output in demonstrations]
    tags = [tag for _, each in shown for tag in each]
    types = sorted(set(tags))
    places = list(_TOKEN.finditer(query))
    if not places or not any(types):
        return NO_SPANS
    similarity = _similarity(_token_vectors(query), np.concatenate([vectors for vectors, _ in shown]))
    weight = np.exp((similarity - similarity.max(axis=1, keepdims=True)) / temperature)
    is_of = np.array([[tag == one for one in types] for tag in tags], float)
    best = (types[one] for one in np.round(weight @ is_of, 12).argmax(axis=1))
    spans = []
    for tag, group in groupby(zip(places, best, strict=True), key=lambda one: one[1]):
        tokens = [place for place, _ in group]
        if tag:
            spans.append(Span(query[tokens[0].start() : tokens[-1].end()], tag))
    return format_spans(spans)


@lru_cache(maxsize=1024)
def _tagged(text: str, output: str) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Token vectors of a demonstration's input, and each token's type (empty outside spans), with an empty token last.

    A span listed twice marks two of its places, from left to right; longer spans mark first.
    """
    spans = parse_spans(output)
    tokens = [normalise_text(token) for token in _TOKEN.findall(text)]
    if spans is None or not tokens:
        return _token_vectors(""), ()
    tags = [""] * len(tokens)
    for span in sorted(spans, key=lambda one: -len(one.text)):
        wanted = [normalise_text(token) for token in _TOKEN.findall(span.text)]
        size = len(wanted)
        for start in range(len(tokens) - size + 1):
            if tokens[start : start + size] == wanted and not any(tags[start : start + size]):
                tags[start : start + size] = [span.type] * size
                break
    return np.pad(_token_vectors(text), ((0, 1), (0, 0))), (*tags, "")


def _token_vectors(text: str) -> NDArray[np.float32]:
    """Unit rows (tokens, 512): the character n-grams of each token and of its shape."""
    return lexical_vectors([f"{token} {_shape(token)}" for token in _TOKEN.findall(text)])


def _shape(token: str) -> str:
    """Case and digits of the first characters, in signs that are rare in texts."""
    kinds = ("^" if one.isupper() else "~" if one.islower() else "#" if one.isdigit() else one for one in token)
    return "".join(kinds)[:SHAPE_LENGTH]


def _similarity(query: NDArray[np.float32], shown: NDArray[np.float32]) -> NDArray[np.floating]:
    """(n, m) similarity of tokens, in [-1, 1]: their own cosine, and those of the tokens before and after them."""
    own = query @ shown.T
    similarity = (1 - 2 * NEIGHBOUR_WEIGHT) * own
    similarity[1:, 1:] += NEIGHBOUR_WEIGHT * own[:-1, :-1]
    similarity[:-1, :-1] += NEIGHBOUR_WEIGHT * own[1:, 1:]
    return similarity

"""JSON in an answer: the one value in the text around it, and the fields that hold a label."""

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

__all__ = ["fields_of", "json_text", "only_value_within"]

LONGEST = 100_000
"""Characters of an answer in which JSON is looked for."""
OPENING = re.compile(r"[{\[]")
_DECODER = json.JSONDecoder()


def json_text(text: str) -> str | None:
    """The text of the only JSON object or array in a text; None where there is none, or there are several.

    Objects in Python's notation and with a comma too many count, and are returned as JSON.
    """
    bare = text.strip().removeprefix("\ufeff").strip()
    if _is_json(bare):
        return bare
    found = list(_values(bare[:LONGEST]))
    return found[0] if len(found) == 1 else None


def only_value_within(text: str) -> str | None:
    """The only element of a JSON array, or the object in the only field of an object; None where there is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    inner = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(inner, list) or len(inner) != 1 or not isinstance(inner[0], dict):
        return None
    return json.dumps(inner[0], ensure_ascii=False)


def fields_of(text: str) -> list[tuple[str, str]]:
    """Keys and texts of a JSON value: one key a text, without names of objects around it; blank keys in arrays."""
    return list(_leaves("", json.loads(text)))


def _values(text: str) -> Iterator[str]:
    place = 0
    while found := OPENING.search(text, place):
        value, end = _value_at(text, found.start())
        if value is not None:
            yield value
        place = max(end, found.end())


def _value_at(text: str, start: int) -> tuple[str | None, int]:
    try:
        value, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return _literal_at(text, start)
    is_value = isinstance(value, dict) or _is_array(value)
    return (text[start:end] if is_value else None), end


def _literal_at(text: str, start: int) -> tuple[str | None, int]:
    end = _end_of(text, start)
    try:
        value = ast.literal_eval(text[start:end])
        written = json.dumps(value, ensure_ascii=False)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None, start + 1
    return (written if isinstance(value, dict) or _is_array(value) else None), end


def _end_of(text: str, start: int) -> int:
    """Place after the bracket that closes the one at ``start``; brackets in quotes don't count."""
    depth, quote, place = 0, "", start
    while place < len(text):
        sign = text[place]
        if quote:
            place += sign == "\\"
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign in "{[":
            depth += 1
        elif sign in "}]":
            depth -= 1
            if depth == 0:
                return place + 1
        place += 1
    return len(text)


def _is_array(value: Any) -> bool:
    """True of an array of objects or texts; ``[1]`` and ``[]`` in a text are more likely notes."""
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict | str | list) for one in value)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _leaves(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _leaves(str(name), one)
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(key, one)
    elif isinstance(value, str):
        yield key, value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield key, json.dumps(value)

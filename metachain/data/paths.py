"""Paths into nested records, such as ``coding.0.code``, and conditions on them."""

import base64
import binascii
import html
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from metachain.errors import DataError

__all__ = ["Getter", "condition", "first_name", "getter"]

Getter = Callable[[Mapping[str, Any]], Any]
"""Function that takes a value out of a record; None where there is none."""

TOKEN = re.compile(r"\[(?P<place>-?\d+)\]|\[(?P<key>[^=\]]+)=(?P<value>[^\]]*)\]|(?P<name>[^.\[\]]+)|\.")
TAG = re.compile(r"<[^>]*>")
BLANKS = re.compile(r"\s+")


def getter(path: str) -> Getter:
    """Compile a path: names and places from 0 joined by dots, ``[type=RC]`` for the elements that say so.

    ``[-1]`` is the last element; a name after a list is that of its first element that has it. ``:base64`` and
    ``:html`` at the end decode a text. A field of exactly this name goes first. Raises DataError for another syntax.
    """
    whole, _, codec = path.rpartition(":") if path.endswith((":base64", ":html")) else (path, "", "")
    steps = [_step(token, path) for token in _tokens(whole)]
    if codec:
        steps.append(_from_base64 if codec == "base64" else _from_html)

    def get(record: Mapping[str, Any]) -> Any:
        if path in record:
            return record[path]
        value: Any = record
        for step in steps:
            value = step(value)
            if value is None:
                return None
        return value

    return get


def first_name(path: str) -> str:
    """The name that a path begins with."""
    return path.partition(".")[0].partition("[")[0]


def condition(text: str, names: Collection[str] = ()) -> tuple[str, Callable[[Any], bool]]:
    """Read ``NAME=VALUE``, ``NAME!=VALUE`` or ``NAME`` (there at all) as a path and a test of its value.

    Where a name itself holds the sign, the reading that is one of ``names`` is taken.
    """
    if text in names:
        return text, _is_there
    places = [place for place in _outside_brackets(text) if text[place] == "="]
    if not places:
        return _path(text, text), _is_there
    known = [place for place in places if text[:place].removesuffix("!") in names]
    place = (known or places)[0]
    path, value = text[:place], text[place + 1 :]
    if path.endswith("!"):
        return _path(path[:-1], text), lambda found: not _says(found, value)
    return _path(path, text), lambda found: _says(found, value)


def _path(path: str, text: str) -> str:
    if not path.strip():
        raise DataError(f"--where takes COLUMN=VALUE, COLUMN!=VALUE or COLUMN, such as 'code|1|type=RC'; got {text!r}")
    return path


def _outside_brackets(text: str) -> list[int]:
    depth, places = 0, []
    for place, one in enumerate(text):
        depth += (one == "[") - (one == "]")
        if depth <= 0:
            places.append(place)
    return places


def _is_there(found: Any) -> bool:
    return found is not None and found not in ("", [])


def _says(found: Any, value: str) -> bool:
    if isinstance(found, list):
        return any(_says(one, value) for one in found)
    if isinstance(found, bool):
        return str(found).lower() == value.lower()
    return found is not None and str(found).strip() == value.strip()


def _tokens(path: str) -> list[re.Match[str]]:
    tokens, place = [], 0
    while place < len(path):
        found = TOKEN.match(path, place)
        if found is None:
            return []
        place = found.end()
        if found[0] != ".":
            tokens.append(found)
    return tokens


def _step(token: re.Match[str], path: str) -> Callable[[Any], Any]:
    if token["place"] is not None:
        place = int(token["place"])
        return lambda value: _at(value, place)
    if token["key"] is not None:
        key, wanted = token["key"], token["value"]
        return lambda value: _chosen(value, key, wanted)
    return lambda value, name=token["name"]: _named(value, name)  # type: ignore[misc]


def _at(value: Any, place: int) -> Any:
    if not isinstance(value, (list, tuple)) or not -len(value) <= place < len(value):
        return None
    return value[place]


def _chosen(value: Any, key: str, wanted: str) -> Any:
    several = value if isinstance(value, list) else [value]
    return [one for one in several if isinstance(one, Mapping) and str(one.get(key)) == wanted] or None


def _named(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(name)
    if isinstance(value, list):
        if name.isdecimal():
            return _at(value, int(name))
        return next((one[name] for one in value if isinstance(one, Mapping) and one.get(name) is not None), None)
    return None


def _from_base64(value: Any) -> str | None:
    try:
        return base64.b64decode(value, validate=False).decode("utf-8")
    except (TypeError, ValueError, binascii.Error):
        return None


def _from_html(value: Any) -> str | None:
    return BLANKS.sub(" ", html.unescape(TAG.sub(" ", value))).strip() if isinstance(value, str) else None

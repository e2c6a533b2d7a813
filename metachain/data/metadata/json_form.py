"""Metadata as plain JSON: dates, numbers of NumPy and pandas, sets, bytes and the like have one form each."""

import math
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from json import dumps
from pathlib import PurePath
from typing import Any
from uuid import UUID

__all__ = ["plain_json"]

MISSING = frozenset({"NAType", "NaTType"})
"""Types of pandas that stand for an absent value."""
Write = Callable[[Any], Any]


def plain_json(value: Any) -> Any:
    """The value in JSON's types, as a copy; raises TypeError for one without a form in JSON, ValueError for a circle.

    Dates, times and moments become their ISO 8601 text, durations their seconds; NaN, infinities and pandas' missing
    values null; numbers and arrays of NumPy numbers and lists; decimals, UUIDs and paths their text; members of an
    enumeration their value; sets sorted lists; bytes their text in UTF-8, or else (and with a NUL) in
    Base64. Keys become texts.
    """
    try:
        return _plain(value)
    except RecursionError:
        raise ValueError("it is nested too deeply, or holds itself") from None


def _plain(value: Any) -> Any:
    if value is None or type(value) in (str, bool, int):
        return value
    if type(value).__name__ in MISSING:
        return None
    for kinds, write in FORMS:
        if isinstance(value, kinds):
            return write(value)
    return _plain_array(value)


def _plain_array(value: Any) -> Any:
    """Value of a scalar or an array of NumPy, or of another library with arrays of that kind."""
    import numpy as np  # noqa: PLC0415 - not every program that reads demonstrations holds arrays

    if isinstance(value, np.datetime64 | np.timedelta64):
        return None if np.isnat(value) else _plain_moment(value)
    if isinstance(value, np.ndarray) and value.dtype.kind in "mM":
        return [_plain(one) for one in value]
    if isinstance(value, np.generic | np.ndarray):
        held = value.tolist()
        if not isinstance(held, np.generic):
            return _plain(held)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _plain_moment(value: Any) -> Any:
    import numpy as np  # noqa: PLC0415

    return value / np.timedelta64(1, "s") if isinstance(value, np.timedelta64) else str(value)


def _text_of(value: bytes | bytearray | memoryview) -> str:
    held = bytes(value)
    with suppress(UnicodeDecodeError):
        if b"\0" not in held:
            return held.decode()
    return b64encode(held).decode()


def _key(value: Any) -> str:
    if isinstance(value, str):
        return str.__str__(value)
    plain = _plain(value)
    return plain if isinstance(plain, str) else dumps(plain)


def _sorting(value: Any) -> str:
    return dumps(value, sort_keys=True)


FORMS: tuple[tuple[Any, Write], ...] = (
    (Enum, lambda value: _plain(value.value)),
    (str, str.__str__),
    (bool, bool),
    (int, int),
    (float, lambda value: float(value) if math.isfinite(value) else None),
    ((date, time), lambda value: value.isoformat()),
    (timedelta, lambda value: value.total_seconds()),
    (Decimal, lambda value: str(value) if value.is_finite() else None),
    ((UUID, PurePath), str),
    (Mapping, lambda value: {_key(key): _plain(one) for key, one in value.items()}),
    ((list, tuple), lambda value: [_plain(one) for one in value]),
    ((set, frozenset), lambda value: sorted(map(_plain, value), key=_sorting)),
    ((bytes, bytearray, memoryview), _text_of),
)
"""Kinds of values, and the form of each; the first that fits counts."""

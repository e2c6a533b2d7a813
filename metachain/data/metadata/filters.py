"""Filters on metadata: one grammar for the vector store, for retrievers and for example selectors.

``{"ward": "4b"}`` admits equal values, ``{"ward": ["4a", "4b"]}`` any of several, and ``{"year": {"$gte": 2020}}``
names the comparison. All keys must match. ``{"$and": [filter, …]}``, ``{"$or": [filter, …]}`` and ``{"$not": filter}``
join filters; ``{"year": {"$not": {"$gte": 2020}}}`` negates comparisons. ``address.city`` is the ``city`` within
``address``, unless a key of that very name exists.

Texts are compared in their normal form. ``$gt``, ``$gte``, ``$lt`` and ``$lte`` order numbers, texts and dates in
ISO 8601 (days and moments, in UTC unless a zone is given); a text that is a number is compared with a number as such.
Values of other kinds don't meet them. A document without the key meets ``$ne``, ``$nin`` and ``{"$exists": False}``
only.
"""

import json
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import reduce
from operator import and_, ge, gt, le, lt, or_
from typing import Any, Final, TypeVar

from metachain.data.metadata.json_form import plain_json
from metachain.errors import DataError
from metachain.normal_form import normal_form

__all__ = ["ABSENT", "Condition", "Key", "comparable", "condition_of", "value_at"]

ABSENT: Final = object()
"""Stands for the value of a document without the key."""
ORDER: Mapping[str, Callable[[Any, Any], bool]] = {"$gt": gt, "$gte": ge, "$lt": lt, "$lte": le}
COMPARISONS = ("$eq", "$ne", *ORDER, "$in", "$nin", "$exists", "$not")
JOINTS = ("$and", "$or", "$not")
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ].*)?")
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?")
T = TypeVar("T")
Test = Callable[[Any], bool]


@dataclass(frozen=True)
class Key:
    """One key and a test of its value, which may be ABSENT."""

    name: str
    test: Test


@dataclass(frozen=True)
class Condition:
    """A filter that was read: one key's test, or several conditions joined."""

    parts: tuple["Condition | Key", ...]
    joint: str = "$and"
    """``$and``, ``$or``, or ``$not`` for none of them."""

    def over(self, test: Callable[[Key], T], every: T) -> T:
        """Join the results of ``test`` for each key, which are booleans or arrays of them; ``every`` is true."""
        found: list[Any] = [one.over(test, every) if isinstance(one, Condition) else test(one) for one in self.parts]
        if self.joint == "$or":
            either: T = reduce(or_, found)
            return either
        joined: Any = reduce(and_, found, every)
        result: T = joined ^ every if self.joint == "$not" else joined
        return result

    def admits(self, metadata: Mapping[str, Any]) -> bool:
        """True for metadata that meet the filter."""
        return bool(self.over(lambda key: bool(key.test(value_at(metadata, key.name))), every=True))


def condition_of(given: object) -> Condition:
    """Read a filter. Raises DataError that names an unknown comparison, or a value that can't be compared."""
    if not isinstance(given, Mapping):
        raise DataError(f"'filter' must be a mapping such as {{'ward': '4b'}}, got {type(given).__name__}")
    try:
        return _read(given)
    except RecursionError:
        raise DataError("'filter' is nested too deeply") from None


def value_at(metadata: Mapping[str, Any], name: str) -> Any:
    """The value of a key, or of a path of keys joined by dots; ABSENT without one."""
    if name in metadata:
        return metadata[name]
    head, dot, rest = name.partition(".")
    while dot:
        if head in metadata and isinstance(metadata[head], Mapping):
            return value_at(metadata[head], rest)
        more, dot, rest = rest.partition(".")
        head = f"{head}.{more}"
    return ABSENT


def comparable(value: Any) -> Hashable:
    """A key that is equal for equal values: texts by their normal form, true and false unlike 1 and 0."""
    if isinstance(value, str):
        return normal_form(value)
    if isinstance(value, bool):
        return "boolean", value
    if value is None or isinstance(value, int | float):
        return value
    return "json", json.dumps(value, sort_keys=True)


def _read(given: Mapping[Any, Any]) -> Condition:
    parts: list[Condition | Key] = []
    for name, wanted in given.items():
        if not isinstance(name, str):
            raise DataError(f"'filter' must name keys of the metadata, got {name!r}")
        if name.startswith("$"):
            parts.append(_joined(name, wanted))
        else:
            parts += _comparisons(name, wanted)
    return Condition(tuple(parts))


def _joined(joint: str, wanted: object) -> Condition:
    if joint not in JOINTS:
        raise DataError(f"'filter' has {joint!r} in place of a key; filters are joined by {_known(joint, JOINTS)}")
    if joint == "$not":
        return Condition((condition_of(wanted),), "$not")
    if not isinstance(wanted, list | tuple) or not wanted:
        raise DataError(f"'filter' must give {joint} a list of filters that is not empty, got {_shown(wanted)}")
    return Condition(tuple(condition_of(one) for one in wanted), joint)


def _comparisons(name: str, wanted: object) -> list[Condition | Key]:
    if isinstance(wanted, list | tuple | set | frozenset):
        return [Key(name, _equals(name, wanted))]
    if not isinstance(wanted, Mapping) or not any(str(one).startswith("$") for one in wanted):
        return [Key(name, _equals(name, [wanted]))]
    found: list[Condition | Key] = []
    for operator, value in wanted.items():
        if operator not in COMPARISONS:
            known = _known(str(operator), COMPARISONS)
            raise DataError(f"'filter' compares {name!r} with {operator!r}; the known comparisons are {known}")
        if operator == "$not":
            if not isinstance(value, Mapping) or not any(str(one).startswith("$") for one in value):
                raise DataError(f"'filter' must give $not of {name!r} comparisons such as {{'$gte': 3}}")
            found.append(Condition(tuple(_comparisons(name, value)), "$not"))
        else:
            found.append(Key(name, _test(name, operator, value)))
    return found


def _test(name: str, operator: str, value: Any) -> Test:
    if operator == "$exists":
        if not isinstance(value, bool):
            raise DataError(f"'filter' must give $exists of {name!r} True or False, got {_shown(value)}")
        return lambda held: (held is not ABSENT) is value
    if operator in ORDER:
        return _ordered(name, operator, value)
    several = operator in ("$in", "$nin")
    if several and not isinstance(value, list | tuple | set | frozenset):
        raise DataError(f"'filter' must give {operator} of {name!r} a list, got {type(value).__name__}")
    equals = _equals(name, value if several else [value])
    return equals if operator in ("$eq", "$in") else lambda held: not equals(held)


def _equals(name: str, values: Any) -> Test:
    wanted = {comparable(_plain(name, value)) for value in values}
    return lambda held: held is not ABSENT and comparable(held) in wanted


def _ordered(name: str, operator: str, value: Any) -> Test:
    limit, compare = _plain(name, value), ORDER[operator]
    if isinstance(limit, bool) or not isinstance(limit, str | int | float):
        shown = _shown(value)
        raise DataError(f"'filter' must give {operator} of {name!r} a number, a text or a date, got {shown}")
    moment = _moment(limit)

    def test(held: Any) -> bool:
        if held is ABSENT or held is None or isinstance(held, bool) or not isinstance(held, str | int | float):
            return False
        if isinstance(held, str) and isinstance(limit, str):
            other = _moment(held)
            if moment is not None and other is not None:
                return compare(other, moment)
            return compare(normal_form(held), normal_form(limit))
        one, two = _number(held), _number(limit)
        return one is not None and two is not None and compare(one, two)

    return test


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, str) or not _DATE.fullmatch(value.strip()):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _number(value: str | float) -> float | None:
    if not isinstance(value, str):
        return value
    return float(value) if _NUMBER.fullmatch(value.strip()) else None


def _plain(name: str, value: Any) -> Any:
    try:
        return plain_json(value)
    except (TypeError, ValueError) as error:
        raise DataError(f"'filter' must compare {name!r} with what JSON can hold ({error})") from None


def _known(given: str, known: Sequence[str]) -> str:
    near = get_close_matches(given, known, 1)
    return ", ".join(known) + (f"; did you mean {near[0]}?" if near else "")


def _shown(value: object) -> str:
    return repr(value)[:60]

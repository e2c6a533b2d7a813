"""Filters on the metadata of documents, fast enough to be evaluated for each query."""

import json
from collections.abc import Callable, Hashable, Iterable, Mapping
from itertools import islice
from threading import Lock
from typing import Any

import numpy as np
from langchain_core.documents import Document
from numpy.typing import NDArray

from metachain.errors import DataError
from metachain.normal_form import normal_form

__all__ = ["Filter", "MetadataColumns"]

Filter = Mapping[str, Any] | Callable[[Document], bool]
"""Metadata that a document must have, or a function that is True for an admitted document.

``{"institution": "a"}`` admits equal values, ``{"institution": ["a", "b"]}`` any of several, and
``{"year": {"$ne": 2024}}`` names the comparison: ``$eq``, ``$ne``, ``$in`` or ``$nin``. A document must meet all keys.
A document without the key meets ``$ne`` and ``$nin`` only.
"""

ABSENT = 0
"""Code of a document without the key."""
OPERATORS = ("$eq", "$ne", "$in", "$nin")
KNOWN = ", ".join(OPERATORS)


class MetadataColumns:
    """The metadata of an append-only list of documents: for each key, the values as integer codes.

    A key is read when a filter first uses it; documents added later are read when a filter uses it again. Safe to share
    among threads.
    """

    def __init__(self, documents: list[Document]) -> None:
        self._documents = documents
        self._columns: dict[str, _Column] = {}
        self._lock = Lock()

    def admitted(self, condition: Filter, count: int) -> NDArray[np.bool_]:
        """(count,) whether each of the first ``count`` documents is admitted.

        A function is called for every document, at every query. Raises DataError for an unknown kind of filter, key or
        comparison.
        """
        if not isinstance(condition, Mapping):
            if not callable(condition):
                raise DataError(f"'filter' must be a mapping or a function, got {type(condition).__name__}")
            return np.fromiter((bool(condition(one)) for one in islice(self._documents, count)), np.bool_, count)
        admitted = np.ones(count, np.bool_)
        for key, wanted in condition.items():
            if not isinstance(key, str) or key.startswith("$"):
                raise DataError(f"'filter' must name keys of the metadata, got {key!r}; compare values with {KNOWN}")
            codes, numbers = self._column(key, count)
            for operator, values in _comparisons(key, wanted):
                admitted &= _among(numbers, values, operator in ("$in", "$eq"))[codes]
        return admitted

    def _column(self, key: str, count: int) -> tuple[NDArray[np.int32], dict[Hashable, int]]:
        with self._lock:
            column = self._columns.setdefault(key, _Column(key))
            if len(column.codes) < count:
                column.extend(self._documents, count)
            return column.codes[:count], column.numbers


class _Column:
    """One key's values: the code of each document, and the number of each value."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.codes = np.zeros(0, np.int32)
        self.numbers: dict[Hashable, int] = {}

    def extend(self, documents: list[Document], count: int) -> None:
        added = (self._number(one.metadata) for one in islice(documents, len(self.codes), count))
        # A new array, because other threads may read the old one.
        self.codes = np.concatenate([self.codes, np.fromiter(added, np.int32, count - len(self.codes))])

    def _number(self, metadata: Mapping[str, Any]) -> int:
        if self.key not in metadata:
            return ABSENT
        return self.numbers.setdefault(_comparable(metadata[self.key]), len(self.numbers) + 1)


def _comparisons(key: str, wanted: object) -> list[tuple[str, list[Any]]]:
    if isinstance(wanted, list | tuple | set | frozenset):
        return [("$in", list(wanted))]
    if not isinstance(wanted, Mapping) or not any(str(one).startswith("$") for one in wanted):
        return [("$eq", [wanted])]
    found: list[tuple[str, list[Any]]] = []
    for operator, value in wanted.items():
        if operator not in OPERATORS:
            raise DataError(f"'filter' compares {key!r} with {operator!r}; the known comparisons are {KNOWN}")
        several = operator in ("$in", "$nin")
        if several and not isinstance(value, list | tuple | set | frozenset):
            raise DataError(f"'filter' must give {operator} of {key!r} a list, got {type(value).__name__}")
        found.append((operator, list(value) if several else [value]))
    return found


def _among(numbers: Mapping[Hashable, int], values: Iterable[Any], inside: bool) -> NDArray[np.bool_]:
    """(1 + number of values,) whether each code is one of the values (``inside``), or none of them."""
    known = [numbers[one] for one in map(_comparable, values) if one in numbers]
    table = np.full(len(numbers) + 1, not inside)  # made after ``known``, because another thread may add numbers
    table[known] = inside
    return table


def _comparable(value: object) -> Hashable:
    """Return a value itself, a text's normal form, or, for a list or an object, a key equal for equal values."""
    if isinstance(value, str):
        return normal_form(value)
    if isinstance(value, Hashable) and not isinstance(value, tuple):
        return value
    try:
        return ("json", json.dumps(value, sort_keys=True))
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(f"'filter' must compare with what JSON can hold ({error})") from None

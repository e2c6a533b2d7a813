"""Which documents a filter on their metadata admits, fast enough to be asked anew for each query."""

import json
from collections.abc import Callable, Hashable, Iterable, Mapping
from itertools import islice
from threading import Lock
from typing import Any

import numpy as np
from langchain_core.documents import Document
from numpy.typing import NDArray

from metachain.errors import DataError

__all__ = ["Filter", "MetadataColumns"]

Filter = Mapping[str, Any] | Callable[[Document], bool]
"""Metadata that a document must have, or a function that says whether it is admitted.

``{"institution": "a"}`` admits equal values, ``{"institution": ["a", "b"]}`` any of several, and
``{"year": {"$ne": 2024}}`` spells the comparison out: ``$eq``, ``$ne``, ``$in``, ``$nin``. All keys must be met; a
document without the key meets ``$ne`` and ``$nin`` only.
"""

ABSENT = 0
OPERATORS = ("$eq", "$ne", "$in", "$nin")


class MetadataColumns:
    """The metadata of a list of documents that only ever grows, each key's values as numbers.

    A key is read when a filter first asks for it, and later documents when one next does. Safe to share among threads.
    """

    def __init__(self, documents: list[Document]) -> None:
        self._documents = documents
        self._columns: dict[str, _Column] = {}
        self._reading = Lock()

    def admitted(self, condition: Filter, count: int) -> NDArray[np.bool_]:
        """Whether each of the first ``count`` documents is admitted; (count,).

        A function is asked about every document, for every query. Raises DataError for a filter that says nothing
        known.
        """
        if not isinstance(condition, Mapping):
            if not callable(condition):
                raise DataError(f"'filter' must be a mapping or a function, got {type(condition).__name__}")
            return np.fromiter((bool(condition(one)) for one in islice(self._documents, count)), np.bool_, count)
        admitted = np.ones(count, np.bool_)
        for key, wanted in condition.items():
            if not isinstance(key, str) or key.startswith("$"):
                raise DataError(f"'filter' must name keys of the metadata, got {key!r}; compare values with {_known()}")
            codes, numbers = self._column(key, count)
            for operator, values in _comparisons(key, wanted):
                admitted &= _among(numbers, values, operator in ("$in", "$eq"))[codes]
        return admitted

    def _column(self, key: str, count: int) -> tuple[NDArray[np.int32], dict[Hashable, int]]:
        with self._reading:
            column = self._columns.setdefault(key, _Column(key))
            if len(column.codes) < count:
                column.extend(self._documents, count)
            return column.codes[:count], column.numbers


class _Column:
    """One key's values: of each document a number, of each value which."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.codes = np.zeros(0, np.int32)
        self.numbers: dict[Hashable, int] = {}

    def extend(self, documents: list[Document], count: int) -> None:
        added = (self._number(one.metadata) for one in islice(documents, len(self.codes), count))
        # A new array, since earlier ones are being read.
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
            raise DataError(f"'filter' compares {key!r} with {operator!r}; what is known is {_known()}")
        several = operator in ("$in", "$nin")
        if several and not isinstance(value, list | tuple | set | frozenset):
            raise DataError(f"'filter' must give {operator} of {key!r} a list, got {type(value).__name__}")
        found.append((operator, list(value) if several else [value]))
    return found


def _among(numbers: Mapping[Hashable, int], values: Iterable[Any], inside: bool) -> NDArray[np.bool_]:
    """Of each number of a column whether it is one of the values', or is not; (1 + how many there are,)."""
    known = [numbers[one] for one in map(_comparable, values) if one in numbers]
    table = np.full(len(numbers) + 1, not inside)  # after what is known: another thread may be adding to the numbers
    table[known] = inside
    return table


def _comparable(value: object) -> Hashable:
    """A value itself, or, of a list or an object, what is the same for equal ones."""
    if isinstance(value, Hashable) and not isinstance(value, tuple):
        return value
    try:
        return ("json", json.dumps(value, sort_keys=True))
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(f"'filter' must compare with what JSON can hold ({error})") from None


def _known() -> str:
    return ", ".join(OPERATORS)

"""Filters on the metadata of documents, fast enough to be evaluated for each query."""

from collections.abc import Callable, Hashable, Mapping
from itertools import islice
from threading import Lock
from typing import Any

import numpy as np
from langchain_core.documents import Document
from numpy.typing import NDArray

from metachain.data.metadata.filters import ABSENT, Key, comparable, condition_of, value_at
from metachain.errors import DataError

__all__ = ["Filter", "MetadataColumns"]

Filter = Mapping[str, Any] | Callable[[Document], bool]
"""Metadata that a document must have (``metachain.data.metadata.filters``), or a function, True for one admitted."""


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
        read = condition_of(condition)
        return read.over(lambda key: self._meets(key, count), np.ones(count, np.bool_))

    def _meets(self, key: Key, count: int) -> NDArray[np.bool_]:
        with self._lock:
            column = self._columns.setdefault(key.name, _Column(key.name))
            if len(column.codes) < count:
                column.extend(self._documents, count)
            codes, values = column.codes[:count], column.values[:]
        return np.fromiter(map(key.test, values), np.bool_, len(values))[codes]


class _Column:
    """One key's values: the code of each document, and the value of each code; the first is ABSENT."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.codes = np.zeros(0, np.int32)
        self.values: list[Any] = [ABSENT]
        self._numbers: dict[Hashable, int] = {}

    def extend(self, documents: list[Document], count: int) -> None:
        added = (self._number(one.metadata) for one in islice(documents, len(self.codes), count))
        # A new array, because other threads may read the old one.
        self.codes = np.concatenate([self.codes, np.fromiter(added, np.int32, count - len(self.codes))])

    def _number(self, metadata: Mapping[str, Any]) -> int:
        value = value_at(metadata, self.key)
        if value is ABSENT:
            return 0
        number = self._numbers.setdefault(comparable(value), len(self.values))
        if number == len(self.values):
            self.values.append(value)
        return number

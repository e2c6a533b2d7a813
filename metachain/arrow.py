"""Columns of Apache Arrow, which Parquet files and Hugging Face datasets hold."""

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

from metachain.columns import record_of
from metachain.errors import DataError
from metachain.rows import Row

__all__ = ["check_type", "extra", "table_rows"]

TEXTS = ("institution", "input", "output", "id")


def extra(module: str, name: str) -> Any:
    """Import a module that comes with the extra ``name``. Raises DataError that says how to install it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise DataError(f"this needs {module.partition('.')[0]} ({error}): pip install 'metachain[{name}]'") from None


def check_type(ours: str, theirs: str, kind: str) -> None:
    """Raise DataError where the column of one of the texts is of another type; ``kind`` is its name in Arrow."""
    inner = kind.removeprefix("dictionary<values=").partition(",")[0]
    if ours in TEXTS and inner not in ("string", "large_string", "string_view", "null"):
        raise DataError(f"column {theirs!r} must hold strings, got {kind}; write it as strings, codes with their zeros")


def table_rows(columns: Mapping[str, Sequence[Any]], first: int) -> Iterator[Row]:
    """Rows of one piece of a table: cells by our field, the number of the first row. An exception is an unread cell."""
    for number, cells in enumerate(zip(*columns.values(), strict=True), start=first):
        unread = next((cell for cell in cells if isinstance(cell, Exception)), None)
        if unread is not None:
            yield Row(number, None, f"a cell can't be read ({unread})", unit="row")
            continue
        try:
            yield Row(number, record_of(dict(zip(columns, cells, strict=True))), unit="row")
        except DataError as error:
            yield Row(number, None, str(error), unit="row")

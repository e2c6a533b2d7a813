"""Demonstrations as rows of their table."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Row

from metachain.bulk import with_keys
from metachain.demonstration import Demonstration
from metachain.errors import DataError
from metachain.schema import demonstrations as table
from metachain.similarity import text_sha256

__all__ = ["ROWS_A_QUERY", "Refused", "SortedOut", "chunks", "demonstration_of", "row_of", "sorted_out"]

ROWS_A_QUERY = 400

Refused = Callable[[int, str], None]
"""Told the position of a demonstration that was not stored, from 0, and why."""


@dataclass(frozen=True, slots=True)
class SortedOut:
    """Some demonstrations beside those that a library has."""

    fresh: list[Demonstration]
    duplicates: int


def chunks(items: Iterable[tuple[int, Demonstration]], size: int) -> Iterator[list[tuple[int, Demonstration]]]:
    """Lists of at most ``size`` of them, in their order."""
    items = iter(items)
    while chunk := list(islice(items, size)):
        yield chunk


def sorted_out(
    connection: Connection, chunk: Sequence[tuple[int, Demonstration]], refused: Refused | None
) -> SortedOut:
    """Tell what is new from what is there already; an id that stands for another text is an error, or ``refused``."""
    keys = [one.key for _, one in chunk]
    held_rows = connection.execute(with_keys(connection, table, keys))
    known = {one.key: one for one in map(demonstration_of, held_rows)}
    fresh = []
    duplicates = 0
    for position, one in chunk:
        held = known.setdefault(one.key, one)
        if held is one:
            fresh.append(one)
        elif held == one:
            duplicates += 1
        else:
            reason = f"id {one.id!r} of {one.institution!r} already stands for another text; give it its own id"
            if refused is None:
                raise DataError(reason)
            refused(position, reason)
    return SortedOut(fresh, duplicates)


def row_of(one: Demonstration) -> dict[str, Any]:
    """Its columns, with what is derived from it."""
    return {
        "institution": one.institution,
        "id": one.id,
        "input": one.input,
        "output": one.output,
        "metadata": dict(one.metadata),
        "text_sha256": text_sha256(one.input),
        "patient": one.patient,
    }


def demonstration_of(row: Row[Any]) -> Demonstration:
    """Back from a row of all columns."""
    return Demonstration(row.institution, row.input, row.output, row.id, row.metadata)

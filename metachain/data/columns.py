"""Mapping between the columns of a table and our fields."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from metachain.data.demonstration import KNOWN_FIELDS, REQUIRED_FIELDS, json_object
from metachain.errors import DataError

__all__ = ["check_columns", "match_columns", "named_columns", "record_from_cells", "rename_fields"]

METADATA = "metadata."
EMPTY: Mapping[str, str] = {}


def named_columns(pairs: Iterable[str]) -> dict[str, str]:
    """Parse texts such as ``input=description`` into a mapping of our fields to columns. Raises DataError otherwise.

    ``date`` stands for ``metadata.date``.
    """
    columns: dict[str, str] = {}
    for pair in pairs:
        ours, _, theirs = pair.partition("=")
        ours = "metadata.date" if ours == "date" else ours
        if not theirs or ours in columns:
            raise DataError(f"--column takes FIELD=COLUMN, each field once, such as input=description; got {pair!r}")
        columns[ours] = theirs
    check_columns(columns)
    return columns


def check_columns(columns: Mapping[str, str]) -> None:
    """Raise DataError for a name that is not one of our fields."""
    for ours in columns:
        if ours not in KNOWN_FIELDS and not (ours.startswith(METADATA) and ours != METADATA):
            known = "institution, input, output, id, metadata and metadata.ANYTHING"
            raise DataError(f"{ours!r} is not a field of a demonstration; columns can be given for {known}")


def match_columns(
    names: Sequence[str], columns: Mapping[str, str] = EMPTY, institution: str | None = None
) -> dict[str, str]:
    """Mapping of our fields to the columns of a table.

    A column belongs to the field of the same name, unless ``columns`` says otherwise. A column named ``metadata.x`` is
    metadata; all others are ignored. Raises DataError with the missing or doubled columns and a list of all columns.
    """
    check_columns(columns)
    found = {name: name for name in names if name in KNOWN_FIELDS or name.startswith(METADATA)} | dict(columns)
    required = {ours: found.get(ours, ours) for ours in REQUIRED_FIELDS if ours != "institution" or institution is None}
    listed = f"it has: {', '.join(map(repr, names)) or 'none'}"
    if missing := [theirs for theirs in {**required, **columns}.values() if theirs not in names]:
        advice = "; or give --institution NAME" if "institution" in missing else ""
        absent = ", ".join(map(repr, missing))
        raise DataError(f"no column(s) {absent}; {listed}. Name the columns, as in --column input=COLUMN{advice}")
    if twice := [theirs for theirs in found.values() if names.count(theirs) > 1]:
        raise DataError(f"column {twice[0]!r} appears twice; {listed}. Give each column its own name")
    return found


def rename_fields(record: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """The record with the fields of ``columns`` renamed to ours."""
    taken = set(columns.values())
    kept = {name: value for name, value in record.items() if name not in columns and name not in taken}
    return _fold_metadata({**kept, **{ours: record[theirs] for ours, theirs in columns.items() if theirs in record}})


def record_from_cells(cells: Mapping[str, Any]) -> dict[str, Any]:
    """Record of a table's cells, by our field names; empty cells are left out, metadata may be JSON.

    Raises DataError if the metadata are a text that is not a JSON object.
    """
    record = {name: value for name, value in cells.items() if value is not None and value != ""}
    metadata = record.get("metadata")
    if isinstance(metadata, str):
        try:
            record["metadata"] = json_object(metadata) if metadata.strip() else {}
        except DataError as error:
            raise DataError(f"'metadata': {error}") from None
    elif isinstance(metadata, Mapping):  # every row of a table has all keys that any row has
        record["metadata"] = {name: value for name, value in metadata.items() if value is not None}
    return _fold_metadata({name: value if type(value) is str else _json_value(value) for name, value in record.items()})


def _fold_metadata(record: dict[str, Any]) -> dict[str, Any]:
    """Move fields named ``metadata.x`` into the metadata."""
    more = {name.removeprefix(METADATA): record.pop(name) for name in list(record) if name.startswith(METADATA)}
    given = record.get("metadata", {})
    if more and isinstance(given, Mapping):
        record["metadata"] = {**given, **more}
    return record


def _json_value(value: Any) -> Any:
    """Value in JSON's types: dates and times in ISO 8601, decimals and UUIDs as texts."""
    if isinstance(value, Mapping):
        return {str(name): _json_value(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_value(one) for one in value]
    if isinstance(value, (date, time)):
        return value.isoformat()
    return str(value) if isinstance(value, (Decimal, UUID)) else value

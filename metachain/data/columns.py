"""Mapping between the columns of a table and our fields."""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from difflib import get_close_matches
from typing import Any
from uuid import UUID

from metachain.data.demonstration import KNOWN_FIELDS, REQUIRED_FIELDS, json_object
from metachain.errors import DataError

__all__ = ["check_columns", "columns_complaint", "is_field", "likely_columns", "match_columns", "missing_columns"]
__all__ += ["named_columns", "quoted", "record_from_cells", "rename_fields"]

METADATA = "metadata."
EMPTY: Mapping[str, str] = {}
LISTED = 5
"""Maximum number of names that a message lists."""
COMPARED = 4000
LONGEST_NAME = 100
"""Number of columns, and the length of their names, that are compared with a missing one."""
LIKELY = {
    "output": (
        "output", "revenue code", "rev code", "revcode", "code", "label", "answer", "target", "category", "class",
        "completion", "response", "summary", "codes", "icd", "cpt", "drg",
    ),
    "input": (
        "input", "charge description", "description", "desc", "text", "note", "prompt", "question", "item", "procedure",
        "service", "name", "narrative", "comment",
    ),
    "institution": (
        "institution", "hospital", "site", "facility", "hospital name", "location name", "clinic", "organization",
        "organisation", "department", "customer", "tenant",
    ),
    "id": ("id",),
}  # fmt: skip
"""Words in the names of columns that are probably ours, the likeliest first."""


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
    metadata; all others are ignored. Raises DataError with the missing or doubled columns and the columns there are.
    """
    check_columns(columns)
    if missing := missing_columns(names, columns, REQUIRED_FIELDS, institution):
        raise DataError(columns_complaint(names, missing, columns))
    found = {name: name for name in names if is_field(name)} | dict(columns)
    if twice := [theirs for theirs in found.values() if names.count(theirs) > 1]:
        raise DataError(f"column {twice[0]!r} appears twice; {_listed(names)}. Give each column its own name")
    return found


def is_field(name: str) -> bool:
    """True for a name that is a field of a demonstration, or one of its metadata."""
    return name in KNOWN_FIELDS or name.startswith(METADATA)


def missing_columns(
    names: Sequence[str], columns: Mapping[str, str], required: Iterable[str], institution: str | None = None
) -> list[str]:
    """Columns that are needed and not there, in the order of our fields; none is needed for a given institution."""
    needed = {ours: columns.get(ours, ours) for ours in required if ours != "institution" or institution is None}
    held = set(names)
    return [theirs for theirs in {**needed, **columns}.values() if theirs not in held]


def columns_complaint(names: Sequence[str], missing: Sequence[str], columns: Mapping[str, str]) -> str:
    """Sentence on missing columns: the columns there are or the nearest ones, and the options that may name them."""
    shown = [one for one in names if one.strip()]
    absent = _few(missing)
    likely = likely_columns(shown)
    fields = {theirs: ours for ours, theirs in columns.items()}
    options = []
    for one in missing:
        ours = fields.get(one, one)
        near = (
            _nearest(one, shown)[:1] if ours != one else [likely[ours]] if ours in likely else _nearest(one, shown)[:1]
        )
        options += [f"--column {quoted(f'{ours}={near[0][:60]}')}"] if near and (ours != one or near != [one]) else []
    command = " ".join(options[:3]) or "--column input=COLUMN"
    advice = "; or give --institution NAME" if "institution" in missing else ""
    return f"no column(s) {absent}; {_listed(names, missing)}. Name the columns, as in {command}{advice}"


def likely_columns(names: Sequence[str]) -> dict[str, str]:
    """Columns that are probably our institution, input, output and id, judged by their names; each once."""
    found: dict[str, str] = {}
    plain = {name: re.sub(r"[^a-z0-9]+", " ", name.lower()).strip() for name in names}
    for ours, words in LIKELY.items():
        whole = [name for word in words for name in names if plain[name] == word]
        part = [name for word in words for name in names if word in plain[name].split() or f" {word} " in plain[name]]
        free = [name for name in (*whole, *part) if name not in found.values()]
        if free:
            found[ours] = free[0]
    return found


def quoted(text: str) -> str:
    """A word of a command line, in quotes where a shell needs them."""
    return shlex.quote(text)


def _nearest(name: str, names: Sequence[str]) -> list[str]:
    lower = {one.lower(): one for one in reversed(names[:COMPARED]) if len(one) <= LONGEST_NAME}
    close = [lower[one] for one in get_close_matches(name.lower()[:LONGEST_NAME], lower, LISTED, 0.6)]
    within = [one for one in names if name.lower() in one.lower()] if len(name) > 2 else []
    return list(dict.fromkeys([*close, *within]))[:LISTED]


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(repr(name[:60]) for name in names[:LISTED]) + more


def _listed(names: Sequence[str], missing: Sequence[str] = ()) -> str:
    """All columns if they are few and short, or else their number and the nearest ones."""
    every = ", ".join(map(repr, names)) or "none"
    if len(every) <= 250:
        return f"it has: {every}"
    near = list(dict.fromkeys(one for name in missing[:3] for one in _nearest(name, names)[:2]))
    nearest = f", such as {_few(near or names)}"
    return f"it has {len(names)} columns{nearest}"


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

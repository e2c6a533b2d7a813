"""Records of a JSON document: an array, an object that holds a list of records, or several objects in a row."""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import ijson

from metachain.data.fields import Fields
from metachain.data.paths import first_name
from metachain.data.rows import Row
from metachain.data.templates import Template, templates
from metachain.data.text_files import open_bytes, open_text
from metachain.errors import DataError
from metachain.progress import Progress, silent

__all__ = ["document_rows"]

SMALL = 8 * 2**20
"""Characters of a document that is read at once; a larger one is streamed."""
BEFORE = 100_000
"""Events of a large document in which its records are looked for."""
ROWS_A_REPORT = 1000


@dataclass(slots=True)
class _Place:
    """The place of the records in a document, and what the document says beside them."""

    path: str
    """``*`` for each element of a list on the way; empty for the document itself."""
    template: Template | None = None
    constants: dict[str, Any] = field(default_factory=dict)


def document_rows(path: Path, fields: Fields, progress: Progress = silent) -> Iterator[Row]:
    """Read the records of a JSON document, counted from 1; large ones are streamed.

    The records are at ``Reading.records``, or where a template says, or the only list of objects. Raises DataError if
    the file is no JSON, is cut short, or if it is not clear where the records are.
    """
    with open_text(path, silent, newline="", encoding=fields.found.encoding) as lines:
        text = io.StringIO()
        for line in lines:
            text.write(line)
            if text.tell() > SMALL:
                break
        else:
            yield from _mapped(_small(path, text.getvalue().lstrip("\ufeff"), fields), fields)
            return
    yield from _mapped(_large(path, fields, progress), fields)


def _mapped(found: Iterator[tuple[_Place, Any]], fields: Fields) -> Iterator[Row]:
    way = None
    for number, (place, given) in enumerate(found, start=1):
        if not isinstance(given, dict):
            yield Row(number, None, "expected an object", repr(given)[:1000], unit="row")
            continue
        if way is None:
            way = fields.of_object(given, place.constants, place.template)
        for record in way.records(given):
            yield Row(number, record, unit="row")


def _small(path: Path, text: str, fields: Fields) -> Iterator[tuple[_Place, Any]]:
    for document in _values(path, text):
        if isinstance(document, list):
            yield from ((_Place(""), one) for one in document)
        elif isinstance(document, dict):
            place = _place(document, fields, path)
            if not place.path:
                yield place, document
            else:
                fields.found.records = place.path
                yield from ((place, one) for one in _walked(document, place.path.split("."), path))
        else:
            yield _Place(""), document


def _values(path: Path, text: str) -> Iterator[Any]:
    """The JSON values of a text, one after the other."""
    decoder, start = json.JSONDecoder(), 0
    while True:
        while start < len(text) and text[start] in " \t\r\n,":
            start += 1
        if start == len(text):
            return
        try:
            value, start = decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            raise DataError(f"{path} is not JSON ({error.msg} at line {error.lineno}, column {error.colno})") from None
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path} is not JSON that can be read ({str(error)[:100]})") from None
        yield value


def _place(document: Mapping[str, Any], fields: Fields, path: Path) -> _Place:
    """The place of the records in a document of one object."""
    constants = {name: one for name, value in document.items() if (one := _constant(value)) is not None}
    if fields.reading.records:
        return _Place(_starred(fields.reading.records), None, constants)
    template = next((one for one in templates(fields.reading.template) if one.fits_document(document)), None)
    if template:
        return _Place(template.records, template, constants)
    wanted = [fields.reading.columns.get(one, one) for one in fields.reading.required if one != "institution"]
    if (wanted and all(first_name(one) in document for one in wanted)) or any(
        one.fits(document) for one in templates(fields.reading.template)
    ):
        return _Place("")
    lists = [name for name, value in document.items() if isinstance(value, list) and _of_objects(value)]
    if len(lists) > 1:
        names = ", ".join(repr(name) for name in lists[:5])
        raise DataError(f"{path} is a JSON document with several lists ({names}); name one, as in --records {lists[0]}")
    return _Place(f"{lists[0]}.*", None, constants) if lists else _Place("")


def _of_objects(value: list[Any]) -> bool:
    return bool(value) and isinstance(value[0], dict)


def _constant(value: Any) -> Any:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) else None


def _starred(records: str) -> str:
    return records if "*" in records.split(".") else f"{records}.*"


def _walked(value: Any, steps: list[str], path: Path) -> Iterator[Any]:
    if not steps:
        yield value
    elif steps[0] == "*":
        for one in value if isinstance(value, list) else [value]:
            yield from _walked(one, steps[1:], path)
    elif isinstance(value, dict) and steps[0] in value:
        yield from _walked(value[steps[0]], steps[1:], path)
    elif isinstance(value, dict) and "*" in steps and "resource" not in steps:
        names = ", ".join(repr(name[:40]) for name in list(value)[:5])
        raise DataError(f"{path}: there is no {steps[0]!r} on the way to the records; there are: {names}")


def _large(path: Path, fields: Fields, progress: Progress) -> Iterator[tuple[_Place, Any]]:
    """Records of a document that is streamed: its head says where they are."""
    place = _large_place(path, fields)
    prefix = ".".join("item" if step == "*" else step for step in place.path.split("."))
    try:
        with open_bytes(path) as (packed, raw):
            size, count = path.stat().st_size, 0
            stream = _utf8(packed, fields.found.encoding)
            for count, one in enumerate(ijson.items(stream, prefix, use_float=True, multiple_values=True), start=1):
                yield place, one
                if count % ROWS_A_REPORT == 0:
                    progress("reading (bytes)", raw.tell(), size)
    except (ijson.JSONError, ValueError, OverflowError) as error:
        if isinstance(error, DataError):
            raise
        reason = " ".join(str(error).split())[:100]
        raise DataError(f"{path} is not JSON beyond record {count} ({reason}); is it complete?") from None
    if not count:
        raise DataError(f"{path}: there are no records at {place.path!r}; name their list, as in --records NAME")


def _large_place(path: Path, fields: Fields) -> _Place:
    try:
        with open_bytes(path) as (packed, _):
            events = ijson.parse(_utf8(packed, fields.found.encoding), multiple_values=True, use_float=True)
            head, lists = _head(islice(events, BEFORE))
    except (ijson.JSONError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is not JSON ({' '.join(str(error).split())[:100]})") from None
    if head is None:
        return _Place("item")
    constants = {name: value for name, value in head.items() if value is not None}
    if fields.reading.records:
        place = _Place(_starred(fields.reading.records), None, constants)
    elif template := next((one for one in templates(fields.reading.template) if one.fits_document(head)), None):
        place = _Place(template.records, template, constants)
    elif lists:
        place = _Place(f"{lists[0]}.*", None, constants)
    else:
        raise DataError(f"{path}: it is not clear where its records are; name their list, as in --records NAME")
    fields.found.records = place.path
    return place


def _head(events: Iterator[tuple[str, str, Any]]) -> tuple[dict[str, Any] | None, list[str]]:
    """Names at the top of a document, with their texts, and those of lists of objects; no names for an array."""
    head: dict[str, Any] = {}
    lists: list[str] = []
    for count, (prefix, event, value) in enumerate(events):
        if count == 0 and event == "start_array":
            return None, []
        name = prefix.removesuffix(".item")
        if event == "string" and "." not in name and prefix:
            head[name] = head.get(name) or value
        elif event == "map_key" and not prefix:
            head.setdefault(value, None)
        elif event == "start_map" and prefix == f"{name}.item" and "." not in name and name not in lists:
            lists.append(name)
    return head, lists


def _utf8(packed: io.BufferedReader, encoding: str) -> Any:
    """The bytes in UTF-8, as the parser takes them."""
    if encoding in ("", "utf-8"):
        return packed
    return io.BufferedReader(_Recoded(io.TextIOWrapper(packed, encoding)), 2**16)


class _Recoded(io.RawIOBase):
    """A text as bytes in UTF-8."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self.text = text
        self.rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self.rest:
            self.rest = self.text.read(2**15).encode(errors="replace")
        part, self.rest = self.rest[: len(buffer)], self.rest[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)

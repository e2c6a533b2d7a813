"""The way from a row as a file has it to a record with our field names."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from metachain.data.columns import record_from_cells, rename_fields
from metachain.data.paths import Getter, condition, getter
from metachain.data.reading import Findings
from metachain.data.templates import Template, exploded

__all__ = ["ObjectMap", "TableMap", "alternatives", "conditions_of"]

BLANKS_AROUND = 20
FORMULA = re.compile(r'\s*="((?:[^"]|"")*)"\s*')


@dataclass(slots=True)
class TableMap:
    """The way from a table's row to our record. ``needed`` columns are read, and no others."""

    needed: Sequence[str]
    asked: Sequence[str]
    """Columns that a row must be long enough to have."""
    plain: Mapping[str, str]
    """Our fields that are a column as it is."""
    getters: Mapping[str, Getter]
    conditions: Sequence[tuple[Getter, Callable[[Any], bool]]]
    absent: frozenset[str]
    found: Findings
    lists: Mapping[str, Sequence[Mapping[str, str]]] = field(default_factory=dict)
    longest: int = field(init=False)

    def __post_init__(self) -> None:
        self.longest = _longest(self.absent)

    def record(self, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """Record of a row, given its needed cells; None for a row left out. Raises DataError for bad metadata."""
        if self.found.first is None:
            self.found.first = dict(values)
        if self.lists:
            values = {**values, **{name: _filled(columns, values) for name, columns in self.lists.items()}}
        if not all(test(get(values)) for get, test in self.conditions):
            self.found.left_out += 1
            return None
        if self.found.systems_column and (system := values.get(self.found.systems_column)):
            self.found.systems[str(system)[:20]] += 1
        cells = {ours: self._cell(values.get(theirs)) for ours, theirs in self.plain.items()}
        for ours, get in self.getters.items():
            cells[ours] = self._cell(get(values))
        return record_from_cells(cells)

    def _cell(self, cell: Any) -> Any:
        if type(cell) is not str:
            return cell
        if '="' in cell and (formula := FORMULA.fullmatch(cell)):
            cell = formula[1].replace('""', '"')
        if len(cell) <= self.longest and cell.strip() in self.absent:
            self.found.absent[cell.strip()] += 1
            return None
        return cell


@dataclass(frozen=True, slots=True)
class _Compiled:
    getters: Mapping[str, Getter]
    conditions: Sequence[tuple[Getter, Callable[[Any], bool]]]


@dataclass(slots=True)
class ObjectMap:
    """The way from a JSON object to our records."""

    columns: Mapping[str, str]
    getters: Mapping[str, Getter]
    conditions: Sequence[tuple[Getter, Callable[[Any], bool]]]
    absent: frozenset[str]
    found: Findings
    family: Sequence[Template] = ()
    institution: str | None = None
    reads_output: bool = False
    """True where the template's output is not used, so that its conditions are not either."""
    constants: Mapping[str, Any] = field(default_factory=dict)
    compiled: dict[str, _Compiled] = field(default_factory=dict)
    longest: int = field(init=False)

    def __post_init__(self) -> None:
        self.longest = _longest(self.absent)

    @property
    def is_plain(self) -> bool:
        """True where an object is a record as it is, so that ``cleaned`` is all there is to do."""
        return not (self.family or self.columns or self.getters or self.conditions)

    def note(self, given: Mapping[str, Any]) -> None:
        """Keep the first object for the findings."""
        if self.found.first is None:
            self.found.first, self.found.names = given, self.found.names or tuple(given)

    def records(self, given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Records of an object: one, several where a template divides it, or none where it is left out."""
        self.note(given)
        template = next((one for one in self.family if one.fits(given)), None)
        if self.family and template is None:
            self.found.left_out += 1
            return
        for part in exploded(template, given) if template else [given]:
            source = {**self.constants, **part} if self.constants else part
            if all(test(get(source)) for get, test in self._of(template).conditions):
                yield self.cleaned(self._record(source, part, template))
            else:
                self.found.left_out += 1

    def _of(self, template: Template | None) -> _Compiled:
        """Getters and conditions for records of a template; compiled once."""
        name = template.name if template else ""
        if name not in self.compiled:
            own = [] if template is None or self.reads_output else conditions_of(template.where, ())
            tests = [*self.conditions, *((get, test) for _, get, test in own)]
            paths = template.columns if template else {}
            self.compiled[name] = _Compiled({ours: alternatives(several) for ours, several in paths.items()}, tests)
        return self.compiled[name]

    def _record(self, source: Mapping[str, Any], part: Mapping[str, Any], template: Template | None) -> dict[str, Any]:
        if template is None:
            record = rename_fields(part, self.columns) if self.columns else dict(part)
        else:
            taken = {ours: get(source) for ours, get in self._of(template).getters.items()}
            record = {ours: value for ours, value in taken.items() if value is not None}
            if self.institution is not None:
                record.pop("institution", None)
        for ours, get in self.getters.items():
            if (value := get(source)) is not None and (template or ours not in record):
                record[ours] = value
        return record if not self.getters else rename_fields(record, {})

    def cleaned(self, record: dict[str, Any]) -> dict[str, Any]:
        """The record itself, its absent texts taken out and an object as its output written as a text."""
        output = record.get("output")
        if isinstance(output, dict) and output:
            with suppress(TypeError, ValueError, RecursionError):
                record["output"] = json.dumps(output, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        for name in ("institution", "input", "output", "id"):
            value = record.get(name)
            if type(value) is str and len(value) <= self.longest and value.strip() in self.absent:
                self.found.absent[value.strip()] += 1
                del record[name]
        return record


def conditions_of(texts: Sequence[str], names: Sequence[str]) -> list[tuple[str, Getter, Callable[[Any], bool]]]:
    """Read conditions as a path, its getter and a test each; ``names`` are the columns of a table."""
    read = [condition(text, names) for text in texts]
    return [(path, getter(path), test) for path, test in read]


def alternatives(paths: Sequence[str]) -> Getter:
    """The first of several paths that holds something; a list of one text is that text."""
    getters = [getter(path) for path in paths]

    def get(record: Mapping[str, Any]) -> Any:
        for one in getters:
            value = one(record)
            if isinstance(value, list) and value and isinstance(value[0], str):
                value = value[0]
            if isinstance(value, list):
                value = next((part["text"] for part in value if isinstance(part, Mapping) and "text" in part), None)
            if value is not None and value != "":
                return value
        return None

    return get


def _longest(absent: frozenset[str]) -> int:
    """Characters of the longest text that may be absent, with blanks around it."""
    return max(map(len, absent), default=0) + BLANKS_AROUND


def _filled(columns: Sequence[Mapping[str, str]], values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{ours: values.get(theirs) for ours, theirs in one.items()} for one in columns]

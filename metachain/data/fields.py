"""From a row as a file has it to a record with our field names: columns, paths, conditions, absent values."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from metachain.data.columns import check_columns, is_field, missing_columns, record_from_cells, rename_fields
from metachain.data.paths import Getter, condition, first_name, getter
from metachain.data.reading import Findings, Reading
from metachain.data.templates import Template, exploded, folded, nested_path, templates
from metachain.errors import DataError

__all__ = ["Fields", "ObjectMap", "TableMap"]

UNMISTAKABLE = frozenset({"nan", "NaN", "NAN", "-nan", "-NaN", "<NA>", "NaT", "(null)", "\\N", "1.#QNAN", "-1.#IND"})
ERRORS = frozenset({"#N/A", "#NA", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#CALC!"})
ABSENT_IN_TABLES = UNMISTAKABLE | ERRORS | {"None", "NULL", "null", "Null"}
"""Cells that are absent values; None and NULL are words in JSON, which has a null of its own."""
ABSENT_IN_JSON = UNMISTAKABLE | ERRORS
FORMULA = re.compile(r'\s*="((?:[^"]|"")*)"\s*')
TYPE = "|type"


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
        if "=" in cell and (formula := FORMULA.fullmatch(cell)):
            cell = formula[1].replace('""', '"')
        if cell in self.absent or cell.strip() in self.absent:
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

    def records(self, given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Records of an object: one, several where a template divides it, or none where it is left out."""
        if self.found.first is None:
            self.found.first, self.found.names = given, self.found.names or tuple(given)
        template = next((one for one in self.family if one.fits(given)), None)
        if self.family and template is None:
            self.found.left_out += 1
            return
        for part in exploded(template, given) if template else [given]:
            source = {**self.constants, **part} if self.constants else part
            if all(test(get(source)) for get, test in self._of(template).conditions):
                yield self._cleaned(self._record(source, part, template))
            else:
                self.found.left_out += 1

    def _of(self, template: Template | None) -> _Compiled:
        """Getters and conditions for records of a template; compiled once."""
        name = template.name if template else ""
        if name not in self.compiled:
            own = [] if template is None or self.reads_output else _conditions(template.where, ())
            tests = [*self.conditions, *((get, test) for _, get, test in own)]
            paths = template.columns if template else {}
            self.compiled[name] = _Compiled({ours: _alternatives(several) for ours, several in paths.items()}, tests)
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

    def _cleaned(self, record: dict[str, Any]) -> dict[str, Any]:
        output = record.get("output")
        if isinstance(output, dict) and output:
            with suppress(TypeError, ValueError, RecursionError):
                record["output"] = json.dumps(output, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        for name in ("institution", "input", "output", "id"):
            value = record.get(name)
            if type(value) is str and value.strip() in self.absent:
                self.found.absent[value.strip()] += 1
                del record[name]
        return record


@dataclass(frozen=True, slots=True)
class Fields:
    """Makes the way to our records, once the columns of a table or the first object are known."""

    reading: Reading
    found: Findings

    def __post_init__(self) -> None:
        check_columns(self.reading.columns)
        _conditions(self.reading.where, ())

    def of_table(self, names: Sequence[str], above: Sequence[Sequence[str]] = ()) -> TableMap | None:
        """The way for a table with these columns, if it has all that are needed. Raises DataError for doubled ones."""
        reading = self.reading
        wanted, paths = {}, {}
        for ours, theirs in reading.columns.items():
            if theirs not in names and first_name(theirs) in names:
                paths[ours] = theirs
            else:
                wanted[ours] = theirs
        required = [one for one in reading.required if one not in paths]
        where = _conditions(reading.where, names)
        constants = _constants(above)
        wanted = {ours: theirs for ours, theirs in wanted.items() if theirs in names or theirs not in constants}
        fixed = {ours: theirs for ours, theirs in reading.columns.items() if ours not in wanted and ours not in paths}
        required = [one for one in required if one not in fixed]
        if missing_columns(names, wanted, required, reading.institution) or _unknown(where, names):
            return None
        found = {name: name for name in names if is_field(name)} | wanted
        for ours in (*paths, *fixed):
            found.pop(ours, None)
        if twice := [theirs for theirs in found.values() if names.count(theirs) > 1]:
            raise DataError(f"column {twice[0]!r} appears twice; give each column its own name")
        getters = {ours: getter(path) for ours, path in paths.items()}
        getters |= {ours: _constant(constants[theirs]) for ours, theirs in fixed.items()}
        system = f"{found.get('output', '')}{TYPE}"
        extra = [system] if system in names else []
        self.found.systems_column = extra[0] if extra else ""
        self.found.chosen = dict(reading.columns) | found
        asked = [*found.values(), *map(first_name, paths.values())]
        needed = dict.fromkeys([*asked, *(_column(path, names) for path, _, _ in where), *extra])
        tests = [(get, test) for _, get, test in where]
        return TableMap(
            tuple(needed), tuple(dict.fromkeys(asked)), found, getters, tests, self._absent(True), self.found
        )

    def of_template(self, names: Sequence[str], above: Sequence[Sequence[str]] = ()) -> TableMap | None:
        """The way for a table of a known format; None for any other."""
        known = dict.fromkeys(names)
        template = next((one for one in templates(self.reading.template) if one.fits(known)), None)
        if template is None:
            return None
        reading, constants, lists = self.reading, _constants(above), folded(template, names)
        paths: dict[str, Sequence[str]] = {ours: list(given) for ours, given in template.columns.items()}
        paths |= {ours: [theirs] for ours, theirs in reading.columns.items()}
        if reading.institution is not None and "institution" not in reading.columns:
            paths.pop("institution", None)
        have = {*names, *constants, *lists}
        paths = {
            ours: [one for one in several if one in have or first_name(one) in have] for ours, several in paths.items()
        }
        absent = [ours for ours in reading.required if not paths.get(ours)]
        if [ours for ours in absent if ours != "institution" or reading.institution is None]:
            return None
        where = _conditions([*reading.where, *([] if "output" in reading.columns else template.where)], names)
        columns = [_column(one, names) for several in paths.values() for one in several]
        columns += [_column(path, names) for path, _, _ in where]
        columns += [column for several in lists.values() for one in several for column in one.values()]
        needed = tuple(dict.fromkeys(one for one in columns if one in known))
        getters = {
            ours: _constant(constants[several[0]]) if several[0] not in known and several[0] in constants
            else _alternatives(several)
            for ours, several in paths.items() if several
        }  # fmt: skip
        self.found.template = template.title
        self.found.chosen = {ours: several[0] for ours, several in paths.items() if several}
        asked = tuple(one for one in needed if one in {path for several in paths.values() for path in several})
        tests = [(get, test) for _, get, test in where]
        return TableMap(needed, asked, {}, getters, tests, self._absent(True), self.found, lists)

    def of_object(
        self, first: Mapping[str, Any], constants: Mapping[str, Any] | None = None, known: Template | None = None
    ) -> ObjectMap:
        """The way for JSON objects such as the first one; ``known`` is the template of the document that holds them."""
        reading, constants = self.reading, constants or {}
        columns = {ours: nested_path(theirs, first) or theirs for ours, theirs in reading.columns.items()}
        wanted = [one for one in reading.required if one != "institution" or reading.institution is None]
        plain = {ours: theirs for ours, theirs in columns.items() if first_name(theirs) == theirs}
        paths = {ours: theirs for ours, theirs in columns.items() if ours not in plain}
        paths |= {ours: theirs for ours, theirs in plain.items() if theirs in constants and theirs not in first}
        plain = {ours: theirs for ours, theirs in plain.items() if ours not in paths}
        family: list[Template] = []
        if any(one not in first and one not in reading.columns for one in wanted):
            every = templates(reading.template)
            best = next((one for one in every if one.fits(first)), None)
            best = best or next((one for one in every if one.fits_kind(first)), None)
            of_bundle = known is not None and not known.columns
            if best or of_bundle:
                family = [one for one in every if one.signs and (of_bundle or _kin(one, best))]
                self.found.template = (known.title if known else "") or (best.title if best else "")
        named = paths if not family else {**plain, **paths}
        self.found.chosen = dict(columns)
        if family and (best := next((one for one in family if one.fits(first)), None)):
            self.found.chosen = {ours: several[0] for ours, several in best.columns.items()} | self.found.chosen
        where = [(get, test) for _, get, test in _conditions(reading.where, tuple(first))]
        getters = {ours: getter(path) for ours, path in named.items()}
        return ObjectMap(
            plain, getters, where, self._absent(False), self.found, family, reading.institution,
            "output" in reading.columns, constants,
        )  # fmt: skip

    def _absent(self, in_table: bool) -> frozenset[str]:
        if self.reading.missing is not None:
            return frozenset(self.reading.missing)
        return ABSENT_IN_TABLES if in_table else ABSENT_IN_JSON


def _kin(one: Template, best: Template | None) -> bool:
    return best is not None and (one is best or (one.title == best.title and one.title != one.name))


def _conditions(texts: Sequence[str], names: Sequence[str]) -> list[tuple[str, Getter, Callable[[Any], bool]]]:
    read = [condition(text, names) for text in texts]
    return [(path, getter(path), test) for path, test in read]


def _column(path: str, names: Sequence[str]) -> str:
    return path if path in names else first_name(path)


def _unknown(where: Sequence[tuple[str, Getter, Any]], names: Sequence[str]) -> list[str]:
    return [path for path, _, _ in where if _column(path, names) not in names]


def _alternatives(paths: Sequence[str]) -> Getter:
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


def _constant(value: Any) -> Getter:
    return lambda record: value


def _filled(columns: Sequence[Mapping[str, str]], values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{ours: values.get(theirs) for ours, theirs in one.items()} for one in columns]


def _constants(above: Sequence[Sequence[str]]) -> dict[str, str]:
    """Names and values in the two lines above a header, as in price lists; empty for titles and notes."""
    if len(above) < 2:
        return {}
    names, values = above[-2], above[-1]
    pairs = {name.strip(): value.strip() for name, value in zip(names, values, strict=False) if name.strip()}
    return pairs if len(pairs) > 1 else {}

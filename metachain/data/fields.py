"""The choice of the way to our records: by columns, paths or a template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metachain.data.columns import check_columns, is_field, missing_columns
from metachain.data.paths import Getter, first_name, getter
from metachain.data.reading import Findings, Reading
from metachain.data.record_maps import ObjectMap, TableMap, alternatives, conditions_of
from metachain.data.templates import Template, folded, nested_path, templates
from metachain.errors import DataError

__all__ = ["Fields"]

UNMISTAKABLE = frozenset({"nan", "NaN", "NAN", "-nan", "-NaN", "<NA>", "NaT", "(null)", "\\N", "1.#QNAN", "-1.#IND"})
ERRORS = frozenset({"#N/A", "#NA", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#CALC!"})
ABSENT_IN_TABLES = UNMISTAKABLE | ERRORS | {"None", "NULL", "null", "Null"}
"""Cells that are absent values; None and NULL are words in JSON, which has a null of its own."""
ABSENT_IN_JSON = UNMISTAKABLE | ERRORS
TYPE = "|type"


@dataclass(frozen=True, slots=True)
class Fields:
    """Makes the way to our records, once the columns of a table or the first object are known."""

    reading: Reading
    found: Findings

    def __post_init__(self) -> None:
        check_columns(self.reading.columns)
        conditions_of(self.reading.where, ())

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
        where = conditions_of(reading.where, names)
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
        where = conditions_of([*reading.where, *([] if "output" in reading.columns else template.where)], names)
        columns = [_column(one, names) for several in paths.values() for one in several]
        columns += [_column(path, names) for path, _, _ in where]
        columns += [column for several in lists.values() for one in several for column in one.values()]
        needed = tuple(dict.fromkeys(one for one in columns if one in known))
        getters = {
            ours: _constant(constants[several[0]]) if several[0] not in known and several[0] in constants
            else alternatives(several)
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
        where = [(get, test) for _, get, test in conditions_of(reading.where, tuple(first))]
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


def _column(path: str, names: Sequence[str]) -> str:
    return path if path in names else first_name(path)


def _unknown(where: Sequence[tuple[str, Getter, Any]], names: Sequence[str]) -> list[str]:
    return [path for path, _, _ in where if _column(path, names) not in names]


def _constant(value: Any) -> Getter:
    return lambda record: value


def _constants(above: Sequence[Sequence[str]]) -> dict[str, str]:
    """Names and values in the two lines above a header, as in price lists; empty for titles and notes."""
    if len(above) < 2:
        return {}
    names, values = above[-2], above[-1]
    pairs = {name.strip(): value.strip() for name, value in zip(names, values, strict=False) if name.strip()}
    return pairs if len(pairs) > 1 else {}

"""Templates: the columns of known formats, from the table ``templates.toml`` or a file of the user's."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from metachain.data.paths import getter
from metachain.errors import DataError

__all__ = ["Template", "exploded", "folded", "is_known_record", "nested_path", "templates"]

BUILT_IN = Path(__file__).with_name("templates.toml")
KNOWN = {"title", "document", "records", "signs", "each", "lists", "where", "columns"}


@dataclass(frozen=True, slots=True)
class Template:
    """The columns of one known format; ``templates.toml`` says what each field means."""

    name: str
    title: str = ""
    document: Sequence[str] = ()
    records: str = ""
    signs: Sequence[str] = ()
    each: str = ""
    lists: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    where: Sequence[str] = ()
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def fits_document(self, document: Mapping[str, Any]) -> bool:
        """True for the top level of a JSON document that is of this format."""
        return bool(self.document) and all(_has(document, sign) for sign in self.document)

    def fits(self, record: Mapping[str, Any]) -> bool:
        """True for a record of this format; for a table, give its columns as keys."""
        return bool(self.signs) and all(_has(record, sign) for sign in self.signs)

    def fits_kind(self, record: Mapping[str, Any]) -> bool:
        """True for a record that has the fields of this format, though with other values: of another kind."""
        return any("=" in sign for sign in self.signs) and all(sign.partition("=")[0] in record for sign in self.signs)


def templates(chosen: str = "") -> tuple[Template, ...]:
    """The built-in templates; only one of them by its name, those of a file by its path, or none (``none``).

    Raises DataError for a file that can't be read or is no table of templates.
    """
    if chosen == "none":
        return ()
    built_in = _built_in()
    if not chosen:
        return built_in
    named = tuple(one for one in built_in if one.name == chosen)
    if named:
        return named
    if not Path(chosen).is_file():
        names = ", ".join(one.name for one in built_in)
        raise DataError(f"there is no template {chosen!r}: give a file of templates, none, or one of {names}")
    return _read(Path(chosen))


def is_known_record(record: Mapping[str, Any]) -> bool:
    """True if a built-in template fits the record."""
    return any(one.fits(record) for one in templates())


def folded(template: Template, names: Sequence[str]) -> dict[str, list[dict[str, str]]]:
    """Columns of each list of a template: for each number that the table has, the names of the list's fields."""
    found: dict[str, list[dict[str, str]]] = {}
    held = set(names)
    for name, fields in template.lists.items():
        key = next(iter(fields.values()))
        pattern = re.compile(re.escape(key).replace(r"\{n\}", r"(\d+)"))
        numbers = sorted({int(one[1]) for column in names if (one := pattern.fullmatch(column))})
        every = [{ours: theirs.replace("{n}", str(number)) for ours, theirs in fields.items()} for number in numbers]
        found[name] = [one for one in every if held.issuperset(one.values())]
    return found


def nested_path(column: str, record: Mapping[str, Any]) -> str:
    """Path into a record of a column that is numbered in a table of the same format, such as ``code|1``; or ""."""
    for template in templates():
        for name, fields in template.lists.items():
            for ours, theirs in fields.items():
                found = re.fullmatch(re.escape(theirs).replace(r"\{n\}", r"(\d+)"), column)
                if found and name in record:
                    return f"{name}.{int(found[1]) - 1}.{ours}"
    return ""


def exploded(template: Template, record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rows of a record: itself, or each element of the list that the template names."""
    if not template.each:
        return [record]
    several = getter(template.each)(record)
    parts = several if isinstance(several, list) else []
    return [{**one, "parent": record} for one in parts if isinstance(one, Mapping)]


@cache
def _built_in() -> tuple[Template, ...]:
    return _read(BUILT_IN)


def _read(path: Path) -> tuple[Template, ...]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        return tuple(_template(name, one) for name, one in table.items())
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is not a file of templates ({error}); see metachain/data/templates.toml") from None


def _template(name: str, table: Mapping[str, Any]) -> Template:
    if unknown := sorted(set(table) - KNOWN):
        raise ValueError(f"{name} has the unknown key {unknown[0]!r}")
    columns = {ours: [paths] if isinstance(paths, str) else paths for ours, paths in table.get("columns", {}).items()}
    return Template(name, **{**table, "title": table.get("title", name), "columns": columns})


def _has(record: Mapping[str, Any], sign: str) -> bool:
    name, equals, value = sign.partition("=")
    return name in record and (not equals or record[name] == value)

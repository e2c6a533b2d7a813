"""Demonstration: one worked example of an institution."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from metachain.data.metadata.json_form import plain_json
from metachain.errors import DataError
from metachain.normal_form import label_form, normal_form, visible

__all__ = [
    "ID_DIGITS",
    "Demonstration",
    "check_text",
    "checked_name",
    "derived_id",
    "has_derived_id",
    "json_object",
    "parse_record",
]
__all__ += ["patient_of", "storable"]

REQUIRED_FIELDS = ("institution", "input", "output")
ID_DIGITS = 20
"""Number of digits of a derived id."""
KNOWN_FIELDS = frozenset({*REQUIRED_FIELDS, "id", "metadata"})


@dataclass(frozen=True, slots=True)
class Demonstration:
    """One worked example ``(input, output)`` of an institution (few-shot example).

    Institution and id are brought into their normal form (``metachain.normal_form``); input and output stay as
    they are. Without an id it gets one derived from the three texts, so that adding a record twice adds it once. Raises
    DataError if a text is missing, blank or can't be stored (NUL, lone surrogate), or if the metadata can't be JSON;
    dates, NaN, numbers of NumPy and the like are written as ``plain_json`` does.
    """

    institution: str
    input: str
    output: str
    id: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        for name in REQUIRED_FIELDS:
            check_text(name, getattr(self, name))
        object.__setattr__(self, "institution", normal_form(self.institution))
        if self.metadata != {}:
            object.__setattr__(self, "metadata", _plain_metadata(self.metadata))
        if self.id == "":
            object.__setattr__(self, "id", derived_id(self.institution, self.input, self.output))
        else:
            object.__setattr__(self, "id", checked_name("id", self.id))

    @property
    def key(self) -> tuple[str, str]:
        """Institution and id, by which the library identifies the demonstration."""
        return self.institution, self.id

    @property
    def label(self) -> str:
        """The output as answers are compared (``metachain.normal_form.label_form``)."""
        return label_form(self.output)

    @property
    def patient(self) -> str | None:
        """Patient named by ``metadata.patient``; all data of a patient can be erased together. None without one."""
        return patient_of(self.metadata)

    @property
    def date(self) -> datetime | None:
        """Moment of ``metadata.date``, when the answer was given (``date_of``). None without one."""
        return date_of(self.metadata)

    @property
    def keeps_both(self) -> bool:
        """True if ``metadata.keep_both`` says that its answer is right beside others to the same text."""
        return self.metadata.get("keep_both") is True


def derived_id(institution: str, input: str, output: str) -> str:
    """Id of a demonstration that came without one, 20 hexadecimal digits."""
    return sha256("\0".join((institution, input, output)).encode()).hexdigest()[:ID_DIGITS]


def has_derived_id(one: Demonstration) -> bool:
    """True if a demonstration's id was derived from its texts."""
    return len(one.id) == ID_DIGITS and one.id == derived_id(one.institution, one.input, one.output)


def date_of(metadata: Mapping[str, Any]) -> datetime | None:
    """Moment of ``metadata.date``, an ISO 8601 day or moment, in UTC unless a zone is given; None for anything else."""
    try:
        moment = datetime.fromisoformat(metadata["date"])
    except (KeyError, TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def patient_of(metadata: Mapping[str, Any]) -> str | None:
    """Patient named by the metadata, as a text in normal form; None without one."""
    found = metadata.get("patient")
    return None if found is None else normal_form(str(found))


def parse_record(record: Mapping[str, Any], institution: str | None = None) -> Demonstration:
    """Demonstration of a record ``{"institution", "input", "output", "id"?, "metadata"?}``.

    Other fields are ignored. With ``institution`` given, the record may omit its own; a different one is an error.
    Raises DataError that names the missing or wrong field.
    """
    known = {name: value for name, value in record.items() if name in KNOWN_FIELDS and value is not None}
    if institution is not None:
        named = known.setdefault("institution", institution)
        if not isinstance(named, str) or normal_form(named) != normal_form(institution):
            raise DataError(f"'institution' is {named!r}, expected {institution!r}")
    absent = [name for name in REQUIRED_FIELDS if name not in known]
    if missing := [name for name in absent if name not in record]:
        raise DataError(f"missing field(s) {', '.join(map(repr, missing))}")
    if absent:
        raise DataError(f"{', '.join(map(repr, absent))} must be a string, got null")
    return Demonstration(**{"id": "", **known})


def json_object(line: str) -> dict[str, Any]:
    """Parse a text that is one JSON object. Raises DataError that says why it is not."""
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"not JSON ({error.msg} at column {error.colno})") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"not JSON that can be read ({error})") from None
    if not isinstance(record, dict):
        raise DataError(f"expected an object, got {_kind(record)}")
    return record


def storable(text: str) -> str:
    """The text with "?" in place of characters that databases can't store: NUL and lone surrogates."""
    return text.replace("\0", "?").encode(errors="replace").decode()


def checked_name(name: str, value: object) -> str:
    """The normal form of a name or id. Raises DataError as ``check_text`` does."""
    check_text(name, value)
    return normal_form(str(value))


def check_text(name: str, value: object) -> None:
    """Raise DataError for a value that can't be stored as a text: not a string, blank, NUL, lone surrogate."""
    if not isinstance(value, str):
        raise DataError(f"{name!r} must be a string, got {_kind(value)}")
    if not value.strip() or not visible(value).strip():
        raise DataError(f"{name!r} is blank")
    if "\0" in value:
        raise DataError(f"{name!r} holds a NUL character, which databases can't store; remove it")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise DataError(f"{name!r} holds a lone surrogate, which is not text; remove it") from None


def _plain_metadata(value: object) -> Mapping[str, Any]:
    """The metadata themselves where they are JSON, else as ``plain_json`` writes them."""
    if not isinstance(value, Mapping):
        raise DataError(f"'metadata' must be an object, got {_kind(value)}")
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        try:
            held: Mapping[str, Any] = plain_json(value)
        except (TypeError, ValueError) as error:
            raise DataError(f"'metadata' must hold only JSON values ({error})") from None
        return held
    return value


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)

"""Whether an answer is JSON of a schema."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from pydantic import BaseModel, ValidationError

from metachain.errors import DataError
from metachain.scoring.metrics import Metric

__all__ = ["json_schema", "json_schema_file", "json_within"]


def json_schema(schema: Mapping[str, Any] | bool | type[BaseModel]) -> Metric:
    """1 for a prediction that is JSON and valid, else 0, whatever the reference says.

    ``schema`` is a JSON schema (draft 2020-12, or that of its ``$schema``; as in that standard, ``format`` is not
    checked) or a Pydantic model, in which a text of digits is no number. JSON is alone or in a fence of its own, as
    ``extraction_chain`` takes it; NaN and Infinity are none. Nothing is fetched: a ``$ref`` out of the schema is a
    DataError when it is met, and a schema that is none is one at once.
    """
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return _by_model(schema)
    return _by_schema(schema)


def json_schema_file(path: str | Path) -> Metric:
    """``json_schema`` of a file that holds a JSON schema; DataError for one that can't be read or holds none."""
    try:
        schema = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} holds no JSON schema: {error}") from error
    return json_schema(schema)


def _by_model(model: type[BaseModel]) -> Metric:
    def json_schema(prediction: str, reference: str) -> float:
        try:
            text = json_within(prediction)
            json.loads(text, parse_constant=_refuse)
            model.model_validate_json(text, strict=True)
        except (ValidationError, ValueError, RecursionError):
            return 0.0
        return 1.0

    return json_schema


def _by_schema(schema: Any) -> Metric:
    from jsonschema.exceptions import SchemaError  # noqa: PLC0415 - only this metric needs it
    from jsonschema.validators import Draft202012Validator, validator_for  # noqa: PLC0415
    from referencing.exceptions import Unresolvable  # noqa: PLC0415
    from referencing.jsonschema import EMPTY_REGISTRY  # noqa: PLC0415

    try:
        kind = validator_for(schema, default=Draft202012Validator)
        kind.check_schema(schema)
    except SchemaError as error:
        raise DataError(f"that is no JSON schema: {error.message[:160]}") from error
    except (AttributeError, TypeError) as error:
        raise DataError(f"a JSON schema is an object or a boolean, got {type(schema).__name__}") from error
    validator = kind(schema, registry=EMPTY_REGISTRY)

    def json_schema(prediction: str, reference: str) -> float:
        try:
            return float(validator.is_valid(json.loads(json_within(prediction), parse_constant=_refuse)))
        except Unresolvable as error:
            raise DataError(f"the JSON schema refers to what it doesn't hold: {error}") from error
        except (ValueError, RecursionError):
            return 0.0

    return json_schema


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


FENCE = "```"


def json_within(answer: str) -> str:
    """Find the JSON text in an answer: the lines within its fence where there is exactly one, else all of it.

    A fence is a line of its own, which no line within a JSON string can be, as line breaks are escaped there.
    """
    lines = answer.split("\n")
    fences = [place for place, line in enumerate(lines) if line.strip().lower() in (FENCE, f"{FENCE}json")]
    if len(fences) != 2 or lines[fences[1]].strip() != FENCE:
        return answer
    return "\n".join(lines[fences[0] + 1 : fences[1]])

"""Metric of answers that must be JSON of a schema."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from pydantic import BaseModel, ValidationError

from metachain.errors import DataError
from metachain.scoring.metrics import Metric

__all__ = ["json_schema", "json_schema_file", "json_within"]

FENCE = "```"


def json_schema(schema: Mapping[str, Any] | bool | type[BaseModel]) -> Metric:
    """Make a metric that is 1 for a prediction that is valid JSON of the schema, else 0; it ignores the reference.

    ``schema`` is a JSON schema (draft 2020-12, or the draft that its ``$schema`` names; ``format`` is not checked, as
    in that standard) or a Pydantic model in strict mode: a string of digits is not a number. The JSON stands alone or
    in a single fence, as for ``extraction_chain``; NaN and Infinity are not JSON. Nothing is fetched. Raises DataError
    at once for an invalid schema, and the metric raises it for a ``$ref`` that leads out of the schema.
    """
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return _by_model(schema)
    return _by_schema(schema)


def json_schema_file(path: str | Path) -> Metric:
    """Make a ``json_schema`` metric from a file. Raises DataError where it can't be read or is not a JSON schema."""
    try:
        schema = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} holds no JSON schema: {error}") from error
    return json_schema(schema)


def json_within(answer: str) -> str:
    """Find the JSON text in an answer: the lines inside its fence where there is exactly one fence, else all of it.

    A fence is a whole line. It cannot be part of a JSON string, because JSON escapes line breaks.
    """
    lines = answer.split("\n")
    fences = [place for place, line in enumerate(lines) if line.strip().lower() in (FENCE, f"{FENCE}json")]
    if len(fences) != 2 or lines[fences[1]].strip() != FENCE:
        return answer
    return "\n".join(lines[fences[0] + 1 : fences[1]])


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

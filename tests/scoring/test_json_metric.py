"""Whether an answer is JSON of a schema."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from metachain.errors import DataError
from metachain.scoring.json_metric import json_schema, json_schema_file

SCHEMA = {
    "type": "object",
    "properties": {"code": {"type": "string"}, "count": {"type": "integer", "minimum": 1}},
    "required": ["code", "count"],
    "additionalProperties": False,
}


class Booking(BaseModel):
    """What the schema says, as a model."""

    model_config = {"extra": "forbid"}
    code: str
    count: int


@pytest.mark.parametrize("schema", [SCHEMA, Booking])
@pytest.mark.parametrize(
    ("prediction", "score"),
    [
        ('{"code": "0450", "count": 2}', 1),
        ('Sure:\n```json\n{"code": "0450", "count": 2}\n```\nAnything else?', 1),
        ('{"code": "0450", "count": "2"}', 0),
        ('{"code": "0450"}', 0),
        ('{"code": "0450", "count": 2, "more": 1}', 0),
        ('{"code": "0450", "count": 2} is it', 0),
        ('{"code": "0450", "count": NaN}', 0),
        ("{'code': '0450', 'count': 2}", 0),
        ("I can't help with that.", 0),
        ("", 0),
        ("[" * 100_000, 0),
    ],
)
def test_an_answer_is_valid_or_not(schema: Any, prediction: str, score: float) -> None:
    """The reference has no say; words around a fence don't count, words without one do."""
    assert json_schema(schema)(prediction, "anything") == score


@pytest.mark.parametrize("schema", [{"type": "thing"}, {"minimum": "1"}, "object", 7, None])
def test_what_is_no_schema_is_refused_at_once(schema: Any) -> None:
    """Before any answer is asked for."""
    with pytest.raises(DataError, match="JSON schema"):
        json_schema(schema)


def test_references_stay_within_the_schema() -> None:
    """A local ``$ref`` works; one out of it is a DataError, and nothing is fetched."""
    local = {"$ref": "#/$defs/code", "$defs": {"code": {"type": "string"}}}
    assert json_schema(local)('"0450"', "") == 1
    with pytest.raises(DataError, match="refers to what it doesn't hold"):
        json_schema({"$ref": "http://127.0.0.1:9/schema"})('"0450"', "")


def test_a_schema_is_read_from_a_file(tmp_path: Path) -> None:
    """A file without a schema is a DataError that names it."""
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(SCHEMA))
    assert json_schema_file(path)('{"code": "0450", "count": 2}', "") == 1
    path.write_text("{")
    with pytest.raises(DataError, match=r"schema\.json holds no JSON schema"):
        json_schema_file(path)
    with pytest.raises(DataError, match=r"absent\.json holds no JSON schema"):
        json_schema_file(tmp_path / "absent.json")

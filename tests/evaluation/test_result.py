"""The result of an evaluation and its JSON object are the same thing in two forms."""

import json

import pytest
from results import part, result, scores, stored

from metachain.errors import DataError
from metachain.evaluation.result import Evaluation, GuardChoice
from metachain.evaluation.result_rows import CalibrationRow, PartWorth, Score, TransferMatrix, at_skill
from metachain.learning.calibration import Bin


def everything() -> Evaluation:
    """A result with every part."""
    return result(
        scores({"a": 0.4, "b": 0.6}),
        settings={"lessons": {"a": {"settings": {"scale": 4.0}, "trusts_consensus": True}}, "queries": 9, "new": [1]},
        transfer={"institutions": ["a", "b"], "rows": [[1.0, 0.5], [0.25, 1.0]]},
        origins=[{"institution": "a", "labels": 8, "shares": {"b": 1.0}}],
        calibration=[{"labels": 8, "ece": 0.1, "n": 2, "bins": [{"probability": 0.9, "right": 1.0, "n": 2}]}],
        ablation=[{"part": "vote", "labels": 8, "points": 1.0, "ci95": [0.5, 1.5]}],
        metrics={"token_f1": {"summary": []}},
        readers={"copy": part({"a": 0.7})},
        past=[{"past": 5, **part({"a": 0.8})}],
    )


def test_a_stored_result_is_read_as_it_was_written() -> None:
    """Through a file, with every part, and nothing is lost."""
    found = everything()
    assert Evaluation.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert json.loads(json.dumps(found.to_json())) == found.to_json()


def test_rows_tell_what_is_known_of_what_was_shown() -> None:
    """Measures and a skill over 0 are read as they were written; rows of before are written as they were read."""
    before = scores({"a": 0.4})[0]
    told = {**before, "recall": 0.0, "distinct": 1.5, "shots": 8.0, "skill": 0.5}
    rows = [Score.from_json(one) for one in (before, told)]
    assert [row.to_json() for row in rows] == [before, told]
    assert (rows[0].recall, rows[0].distinct, rows[0].shots, rows[0].skill) == (None, None, None, 0.0)
    assert (at_skill(rows), at_skill(rows, 0.5)) == (tuple(rows[:1]), tuple(rows[1:]))


def test_parts_are_typed() -> None:
    """Objects and tuples, not dictionaries and lists."""
    found = everything()
    assert found.transfer == TransferMatrix(("a", "b"), ((1.0, 0.5), (0.25, 1.0)))
    assert found.calibration == (CalibrationRow(8, 0.1, 2, (Bin(0.9, 1.0, 2),)),)
    assert found.ablation == (PartWorth("vote", 8, 1.0, (0.5, 1.5)),)
    assert found.settings.lessons == {"a": GuardChoice({"scale": 4.0}, trusts_consensus=True)}
    assert found.settings.further == {"new": [1]}
    assert found.readers["copy"].scores[0].institution == "a"


def test_empty_parts_are_left_out_of_the_json() -> None:
    """Those of the contract, and the harm, are always there."""
    names = ["dataset", "protocol", "model", "shots", "seeds", "settings", "scores", "summary", "cost", "harm"]
    assert list(Evaluation.from_json(stored({})).to_json()) == names


def test_parts_can_be_read_by_name() -> None:
    """As documentation shows: JSON, and a KeyError where the JSON object has no such part."""
    found = everything()
    assert found["summary"] == found.to_json()["summary"]
    with pytest.raises(KeyError, match="luck"):
        found["luck"]


def test_the_command_is_a_setting() -> None:
    """The last one, in a copy of the result."""
    found = everything()
    assert list(found.with_command("metachain demo").to_json()["settings"])[-2:] == ["command", "new"]
    assert found.settings.command is None


def test_a_foreign_object_is_refused() -> None:
    """By the names that it lacks."""
    with pytest.raises(DataError, match="it lacks scores and cost; see metachain evaluate --json"):
        Evaluation.from_json({name: one for name, one in stored({}).items() if name not in ("scores", "cost")})

"""The file of rejected rows."""

import json
import os
from pathlib import Path

import pytest

from metachain.data.rows import Rejected, RejectedFile, Row
from metachain.errors import StorageError


def test_each_row_is_a_line_with_its_reason(tmp_path: Path) -> None:
    """A record is written as it is, other text as ``raw``, undecodable or non-JSON parts escaped."""
    path = tmp_path / "rejected.jsonl"
    with RejectedFile(path) as file:
        file.write(Rejected(Row(3, {"input": "Hôpital"}), "no output"))
        file.write(Rejected(Row(4, None, raw="H\udcf4pital"), "not UTF-8"))
        file.write(Rejected(Row(5, {"input": "\ud800"}), "half a character"))
        file.write(Rejected(Row(6, {"metadata": {"x": float("nan")}}, raw='{"x": NaN}'), "no JSON"))
        file.write(Rejected(Row(7, {"metadata": b"\xf4"}, unit="row"), "no JSON"))
        assert not path.exists()
    lines = path.read_text(encoding="utf-8").splitlines()
    assert "Hôpital" in lines[0]
    assert [json.loads(line) for line in lines] == [
        {"line": 3, "reason": "no output", "record": {"input": "Hôpital"}},
        {"line": 4, "reason": "not UTF-8", "raw": r"H\xf4pital"},
        {"line": 5, "reason": "half a character", "record": {"input": "\ud800"}},
        {"line": 6, "reason": "no JSON", "raw": '{"x": NaN}'},
        {"row": 7, "reason": "no JSON", "raw": r"{'metadata': b'\xf4'}"},
    ]


def test_without_rejected_rows_nothing_is_written(tmp_path: Path) -> None:
    """Without rejected rows, or after an error, no file is written and an earlier one stays."""
    path = tmp_path / "rejected.jsonl"
    with RejectedFile(path):
        pass
    assert os.listdir(tmp_path) == []
    path.write_text("older")

    def fail() -> None:
        with RejectedFile(path) as file:
            file.write(Rejected(Row(1, {}), "empty"))
            raise ValueError("failed")

    with pytest.raises(ValueError, match="failed"):
        fail()
    assert (os.listdir(tmp_path), path.read_text()) == (["rejected.jsonl"], "older")


def test_a_place_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    """A missing folder is a StorageError at the first rejected row."""
    with RejectedFile(tmp_path / "nowhere" / "x.jsonl") as file, pytest.raises(StorageError, match="nowhere"):
        file.write(Rejected(Row(1, {}), "empty"))

"""JSON Lines files, line by line."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from handmade import jsonl
from hypothesis import given
from hypothesis import strategies as st

from metachain.data.jsonl import json_rows
from metachain.errors import DataError

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUE = st.none() | st.integers() | TEXT | st.lists(TEXT, max_size=3) | st.dictionaries(TEXT, TEXT, max_size=3)


@given(
    st.lists(st.dictionaries(TEXT, VALUE, max_size=3), max_size=5),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.booleans(),
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]], encoding: str, plain: bool
) -> None:
    """Any objects come back unchanged, escaped or not, each with its line number."""
    path = tmp_path_factory.mktemp("jsonl") / "data.jsonl"
    lines = [json.dumps(one, ensure_ascii=plain) for one in records]
    path.write_bytes("\n\n".join(lines).encode(encoding))
    assert [(row.number, row.record) for row in json_rows(path)] == [(2 * n + 1, one) for n, one in enumerate(records)]


def test_a_bad_line_is_a_row_with_a_reason(tmp_path: Path) -> None:
    """A line that is not an object, not JSON or not UTF-8 gives a row with number, reason and text."""
    path = tmp_path / "data.jsonl"
    path.write_bytes(b'[1]\n{"a": "H\xf4"}\n\n{"a": "b\0"}\r\n{"a": 1}\n{"a": ')
    rows = list(json_rows(path))
    assert [(row.number, row.record) for row in rows] == [(1, None), (2, None), (4, None), (5, {"a": 1}), (6, None)]
    assert [row.reason for row in rows] == [
        "expected an object, got a list",
        r"not UTF-8 (\xf4 at character 9); save the file as UTF-8",
        "not JSON (Invalid control character at at column 9)",
        "",
        "not JSON (Expecting value at column 6)",
    ]
    assert rows[4].raw == '{"a":'


def test_fields_may_have_other_names(tmp_path: Path) -> None:
    """Fields are renamed, into metadata too; the others stay."""
    path = jsonl(
        tmp_path / "data.jsonl", [{"text": "a", "input": "old", "ward": 7, "metadata": {"x": 1}}, {"metadata": 1}]
    )
    rows = json_rows(path, {"input": "text", "metadata.ward": "ward"})
    assert [row.record for row in rows] == [{"input": "a", "metadata": {"x": 1, "ward": 7}}, {"metadata": 1}]
    with pytest.raises(
        DataError, match=r"'inputs' is not a field of a demonstration; columns can be given for institution"
    ):
        next(json_rows(path, {"inputs": "text"}))


def test_a_compressed_file_is_known_by_its_content(tmp_path: Path) -> None:
    """A gzip file is read under any name."""
    path = tmp_path / "data"
    path.write_bytes(gzip.compress(b'{"a": 1}\n'))
    assert [row.record for row in json_rows(path)] == [{"a": 1}]

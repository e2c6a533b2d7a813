"""Parquet files, as pyarrow writes them."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from metachain.errors import DataError
from metachain.parquet import parquet_rows
from metachain.rows import Row, demonstration_of

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

TEXTS = {"institution": ["a", "b"], "input": ["x", "🩻"], "output": ["1", "2"]}


def read(folder: Path, held: dict[str, Any], **options: Any) -> list[Row]:
    """Write a table and read it."""
    path = folder / "data.parquet"
    pq.write_table(pa.table(held), path)
    return list(parquet_rows(path, **options))


def test_rows_are_numbered_through_all_batches(tmp_path: Path) -> None:
    """Rows of several row groups and batches come in order, with progress in rows."""
    path, told = tmp_path / "data.parquet", []
    numbers = [str(number) for number in range(2500)]
    pq.write_table(pa.table(dict.fromkeys(TEXTS, numbers)), path, row_group_size=700)
    rows = list(parquet_rows(path, progress=lambda *what: told.append(what)))
    assert [(row.number, row.unit, row.record and row.record["input"]) for row in rows] == [
        (number + 1, "row", str(number)) for number in range(2500)
    ]
    assert told[-1] == ("reading (rows)", 2500, 2500)


def test_nested_types_are_metadata(tmp_path: Path) -> None:
    """Structs, lists, maps, dates, decimals and dictionaries of strings become JSON; nulls are left out."""
    moment = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    nested = {
        "metadata": pa.array([{"group": "g", "seen": [moment], "deep": {"n": 1.5}}, None]),
        "metadata.day": pa.array([date(2024, 1, 2), None]),
        "metadata.price": pa.array([Decimal("1.50"), None]),
        "metadata.codes": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
        "output": pa.array(["1", "2"]).dictionary_encode(),
        "id": pa.array([None, "7"], pa.large_string()),
    }
    rows = read(tmp_path, {**TEXTS, **nested})
    assert rows[0].record == {
        "institution": "a",
        "input": "x",
        "output": "1",
        "metadata": {
            "group": "g",
            "seen": ["2024-01-02T03:04:05+00:00"],
            "deep": {"n": 1.5},
            "day": "2024-01-02",
            "price": "1.50",
            "codes": {"k": 1},
        },
    }
    assert rows[1].record == {"institution": "b", "input": "🩻", "output": "2", "id": "7"}
    assert "'metadata' must hold what JSON can" in str(
        demonstration_of(read(tmp_path, {**TEXTS, "metadata.raw": [b"\0", b""]})[0])
    )


def test_metadata_may_be_json(tmp_path: Path) -> None:
    """A column of JSON texts is read as what the texts say."""
    rows = read(tmp_path, {**TEXTS, "metadata": ['{"a": 1}', "{"]})
    assert rows[0].record is not None
    assert rows[0].record["metadata"] == {"a": 1}
    assert rows[1].reason.startswith("'metadata': not JSON")


@pytest.mark.parametrize(
    ("columns", "options", "complaint"),
    [
        ({"output": [1, 2]}, {}, "column 'output' must hold strings, got int64; write it as strings"),
        ({"input": [b"x", b"y"]}, {}, "column 'input' must hold strings, got binary"),
        ({"id": [[1], [2]]}, {}, "column 'id' must hold strings, got list<"),
        ({}, {"columns": {"input": "text"}}, r"no column\(s\) 'text'; it has: 'institution', 'input', 'output'"),
    ],
)
def test_columns_of_other_types_are_named(
    tmp_path: Path, columns: dict[str, Any], options: dict[str, Any], complaint: str
) -> None:
    """A column that is missing, or of which no cell could be a text, is an error before anything is read."""
    with pytest.raises(DataError, match=rf"data\.parquet: {complaint}"):
        read(tmp_path, {**TEXTS, **columns}, **options)


def test_a_cell_that_is_no_text_costs_its_row(tmp_path: Path) -> None:
    """Bytes in a column of strings that are no UTF-8 are told by row, and the others are read."""
    strings = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"\xf4x")]
    )
    rows = read(tmp_path, {**TEXTS, "input": strings})
    assert rows[0].reason.startswith("a cell can't be read ('utf-8' codec can't decode byte 0xf4")
    assert rows[1].record == {"institution": "b", "input": "x", "output": "2"}


@pytest.mark.parametrize("damage", ["cut", "middle", "nonsense", "nothing"])
def test_a_broken_file_is_named(tmp_path: Path, damage: str) -> None:
    """A file that is cut short, damaged within or no Parquet at all is a DataError that names it."""
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table({name: [str(n) * 50 for n in range(3000)] for name in TEXTS}), path, use_dictionary=False)
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(
        {
            "cut": content[:middle],
            "middle": content[: middle - 2000] + b"\xff" * 4000 + content[middle + 2000 :],
            "nonsense": b"nonsense" * 100,
            "nothing": b"",
        }[damage]
    )
    with pytest.raises(DataError, match=r"data\.parquet.*no whole Parquet file"):
        list(parquet_rows(path))
    with pytest.raises(DataError, match=r"can't read .*nowhere: No such file"):
        list(parquet_rows(tmp_path / "nowhere"))

"""Hugging Face datasets in memory and on disk, and Parquet files, read without network access."""

import socket
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from metachain.data.arrow import dataset_rows, is_dataset, parquet_rows, saved_dataset
from metachain.data.demonstration import Demonstration
from metachain.data.rows import Row, from_record
from metachain.errors import DataError

datasets = pytest.importorskip("datasets")

RECORDS = [
    {"institution": "a", "input": "x", "output": "1", "metadata": {"group": "g"}},
    {"institution": "b", "input": "y", "output": "2", "metadata": {"ward": "w"}},
]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every opening of a socket fail."""

    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_a_dataset_and_its_folder_are_read_alike(tmp_path: Path) -> None:
    """A dataset in memory, the same written by save_to_disk, and one with rows picked from it."""
    dataset = datasets.Dataset.from_list(RECORDS)
    dataset.save_to_disk(tmp_path / "saved")
    assert is_dataset(tmp_path / "saved")
    for one in (dataset, saved_dataset(tmp_path / "saved")):
        rows = list(dataset_rows(one))
        assert [(row.number, row.unit, row.record) for row in rows] == [
            (number, "row", record) for number, record in enumerate(RECORDS, start=1)
        ]
    assert [row.record for row in dataset_rows(dataset.select([1]))] == [RECORDS[1]]
    assert [row.record for row in dataset_rows(dataset.with_format("numpy"))] == RECORDS


def test_an_iterable_dataset_is_read_as_it_comes() -> None:
    """Thousands of rows of a generator are read batch by batch; its columns are known from the first one."""
    given: list[int] = []

    def generate() -> Iterator[dict[str, Any]]:
        for number in range(2500):
            given.append(number)
            yield {"text": f"text {number}", "code": "c"}

    dataset = datasets.IterableDataset.from_generator(generate)
    rows = dataset_rows(dataset, {"input": "text", "output": "code"}, "a")
    assert next(rows).record == {"input": "text 0", "output": "c"}
    assert len(given) < 1100
    assert sum(1 for _ in rows) == 2499


def test_labels_are_read_by_name() -> None:
    """A ClassLabel is read as its name, a missing one as nothing."""
    features = datasets.Features(
        {
            "institution": datasets.Value("string"),
            "input": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["no", "yes"]),
        }
    )
    table = {"institution": ["a", "a", "a"], "input": ["x", "y", "z"], "label": [1, 0, None]}
    rows = list(dataset_rows(datasets.Dataset.from_dict(table, features), {"output": "label"}))
    assert [row.record and row.record.get("output") for row in rows] == ["yes", "no", None]


def test_what_is_not_needed_is_not_decoded() -> None:
    """Columns without a field, such as images, are not decoded."""
    features = datasets.Features({**{name: datasets.Value("string") for name in RECORDS[0]}, "image": datasets.Image()})
    table = {
        **{name: ["x"] for name in RECORDS[0]},
        "metadata": ["{}"],
        "image": [{"bytes": b"no image", "path": None}],
    }
    assert [row.reason for row in dataset_rows(datasets.Dataset.from_dict(table, features))] == [""]


def test_what_can_not_be_read_is_named(tmp_path: Path) -> None:
    """Splits, other objects, other folders, missing columns and columns of numbers are DataErrors that say so."""
    dataset = datasets.Dataset.from_list(RECORDS)
    splits = datasets.DatasetDict({"train": dataset, "test": dataset})
    splits.save_to_disk(tmp_path / "splits")
    for one in (splits, saved_dataset(tmp_path / "splits")):
        with pytest.raises(DataError, match="this dataset has splits, read one of them: train, test"):
            next(dataset_rows(one))
    with pytest.raises(DataError, match="expected a Dataset or an IterableDataset, got list"):
        next(dataset_rows(RECORDS))
    with pytest.raises(DataError, match=r"no column\(s\) 'text'; it has: 'institution'"):
        next(dataset_rows(dataset, {"input": "text"}))
    with pytest.raises(DataError, match="column 'output' must hold strings, got int64"):
        next(dataset_rows(datasets.Dataset.from_list([{**RECORDS[0], "output": 7}])))
    with pytest.raises(DataError, match=r"nowhere is not a complete dataset of save_to_disk \("):
        saved_dataset(tmp_path / "nowhere")
    dataset.save_to_disk(tmp_path / "broken")
    for part in (tmp_path / "broken").glob("*.arrow"):
        part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(DataError, match=r"broken is not a complete dataset of save_to_disk \("):
        saved_dataset(tmp_path / "broken")


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
    one = from_record(read(tmp_path, {**TEXTS, "metadata.raw": [b"\0", b""]})[0])
    assert isinstance(one, Demonstration)
    assert one.metadata == {"raw": "AA=="}


def test_metadata_may_be_json(tmp_path: Path) -> None:
    """A column of JSON texts is parsed."""
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
    """A missing column, or one of a type other than text, is an error before anything is read."""
    with pytest.raises(DataError, match=rf"data\.parquet: {complaint}"):
        read(tmp_path, {**TEXTS, **columns}, **options)


def test_a_cell_that_is_no_text_costs_its_row(tmp_path: Path) -> None:
    """A cell with invalid UTF-8 rejects its row, and the others are read."""
    strings = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"\xf4x")]
    )
    rows = read(tmp_path, {**TEXTS, "input": strings})
    assert rows[0].reason.startswith("a cell can't be read ('utf-8' codec can't decode byte 0xf4")
    assert rows[1].record == {"institution": "b", "input": "x", "output": "2"}


@pytest.mark.parametrize("damage", ["cut", "middle", "nonsense", "nothing"])
def test_a_broken_file_is_named(tmp_path: Path, damage: str) -> None:
    """A truncated, damaged or foreign file is a DataError that names it."""
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
    with pytest.raises(DataError, match=r"data\.parquet.*not a complete Parquet file"):
        list(parquet_rows(path))
    with pytest.raises(DataError, match=r"can't read .*nowhere: No such file"):
        list(parquet_rows(tmp_path / "nowhere"))

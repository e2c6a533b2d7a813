"""Hugging Face datasets that are at hand, and folders of them; sockets are never opened."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from metachain.dataset import dataset_rows, is_dataset, saved_dataset
from metachain.errors import DataError

datasets = pytest.importorskip("datasets")

RECORDS = [
    {"institution": "a", "input": "x", "output": "1", "metadata": {"group": "g"}},
    {"institution": "b", "input": "y", "output": "2", "metadata": {"ward": "w"}},
]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever opens a socket fails."""

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
    """Thousands of rows of a generator are read batch by batch, its columns known at the first one."""
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
    """A ClassLabel is its name, and nothing where there is none."""
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
    """Columns that no field is in, such as images, are left alone."""
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
    with pytest.raises(DataError, match=r"nowhere is no whole dataset of save_to_disk \("):
        saved_dataset(tmp_path / "nowhere")
    dataset.save_to_disk(tmp_path / "broken")
    for part in (tmp_path / "broken").glob("*.arrow"):
        part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(DataError, match=r"broken is no whole dataset of save_to_disk \("):
        saved_dataset(tmp_path / "broken")

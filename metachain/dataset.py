"""The rows of a Hugging Face dataset that is at hand; nothing is ever downloaded."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from metachain.arrow import check_type, extra, table_rows
from metachain.columns import EMPTY, found_columns
from metachain.errors import DataError
from metachain.progress import Progress, silent
from metachain.rows import Row

__all__ = ["dataset_rows", "is_dataset", "saved_dataset"]

ROWS_A_BATCH = 1000
SIGNS = ("state.json", "dataset_dict.json")


def is_dataset(path: Path) -> bool:
    """Whether a folder looks like one that ``save_to_disk`` has written."""
    return any((path / sign).is_file() for sign in SIGNS)


def saved_dataset(path: Path) -> Any:
    """Open a folder that ``save_to_disk`` has written. Needs the extra ``datasets``. Raises DataError for another."""
    datasets = extra("datasets", "datasets")
    arrow = extra("pyarrow", "datasets")
    try:
        return datasets.load_from_disk(str(path.absolute()))
    except (OSError, ValueError, LookupError, TypeError, arrow.ArrowException) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{path} is no whole dataset of save_to_disk ({reason}); save it again") from None


def dataset_rows(
    dataset: Any, columns: Mapping[str, str] = EMPTY, institution: str | None = None, progress: Progress = silent
) -> Iterator[Row]:
    """Read a ``Dataset`` or ``IterableDataset`` batch by batch; numbers count rows from 1.

    A ``ClassLabel`` is read as its name. Needs the extra ``datasets``. Raises DataError for anything else, among them a
    ``DatasetDict``, whose splits are read one at a time; where a column that is needed is missing or holds no strings;
    and where the dataset's files can't be read.
    """
    datasets = extra("datasets", "datasets")
    arrow = extra("pyarrow", "datasets")
    if isinstance(dataset, (datasets.DatasetDict, datasets.IterableDatasetDict)):
        raise DataError(f"this dataset has splits, read one of them: {', '.join(dataset)}")
    if not isinstance(dataset, (datasets.Dataset, datasets.IterableDataset)):
        raise DataError(f"expected a Dataset or an IterableDataset, got {type(dataset).__name__}")
    total = len(dataset) if isinstance(dataset, datasets.Dataset) else 0
    features = dataset.features or {}
    labels = {name: kind for name, kind in features.items() if isinstance(kind, datasets.ClassLabel)}
    found: dict[str, str] = {}
    if dataset.column_names:
        found = found_columns(dataset.column_names, columns, institution)
        for ours, theirs in found.items():
            if theirs not in labels and theirs in features:
                check_type(ours, theirs, getattr(features[theirs], "dtype", str(features[theirs])))
        dataset = dataset.select_columns(sorted(set(found.values())))
    done = 0
    try:
        for batch in dataset.with_format(None).iter(ROWS_A_BATCH):
            found = found or found_columns(list(batch), columns, institution)
            cells = {ours: _cells(batch[theirs], labels.get(theirs)) for ours, theirs in found.items()}
            yield from table_rows(cells, done + 1)
            done += len(next(iter(batch.values())))
            if total:
                progress("reading (rows)", done, total)
    except (OSError, arrow.ArrowException) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"the dataset can't be read beyond row {done} ({reason})") from None


def _cells(cells: Sequence[Any], label: Any) -> Sequence[Any]:
    """Cells of one column, a number that stands for a label as its name."""
    if label is None:
        return cells
    return [None if cell is None or cell < 0 else label.int2str(cell) for cell in cells]

"""Columns of Apache Arrow, which Parquet files and Hugging Face datasets hold."""

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from metachain.data.columns import EMPTY, match_columns, record_from_cells
from metachain.data.rows import Row
from metachain.errors import DataError
from metachain.progress import Progress, silent

__all__ = ["check_type", "dataset_rows", "import_extra", "is_dataset", "parquet_rows", "saved_dataset", "table_rows"]

TEXTS = ("institution", "input", "output", "id")


def import_extra(module: str, name: str) -> Any:
    """Import a module that comes with the import_extra ``name``. Raises DataError that says how to install it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise DataError(f"this needs {module.partition('.')[0]} ({error}): pip install 'metachain[{name}]'") from None


def check_type(ours: str, theirs: str, kind: str) -> None:
    """Raise DataError where the column of one of the texts is of another type; ``kind`` is its name in Arrow."""
    inner = kind.removeprefix("dictionary<values=").partition(",")[0]
    if ours in TEXTS and inner not in ("string", "large_string", "string_view", "null"):
        raise DataError(f"column {theirs!r} must hold strings, got {kind}; write it as strings, codes with their zeros")


def table_rows(columns: Mapping[str, Sequence[Any]], first: int) -> Iterator[Row]:
    """Rows of one piece of a table: cells by our field, the number of the first row. An exception is an unread cell."""
    for number, cells in enumerate(zip(*columns.values(), strict=True), start=first):
        unread = next((cell for cell in cells if isinstance(cell, Exception)), None)
        if unread is not None:
            yield Row(number, None, f"a cell can't be read ({unread})", unit="row")
            continue
        try:
            yield Row(number, record_from_cells(dict(zip(columns, cells, strict=True))), unit="row")
        except DataError as error:
            yield Row(number, None, str(error), unit="row")


ROWS_A_BATCH = 1000


def parquet_rows(
    path: Path, columns: Mapping[str, str] = EMPTY, institution: str | None = None, progress: Progress = silent
) -> Iterator[Row]:
    """Read a Parquet file batch by batch, of its columns only those that are needed; numbers count rows from 1.

    Nested types may be metadata. Needs the import_extra ``parquet``. Raises DataError where the file can't be read or is not
    whole, or a column that is needed is missing or holds no strings.
    """
    arrow = import_extra("pyarrow", "parquet")
    parquet = import_extra("pyarrow.parquet", "parquet")
    try:
        with path.open("rb") as raw, parquet.ParquetFile(raw) as file:
            schema, total = file.schema_arrow, file.metadata.num_rows
            found = match_columns(schema.names, columns, institution)
            for ours, theirs in found.items():
                check_type(ours, theirs, str(schema.field(theirs).type))
            done = 0
            for batch in file.iter_batches(ROWS_A_BATCH, columns=sorted(set(found.values()))):
                yield from table_rows({ours: _cells(batch[theirs]) for ours, theirs in found.items()}, done + 1)
                done += len(batch)
                progress("reading (rows)", done, total)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except arrow.ArrowException as error:
        raise DataError(f"{path} is no whole Parquet file ({_first_line(error)}); get it again") from None
    except OSError as error:
        reason = error.strerror or f"no whole Parquet file ({_first_line(error)})"
        raise DataError(f"can't read {path}: {reason}") from None


def _cells(array: Any) -> list[Any]:
    """Python's values of an Arrow array, a map as a dictionary; one that can't be read is the exception."""
    try:
        cells = array.to_pylist()
    except ValueError:
        cells = [_cell(one) for one in array]
    return [_from_pairs(cell) for cell in cells] if str(array.type).startswith("map<") else cells


def _cell(one: Any) -> Any:
    try:
        return one.as_py()
    except ValueError as error:
        return error


def _from_pairs(cell: Any) -> Any:
    return dict(cell) if isinstance(cell, list) else cell


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


DATASET_FILES = ("state.json", "dataset_dict.json")


def is_dataset(path: Path) -> bool:
    """Whether a folder looks like one that ``save_to_disk`` has written."""
    return any((path / sign).is_file() for sign in DATASET_FILES)


def saved_dataset(path: Path) -> Any:
    """Open a folder that ``save_to_disk`` has written. Needs the import_extra ``datasets``. Raises DataError for another."""
    datasets = import_extra("datasets", "datasets")
    arrow = import_extra("pyarrow", "datasets")
    try:
        return datasets.load_from_disk(str(path.absolute()))
    except (OSError, ValueError, LookupError, TypeError, arrow.ArrowException) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{path} is no whole dataset of save_to_disk ({reason}); save it again") from None


def dataset_rows(
    dataset: Any, columns: Mapping[str, str] = EMPTY, institution: str | None = None, progress: Progress = silent
) -> Iterator[Row]:
    """Read a ``Dataset`` or ``IterableDataset`` batch by batch; numbers count rows from 1.

    A ``ClassLabel`` is read as its name. Needs the import_extra ``datasets``. Raises DataError for anything else, among them a
    ``DatasetDict``, whose splits are read one at a time; where a column that is needed is missing or holds no strings;
    and where the dataset's files can't be read.
    """
    datasets = import_extra("datasets", "datasets")
    arrow = import_extra("pyarrow", "datasets")
    if isinstance(dataset, (datasets.DatasetDict, datasets.IterableDatasetDict)):
        raise DataError(f"this dataset has splits, read one of them: {', '.join(dataset)}")
    if not isinstance(dataset, (datasets.Dataset, datasets.IterableDataset)):
        raise DataError(f"expected a Dataset or an IterableDataset, got {type(dataset).__name__}")
    total = len(dataset) if isinstance(dataset, datasets.Dataset) else 0
    features = dataset.features or {}
    labels = {name: kind for name, kind in features.items() if isinstance(kind, datasets.ClassLabel)}
    found: dict[str, str] = {}
    if dataset.column_names:
        found = match_columns(dataset.column_names, columns, institution)
        for ours, theirs in found.items():
            if theirs not in labels and theirs in features:
                check_type(ours, theirs, getattr(features[theirs], "dtype", str(features[theirs])))
        dataset = dataset.select_columns(sorted(set(found.values())))
    done = 0
    try:
        for batch in dataset.with_format(None).iter(ROWS_A_BATCH):
            found = found or match_columns(list(batch), columns, institution)
            cells = {ours: _dataset_cells(batch[theirs], labels.get(theirs)) for ours, theirs in found.items()}
            yield from table_rows(cells, done + 1)
            done += len(next(iter(batch.values())))
            if total:
                progress("reading (rows)", done, total)
    except (OSError, arrow.ArrowException) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"the dataset can't be read beyond row {done} ({reason})") from None


def _dataset_cells(cells: Sequence[Any], label: Any) -> Sequence[Any]:
    """Cells of one column, a number that stands for a label as its name."""
    if label is None:
        return cells
    return [None if cell is None or cell < 0 else label.int2str(cell) for cell in cells]

"""Rows of Apache Arrow tables: Parquet files and Hugging Face datasets."""

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from metachain.data.columns import EMPTY, columns_complaint, missing_columns
from metachain.data.fields import Fields
from metachain.data.reading import Findings, Reading
from metachain.data.record_maps import TableMap
from metachain.data.rows import Row
from metachain.errors import DataError
from metachain.progress import Progress, silent

__all__ = ["check_type", "dataset_rows", "import_extra", "is_dataset", "parquet_rows", "saved_dataset", "table_rows"]

TEXTS = ("institution", "input", "output", "id")
ROWS_A_BATCH = 1000


def import_extra(module: str, name: str) -> Any:
    """Import a module of the extra ``name``. Raises DataError that says how to install it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise DataError(f"this needs {module.partition('.')[0]} ({error}): pip install 'metachain[{name}]'") from None


def parquet_rows(
    path: Path,
    columns: Mapping[str, str] = EMPTY,
    institution: str | None = None,
    progress: Progress = silent,
    fields: Fields | None = None,
) -> Iterator[Row]:
    """Read a Parquet file batch by batch, needed columns only; numbers count rows from 1.

    Metadata may be nested types. Needs the extra ``parquet``. Raises DataError if the file can't be read or is cut
    short, or if a needed column is missing or does not hold strings.
    """
    arrow = import_extra("pyarrow", "parquet")
    parquet = import_extra("pyarrow.parquet", "parquet")
    try:
        with path.open("rb") as raw, parquet.ParquetFile(raw) as file:
            schema, total = file.schema_arrow, file.metadata.num_rows
            way = _way(schema.names, fields or Fields(Reading(columns=columns, institution=institution), Findings()))
            for ours, theirs in way.plain.items():
                check_type(ours, theirs, str(schema.field(theirs).type))
            done = 0
            for batch in file.iter_batches(ROWS_A_BATCH, columns=sorted(way.needed)):
                yield from table_rows({name: _column_cells(batch[name]) for name in way.needed}, done + 1, way)
                done += len(batch)
                progress("reading (rows)", done, total)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except (arrow.ArrowException, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a complete Parquet file ({_first_line(error)}); copy it again") from None
    except OSError as error:
        reason = error.strerror or f"not a complete Parquet file ({_first_line(error)})"
        raise DataError(f"can't read {path}: {reason}") from None


def dataset_rows(
    dataset: Any,
    columns: Mapping[str, str] = EMPTY,
    institution: str | None = None,
    progress: Progress = silent,
    fields: Fields | None = None,
) -> Iterator[Row]:
    """Read a ``Dataset`` or ``IterableDataset`` batch by batch; numbers count rows from 1.

    A ``ClassLabel`` is read as its name. Needs the extra ``datasets``. Raises DataError for any other object, if a
    needed column is missing or does not hold strings, and if the dataset's files can't be read. A ``DatasetDict`` is
    refused too: its splits are read one at a time.
    """
    datasets, arrow = import_extra("datasets", "datasets"), import_extra("pyarrow", "datasets")
    if isinstance(dataset, (datasets.DatasetDict, datasets.IterableDatasetDict)):
        raise DataError(f"this dataset has splits, read one of them: {', '.join(dataset)}")
    if not isinstance(dataset, (datasets.Dataset, datasets.IterableDataset)):
        raise DataError(f"expected a Dataset or an IterableDataset, got {type(dataset).__name__}")
    total = len(dataset) if isinstance(dataset, datasets.Dataset) else 0
    features = dataset.features or {}
    labels = {name: kind for name, kind in features.items() if isinstance(kind, datasets.ClassLabel)}
    fields = fields or Fields(Reading(columns=columns, institution=institution), Findings())
    way: TableMap | None = None
    if dataset.column_names:
        way = _way(dataset.column_names, fields)
        for ours, theirs in way.plain.items():
            if theirs not in labels and theirs in features:
                check_type(ours, theirs, getattr(features[theirs], "dtype", str(features[theirs])))
        dataset = dataset.select_columns(sorted(way.needed))
    done = 0
    try:
        for batch in dataset.with_format(None).iter(ROWS_A_BATCH):
            way = way or _way(list(batch), fields)
            cells = {name: _label_names(batch[name], labels.get(name)) for name in way.needed}
            yield from table_rows(cells, done + 1, way)
            done += len(next(iter(batch.values())))
            if total:
                progress("reading (rows)", done, total)
    except (OSError, arrow.ArrowException) as error:
        reason = _first_line(error)
        raise DataError(f"the dataset can't be read beyond row {done} ({reason}); check its files") from None


def is_dataset(path: Path) -> bool:
    """True for a folder written by ``save_to_disk``."""
    return any((path / sign).is_file() for sign in ("state.json", "dataset_dict.json"))


def saved_dataset(path: Path) -> Any:
    """Open a folder written by ``save_to_disk``. Needs the extra ``datasets``. Raises DataError for another folder."""
    datasets, arrow = import_extra("datasets", "datasets"), import_extra("pyarrow", "datasets")
    try:
        return datasets.load_from_disk(str(path.absolute()))
    except (OSError, ValueError, LookupError, TypeError, arrow.ArrowException) as error:
        reason = _first_line(error)
        raise DataError(f"{path} is not a complete dataset of save_to_disk ({reason}); save it again") from None


def check_type(ours: str, theirs: str, kind: str) -> None:
    """Raise DataError if the column of a text field does not hold strings; ``kind`` is the name of its Arrow type."""
    inner = kind.removeprefix("dictionary<values=").partition(",")[0]
    if ours in TEXTS and inner not in ("string", "large_string", "string_view", "null"):
        raise DataError(f"column {theirs!r} must hold strings, got {kind}; write it as strings, codes with their zeros")


def table_rows(columns: Mapping[str, Sequence[Any]], first: int, way: TableMap) -> Iterator[Row]:
    """Rows of one piece of a table. ``columns`` maps its columns to cells; an exception stands for an unreadable cell.

    ``first`` is the number of the first row; rows that a condition leaves out are passed over.
    """
    for number, cells in enumerate(zip(*columns.values(), strict=True), start=first):
        try:
            if unread := [cell for cell in cells if isinstance(cell, Exception)]:
                raise DataError(f"a cell can't be read ({unread[0]})")
            record = way.record(dict(zip(columns, cells, strict=True)))
            if record is not None:
                yield Row(number, record, unit="row")
        except DataError as error:
            yield Row(number, None, str(error), unit="row")


def _way(names: Sequence[str], fields: Fields) -> TableMap:
    """The way from these columns to records. Raises DataError with the missing ones."""
    fields.found.names = list(names)
    way = fields.of_table(names) or fields.of_template(names)
    if way is None:
        reading = fields.reading
        missing = missing_columns(names, reading.columns, reading.required, reading.institution)
        raise DataError(columns_complaint(names, missing or list(reading.where), reading.columns))
    return way


def _column_cells(array: Any) -> list[Any]:
    """Python values of an Arrow array, a map as a dictionary; an unreadable cell is an exception."""
    try:
        cells = array.to_pylist()
    except ValueError:
        cells = [_cell(one) for one in array]
    if str(array.type).startswith("map<"):
        cells = [dict(cell) if isinstance(cell, list) else cell for cell in cells]
    return list(cells)


def _cell(one: Any) -> Any:
    try:
        return one.as_py()
    except ValueError as error:
        return error


def _label_names(cells: Sequence[Any], label: Any) -> Sequence[Any]:
    if label is None:
        return cells
    return [None if cell is None or cell < 0 else label.int2str(cell) for cell in cells]


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]

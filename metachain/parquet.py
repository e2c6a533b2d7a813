"""The rows of a Parquet file."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from metachain.arrow import check_type, extra, table_rows
from metachain.columns import EMPTY, found_columns
from metachain.errors import DataError
from metachain.progress import Progress, silent
from metachain.rows import Row

__all__ = ["parquet_rows"]

ROWS_A_BATCH = 1000


def parquet_rows(
    path: Path, columns: Mapping[str, str] = EMPTY, institution: str | None = None, progress: Progress = silent
) -> Iterator[Row]:
    """Read a Parquet file batch by batch, of its columns only those that are needed; numbers count rows from 1.

    Nested types may be metadata. Needs the extra ``parquet``. Raises DataError where the file can't be read or is not
    whole, or a column that is needed is missing or holds no strings.
    """
    arrow = extra("pyarrow", "parquet")
    parquet = extra("pyarrow.parquet", "parquet")
    try:
        with path.open("rb") as raw, parquet.ParquetFile(raw) as file:
            schema, total = file.schema_arrow, file.metadata.num_rows
            found = found_columns(schema.names, columns, institution)
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

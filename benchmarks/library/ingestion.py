"""Speed and memory of ingesting files of synthetic rows into a library.

    python -m benchmarks.library.ingestion [ROWS | FORMAT …]

For each number of rows (default: 10,000, 100,000 and 1,000,000) and each format (jsonl, csv and parquet) it
writes a file to a temporary folder, ingests it into a new SQLite library without embedding, and prints rows a second
(reading, checking and storing, all in one transaction) and the peak memory of the ingesting process. Each step runs in
a child process of its own, because ``ru_maxrss`` on Linux includes the parent's memory at the start of the child.
"""

import csv
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from itertools import chain, islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from metachain import Library
from metachain.library.ingestion import ingest_file

SIZES = (10_000, 100_000, 1_000_000)
FORMATS = ("jsonl", "csv", "parquet")
NAMES = ("institution", "input", "output", "id")
ROWS_A_GROUP = 50_000
PARTS = ("chest", "knee", "brain", "spine", "heart", "liver", "wrist", "skull")


def synthetic(rows):
    """Generate rows of 50 institutions, of about 100 characters."""
    for number in range(rows):
        part, views = PARTS[number % 8], number % 5 + 1
        text = f"x-ray of the {part}, {views} views, ordered by ward {number % 97}, item {number}"
        yield f"hospital {number % 50}", text, f"code {number % 211:04}", f"row {number}"


def write(path, rows):
    """Write a file in the format of its suffix."""
    records = synthetic(rows)
    if path.suffix == ".parquet":
        with pq.ParquetWriter(path, pa.schema([(name, pa.string()) for name in NAMES])) as writer:
            while group := list(islice(records, ROWS_A_GROUP)):
                writer.write_table(pa.table(dict(zip(NAMES, map(list, zip(*group, strict=True)), strict=True))))
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        if path.suffix == ".csv":
            csv.writer(file).writerows(chain([NAMES], records))
        else:
            file.writelines(json.dumps(dict(zip(NAMES, row, strict=True))) + "\n" for row in records)


def measure(path, library):
    """Ingest in this process and print the rows stored, the seconds, and the peak memory in MiB."""
    start = time.perf_counter()
    with Library.open(library) as opened:
        found = ingest_file(opened, path, strict=True)
    seconds = time.perf_counter() - start
    print(json.dumps([found.stored, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))


def main(sizes, formats):
    """Print one row a size and format."""
    print(f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}")
    print("     rows  format   file MB   rows/s  peak MiB", flush=True)
    for rows in sizes:
        for name in formats:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"rows.{name}"
                subprocess.run(
                    [sys.executable, "-m", "benchmarks.library.ingestion", "--write", path, str(rows)], check=True
                )
                child = [sys.executable, "-m", "benchmarks.library.ingestion", "--measure", path, Path(folder) / "x.db"]
                done = subprocess.run(child, capture_output=True, text=True, check=True)
                stored, seconds, peak = json.loads(done.stdout)
                size = path.stat().st_size / 1e6
                print(f"{stored:>9,}  {name:<7}  {size:>7.1f}  {stored / seconds:>7,.0f}  {peak:>8.0f}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(Path(sys.argv[2]), sys.argv[3])
    elif sys.argv[1:2] == ["--write"]:
        write(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        sizes = [int(word) for word in sys.argv[1:] if word.isdigit()]
        main(sizes or SIZES, [word for word in sys.argv[1:] if word in FORMATS] or FORMATS)

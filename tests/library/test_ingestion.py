"""Import of files and tables into a library."""

import csv
import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from handmade import Tiny, demonstrations, jsonl, record

from metachain.data.demonstration import Demonstration
from metachain.data.rows import Row
from metachain.errors import DataError, StorageError
from metachain.library.ingestion import embed_stored, guess_format, ingest, ingest_dataset, ingest_file
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE

MIXED: list[object] = [
    {"institution": "a", "input": "x", "output": "1", "id": "7"},
    {"institution": "a", "input": "x", "output": "1", "id": "7", "metadata": {"again": True}},
    {"institution": "a", "input": "y", "output": "1", "id": "7"},
    {"institution": "a", "input": "z"},
    {"institution": "a", "input": 7, "output": "1"},
    "oops",
    {"institution": "b", "input": "x", "output": " "},
    {"institution": "b", "input": "x", "output": "2"},
]
REASONS = [
    "line 3: id '7' of 'a' already stands for another text; give it its own id",
    "line 4: missing field(s) 'output'",
    "line 5: 'input' must be a string, got a number",
    "line 6: not JSON (Expecting value at column 1)",
    "line 7: 'output' is blank",
]


@pytest.fixture
def library(place: str) -> Iterator[Library]:
    """An empty library, in each engine."""
    with Library.open(place, Tiny()) as opened:
        yield opened


def test_good_rows_are_stored_and_bad_ones_are_told(library: Library, tmp_path: Path) -> None:
    """Duplicates are counted; bad rows, taken ids included, are reported by line and written with a reason."""
    data, rejected = jsonl(tmp_path / "data.jsonl", MIXED), tmp_path / "bad.jsonl"  # type: ignore[arg-type]
    found = ingest_file(library, data, rejected=rejected, share=EVERYONE)
    assert (found.stored, found.duplicates, found.rejected, found.institutions) == (2, 1, 5, {"a", "b"})
    assert list(found.reasons) == REASONS
    assert library.counts() == {"a": 1, "b": 1}
    assert {one.institution for one in library.shared_demonstrations("c")} == {"a", "b"}
    lines = [json.loads(line) for line in rejected.read_text().splitlines()]
    assert [f"line {line['line']}: {line['reason']}" for line in lines] == REASONS
    assert [line.get("record", line.get("raw")) for line in lines] == MIXED[2:7]
    again = ingest_file(library, data)
    assert (again.stored, again.duplicates, again.rejected) == (0, 3, 5)


def test_strict_stores_nothing(library: Library, tmp_path: Path) -> None:
    """In strict mode bad rows are an error that lists the first five, and nothing is stored."""
    data = jsonl(tmp_path / "data.jsonl", [*demonstrations(), *["oops"] * 9, *demonstrations(5)])
    with pytest.raises(DataError) as caught:
        ingest_file(library, data, strict=True, rejected=tmp_path / "bad.jsonl")
    assert str(caught.value).startswith(
        f"{data}: 9 bad row(s), nothing was stored. Correct or remove:\n  line 25: not JSON"
    )
    assert str(caught.value).endswith("  line 29: not JSON (Expecting value at column 1)\n  … and 4 more")
    assert (library.counts(), (tmp_path / "bad.jsonl").exists()) == ({}, False)


@pytest.mark.parametrize("after", [0, 1000])
def test_strict_knows_ids_that_are_taken(library: Library, tmp_path: Path, after: int) -> None:
    """An id that stands for another text makes a bad row, anywhere in the file."""
    good = [Demonstration("c", f"text {number}", "1") for number in range(after)]
    data = jsonl(tmp_path / "data.jsonl", [*MIXED[:3], *good])  # type: ignore[list-item]
    with pytest.raises(DataError, match=r"1 bad row\(s\), nothing was stored.*\n  line 3: id '7' of 'a' already"):
        ingest_file(library, data, strict=True)
    assert library.counts() == {}


def test_the_gate_is_passed(tmp_path: Path) -> None:
    """A row that the library's gate refuses is rejected with its line."""

    class Gate:
        def passed(self, demonstration: Demonstration) -> Demonstration:
            if "Smith" in demonstration.input:
                raise DataError("the input names a person")
            return demonstration

    data = jsonl(tmp_path / "data.jsonl", [{**record(one), "input": f"{one.id} Smith"} for one in demonstrations(1, 3)])
    with Library.open(tmp_path / "x.db", Tiny(), gate=Gate()) as library:
        with data.open("a") as file:
            file.write(json.dumps(record(demonstrations()[0])))
        found = ingest_file(library, data)
    assert (found.stored, found.rejected, found.reasons[2]) == (1, 3, "line 3: the input names a person")


def test_every_format_gives_the_same(tmp_path: Path) -> None:
    """JSON Lines, CSV, TSV, gzipped ones, Parquet and a saved dataset of the same records fill the same library."""
    parquet, datasets = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("datasets")
    pa = pytest.importorskip("pyarrow")
    given = demonstrations()
    records = [record(one) for one in given]
    rows = [["institution", "input", "output", "metadata.group"]] + [
        [one.institution, one.input, one.output, one.metadata["group"]] for one in given
    ]
    for name, delimiter in (("data.csv", ","), ("data.TSV", "\t")):
        with (tmp_path / name).open("w", newline="") as file:
            csv.writer(file, delimiter=delimiter).writerows(rows)
    jsonl(tmp_path / "data.jsonl", given)
    for name in ("data.csv", "data.jsonl"):
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress((tmp_path / name).read_bytes()))
    parquet.write_table(pa.Table.from_pylist(records), tmp_path / "data.parquet")
    datasets.Dataset.from_list(records).save_to_disk(tmp_path / "saved")
    names = ["data.csv", "data.TSV", "data.jsonl", "data.csv.gz", "data.jsonl.gz", "data.parquet", "saved"]
    for number, name in enumerate(names):
        with Library.open(tmp_path / f"{number}.db", Tiny()) as library:
            assert ingest_file(library, tmp_path / name, strict=True).stored == len(given)
            assert {one: one.metadata for one in library.demonstrations()} == {one: one.metadata for one in given}
    with Library.open(tmp_path / "dataset.db", Tiny()) as library:
        assert ingest_dataset(library, datasets.Dataset.from_list(records)).stored == len(given)


def test_a_file_may_leave_the_institution_to_the_caller(library: Library, tmp_path: Path) -> None:
    """Rows without an institution get the one given; rows of another one are rejected."""
    path = tmp_path / "data.csv"
    path.write_text("institution,input,output\n,x,1\na,y,2\nb,z,3\n")
    found = ingest_file(library, path, institution="a")
    assert (library.counts(), found.reasons) == ({"a": 2}, ("line 4: 'institution' is 'b', expected 'a'",))
    path.write_text("description,code\nknee,1\n")
    ingest_file(library, path, institution="c", columns={"input": "description", "output": "code"})
    assert library.demonstrations("c") == (Demonstration("c", "knee", "1"),)


@pytest.mark.parametrize(
    ("name", "format", "complaint"),
    [
        ("nowhere.csv", None, "can't read .*nowhere.csv: No such file"),
        ("folder", None, "can't read .*folder: Is a directory; give a file, or a folder written by save_to_disk"),
        ("empty.jsonl", None, 'empty.jsonl is empty: expected one {"institution", "input", "output"} object a line'),
        ("empty.csv", None, "empty.csv is empty: expected at least one row"),
        ("empty.jsonl", "xml", "unknown format 'xml'; known: jsonl, csv, tsv, parquet, dataset"),
        ("empty.jsonl", "parquet", "not a complete Parquet file"),
        ("folder", "dataset", "folder is not a complete dataset"),
    ],
)
def test_what_can_not_be_read_is_named(
    library: Library, tmp_path: Path, name: str, format: str | None, complaint: str
) -> None:
    """Missing files, empty files, folders and unknown formats are DataErrors that name them."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "empty.csv").write_text("institution,input,output\n")
    with pytest.raises(DataError, match=complaint):
        ingest_file(library, tmp_path / name, format=format)


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("a.jsonl", "jsonl"),
        ("a.CSV", "csv"),
        ("a.csv.gz", "csv"),
        ("a.b.tsv", "tsv"),
        ("a.pq", "parquet"),
        ("a", "jsonl"),
    ],
)
def test_the_name_tells_the_format(name: str, format: str) -> None:
    """The suffix decides, gzipped or not; without a known suffix it is JSON Lines."""
    assert guess_format(Path(name)) == format


def test_a_file_that_ends_early_stores_nothing(library: Library, tmp_path: Path) -> None:
    """A truncated gzip file is refused as a whole, even if bad rows may be left out."""
    path = tmp_path / "data.jsonl.gz"
    many = [{**record(one), "id": f"{number} {hash(one.id)}"} for number, one in enumerate(demonstrations(60, 60))]
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, many)).encode())[:-2000])
    with pytest.raises(DataError, match=r"data\.jsonl\.gz can't be unpacked"):
        ingest_file(library, path, rejected=tmp_path / "bad.jsonl")
    assert (library.counts(), (tmp_path / "bad.jsonl").exists()) == ({}, False)


def test_odd_texts_are_stored_as_they_are(library: Library, tmp_path: Path) -> None:
    """A megabyte of text, line breaks, control characters and unusual metadata come back the same."""
    long = "\N{BONE}\n\t\x01\x85\u2028" * 2**17
    odd = {"nul": "a\0b", "half": "\ud800", "number": 1e300, "deep": [{"x": [None, True]}], "": "\\u0000"}
    data = jsonl(tmp_path / "data.jsonl", [{"institution": "a", "input": long, "output": long, "metadata": odd}])
    assert ingest_file(library, data).stored == 1
    (one,) = library.demonstrations()
    assert (one.input, one.output, one.metadata) == (long, long, odd)


def test_rows_can_be_anybodys(library: Library) -> None:
    """Any iterable of rows can be imported, such as one made for another format."""
    rows = [Row(1, {"institution": "a", "input": "x", "output": "1"}), Row(2, None, "unreadable", unit="page")]
    assert ingest(library, iter(rows)).reasons == ("page 2: unreadable",)


def test_rejected_rows_that_can_not_be_written_store_nothing(library: Library, tmp_path: Path) -> None:
    """If the file of rejected rows can't be written, nothing is stored."""
    data = jsonl(tmp_path / "data.jsonl", [*demonstrations(), "oops"])
    with pytest.raises(StorageError, match="nowhere"):
        ingest_file(library, data, rejected=tmp_path / "nowhere" / "bad.jsonl")
    assert library.counts() == {}


def test_what_is_stored_is_embedded_page_by_page(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the named institutions are embedded, each text once, with progress in demonstrations."""
    monkeypatch.setattr("metachain.library.ingestion.ROWS_A_PAGE", 1200)
    library.add(Demonstration(f"h{number % 3}", f"text {number % 1000}", f"{number}") for number in range(3000))
    told: list[tuple[str, int, int]] = []
    embed_stored(library, {"h0", "h1", "gone"}, lambda *what: told.append(what))
    assert told == [("embedding", done, 2000) for done in (0, 1000, 1200, 2000)]
    assert isinstance(library.encoder, Tiny)
    assert len(library.encoder.seen) == len(set(library.encoder.seen)) == 1000


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Importing 60 MB takes little more memory than importing 4 MB, measured in a child process."""
    program = (
        "import resource, sys\nfrom metachain.library import Library, ingest_file\n"
        "with Library.open(sys.argv[2]) as library: ingest_file(library, sys.argv[1])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks = []
    for count in (4_000, 60_000):
        data = tmp_path / f"{count}.csv"
        with data.open("w") as file:
            file.write("institution,input,output\n")
            file.writelines(f"h{n % 50},chest x-ray {n} {'of a patient ' * 75},code {n % 7}\n" for n in range(count))
        arguments = [sys.executable, "-c", program, data, tmp_path / f"{count}.db"]
        peaks.append(int(subprocess.run(arguments, capture_output=True, text=True, check=True).stdout))
    assert peaks[1] - peaks[0] < 20 * 1024

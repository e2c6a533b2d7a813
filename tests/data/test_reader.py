"""Files as people have them: each format with each habit of the tools that write it, read by one reader."""

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metachain.data import Demonstration, Findings, read_demonstrations, read_inputs
from metachain.data.reader import rows_of_file
from metachain.data.reading import Reading
from metachain.data.rows import Rejected, from_record
from metachain.errors import DataError

TABLE = [["institution", "input", "output"], ["north", "hip x-ray; left, oblique", "0324"], ["north", "Urée", "0301"]]
MADE = [Demonstration(*row) for row in TABLE[1:]]


def written(folder: Path, name: str, content: str | bytes) -> Path:
    """Write a file."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def table(delimiter: str = ",", rows: list[list[str]] = TABLE, end: str = "\r\n") -> str:
    """The table as Python writes it."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows(rows)
    return text.getvalue()


def zipped(content: bytes, *names: str) -> bytes:
    """An archive of files of this content."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return packed.getvalue()


def objects() -> list[dict[str, str]]:
    """The table as objects."""
    return [dict(zip(TABLE[0], row, strict=True)) for row in TABLE[1:]]


def lines(**how: Any) -> str:
    """The objects as JSON Lines."""
    return "".join(json.dumps(one, **how) + "\n" for one in objects())


CELLS: dict[str, Callable[[], bytes]] = {
    "comma": lambda: table().encode(),
    "semicolon": lambda: table(";").encode(),
    "tab": lambda: table("\t").encode(),
    "bar": lambda: table("|").encode(),
    "all quoted": lambda: table().replace("north", '"north"').encode(),
    "sep= line": lambda: b"sep=;\r\n" + table(";").encode(),
    "quoted sep= line": lambda: b'"sep=;"\r\n' + table(";").encode(),
    "byte order mark": lambda: table().encode("utf-8-sig"),
    "UTF-16": lambda: table("\t").encode("utf-16"),
    "UTF-16 without a mark": lambda: table("\t").encode("utf-16-le"),
    "Windows-1252": lambda: table(";").encode("cp1252"),
    "MacRoman with its line ends": lambda: table(end="\r").encode("mac_roman"),
    "titles above the header": ("Charge list,,\r\n\r\nPrinted 1 May,,\r\n" + table()).encode,
    "delimiters at the ends": lambda: table().replace("\r\n", ",,\r\n").encode(),
    "delimiters at the ends of rows": lambda: table().replace("4\r", "4,,\r").replace("1\r", "1,\r").encode(),
    "short rows": lambda: table(rows=[[*TABLE[0], "price", "notes"], *TABLE[1:]]).encode(),
    "codes as formulas": lambda: table().replace("0324", '="0324"').replace("0301", '"=""0301"""').encode(),
    "gzip": lambda: gzip.compress(table().encode()),
    "zip": lambda: zipped(table().encode(), "list.csv", "__MACOSX/._list.csv"),
    "JSON Lines": lambda: lines().encode(),
    "JSON Lines, unescaped and indented by blanks": ("\n  " + lines(ensure_ascii=False)).encode,
    "array": lambda: json.dumps(objects()).encode(),
    "indented array": lambda: json.dumps(objects(), indent=2).encode(),
    "array with an object a line": ("[\n" + ",\n".join(map(json.dumps, objects())) + "\n]").encode,
    "objects in a row, indented": lambda: "\n".join(json.dumps(one, indent=1) for one in objects()).encode(),
    "document": lambda: json.dumps({"made": "today", "rows": objects()}).encode(),
    "indented document": lambda: json.dumps({"made": "today", "rows": objects()}, indent=1).encode(),
    "array, gzipped": lambda: gzip.compress(json.dumps(objects()).encode()),
    "array, zipped": lambda: zipped(json.dumps(objects()).encode(), "data/list.json"),
    "array in UTF-16": lambda: json.dumps(objects(), ensure_ascii=False).encode("utf-16"),
    "array in Windows-1252": lambda: json.dumps(objects(), ensure_ascii=False).encode("cp1252"),
}


@pytest.mark.parametrize("name", ["data.csv", "data.jsonl", "data", "data.txt"])
@pytest.mark.parametrize("habit", CELLS)
def test_each_habit_gives_the_same_rows(tmp_path: Path, habit: str, name: str) -> None:
    """The content decides, and the name hardly matters."""
    assert read_demonstrations(written(tmp_path, name, CELLS[habit]())) == MADE


@pytest.mark.parametrize("packed", ["", "gzip", "zip"])
@pytest.mark.parametrize("kind", ["parquet", "excel"])
def test_binary_formats_are_read_packed_too(tmp_path: Path, kind: str, packed: str) -> None:
    """Parquet files and workbooks, as they are, gzipped and zipped."""
    content = parquet() if kind == "parquet" else workbook({"Notes": [["made today"]], "List": TABLE})
    content = gzip.compress(content) if packed == "gzip" else content
    content = zipped(content, "inner.bin") if packed == "zip" else content
    assert read_demonstrations(written(tmp_path, "data.bin", content)) == MADE


def parquet() -> bytes:
    """The table as a Parquet file."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(objects()), file)
    return file.getvalue()


def workbook(sheets: dict[str, list[list[Any]]]) -> bytes:
    """A minimal workbook, written by hand: texts, numbers."""
    file = io.BytesIO()
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    space = "http://schemas.openxmlformats.org"
    relation = f"{space}/officeDocument/2006/relationships"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(
            "[Content_Types].xml",
            f'{head}<Types xmlns="{space}/package/2006/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Default Extension="xml" ContentType="application/xml"/></Types>',
        )
        archive.writestr(
            "_rels/.rels",
            f'{head}<Relationships xmlns="{space}/package/2006/relationships">'
            f'<Relationship Id="r0" Type="{relation}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        names = "".join(f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, name in enumerate(sheets, 1))
        archive.writestr(
            "xl/workbook.xml",
            f'{head}<workbook xmlns="{space}/spreadsheetml/2006/main" xmlns:r="{relation}"><sheets>{names}</sheets>'
            "</workbook>",
        )
        links = "".join(
            f'<Relationship Id="r{n}" Type="{relation}/worksheet" Target="worksheets/s{n}.xml"/>'
            for n in range(1, len(sheets) + 1)
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'{head}<Relationships xmlns="{space}/package/2006/relationships">{links}</Relationships>',
        )
        for number, rows in enumerate(sheets.values(), 1):
            body = "".join(
                f'<row r="{y}">' + "".join(cell(f"{chr(65 + x)}{y}", value) for x, value in enumerate(row)) + "</row>"
                for y, row in enumerate(rows, 1)
            )
            archive.writestr(
                f"xl/worksheets/s{number}.xml",
                f'{head}<worksheet xmlns="{space}/spreadsheetml/2006/main"><sheetData>{body}</sheetData></worksheet>',
            )
    return file.getvalue()


def cell(place: str, value: object) -> str:
    """A cell of a sheet."""
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t>{value}</t></is></c>'
    return f'<c r="{place}"><v>{value}</v></c>'


def test_a_workbook_has_sheets_and_numbers(tmp_path: Path) -> None:
    """Titles above the header, a sheet by name or number, and numbers as texts, with a warning."""
    rows = [["Charge list"], [], *TABLE[:2], ["north", "knee", 250.0]]
    path = written(tmp_path, "x.xlsx", workbook({"Old": [*TABLE[:1], ["n", "a", "1"]], "New": rows}))
    assert read_demonstrations(path) == [Demonstration("n", "a", "1")]
    for sheet in ("New", "2"):
        found = Findings()
        assert read_demonstrations(path, found=found, sheet=sheet)[1] == Demonstration("north", "knee", "250")
        assert (found.header_line, found.sheet, found.numbers) == (3, "New", 1)
        assert any("zeros before them" in note for note in found.notes())
    with pytest.raises(DataError, match=r"has no sheet 'Next'; it has 2: 'Old', 'New'"):
        read_demonstrations(path, sheet="Next")


def test_the_encoding_is_told_and_can_be_given(tmp_path: Path) -> None:
    """A detected encoding is said; the one given goes first, and an unknown one is refused."""
    path, found = written(tmp_path, "x.csv", table().encode("cp1252")), Findings()
    read_demonstrations(path, found=found)
    assert found.notes() == ["encoding cp1252 (--encoding gives another)"]
    path.write_bytes(table().replace("Urée", "検査").encode("shift_jis"))
    assert read_demonstrations(path, encoding="shift_jis")[1].input == "検査"
    with pytest.raises(DataError, match="unknown encoding 'shift-js'"):
        read_demonstrations(path, encoding="shift-js")


def test_a_header_line_can_be_given(tmp_path: Path) -> None:
    """Where two rows could be the header, the line that is given is."""
    path = written(tmp_path, "x.csv", "input,output\na,b\ninput,output\nc,d\n")
    assert [one.input for one in read_demonstrations(path, "n", header_line=3)] == ["c"]
    with pytest.raises(DataError, match="no header can be read at line 9"):
        read_demonstrations(path, "n", header_line=9)


def test_backslashes_escape_quotation_marks_in_the_rows_that_need_it(tmp_path: Path) -> None:
    """Such a row is read, also late in a file and over several lines; a path that ends in a backslash stays."""
    plain = "".join(f'n,"text {number}",1\n' for number in range(300))
    odd = 'n,"he said \\"fine\\", then\nleft",2\nn,"C:\\dir\\",3\n'
    path = written(tmp_path, "x.csv", f"institution,input,output\n{plain}{odd}")
    assert [one.input for one in read_demonstrations(path)[300:]] == ['he said "fine", then\nleft', "C:\\dir\\"]


def test_absent_values_are_counted_and_rejected(tmp_path: Path) -> None:
    """Words of tools for nothing are no answers, in tables; the list of them can be replaced."""
    path = written(tmp_path, "x.csv", "input,output\na,nan\nb,None\nc,#N/A\nd,NULL\ne,#REF!\nf,N/A\n")
    found = Findings()
    rows = list(rows_of_file(path, Reading(institution="n"), found=found))
    made = [from_record(row, "n") for row in rows]
    assert [isinstance(one, Rejected) for one in made] == [True] * 5 + [False]
    assert found.absent == {"nan": 1, "None": 1, "#N/A": 1, "NULL": 1, "#REF!": 1}
    assert "warning: 5 value(s) count as absent" in found.notes()[0]
    kept = read_demonstrations(path, "n", missing=["."])
    assert [one.output for one in kept] == ["nan", "None", "#N/A", "NULL", "#REF!", "N/A"]


def test_none_is_a_word_in_json(tmp_path: Path) -> None:
    """JSON has a null of its own, so that None stays an answer there; nan does not."""
    path = written(tmp_path, "x.jsonl", '{"input": "a", "output": "None"}\n{"input": "b", "output": "nan"}\n')
    rows = list(rows_of_file(path, Reading(institution="n")))
    assert [row.record for row in rows] == [{"input": "a", "output": "None"}, {"input": "b"}]


NESTED = {"note": {"text": "hip"}, "coding": [{"code": "1", "type": "CPT"}, {"code": "0324", "type": "RC"}]}


@pytest.mark.parametrize(
    ("path", "value"),
    [("coding.0.code", "1"), ("coding[type=RC].code", "0324"), ("coding[-1].code", "0324"), ("coding.code", "1")],
)
def test_paths_lead_into_records(tmp_path: Path, path: str, value: str) -> None:
    """Names, places, conditions on elements; in JSON Lines, documents and Parquet."""
    columns = {"input": "note.text", "output": path, "metadata.kind": "coding.0.type"}
    for content in (json.dumps(NESTED) + "\n", json.dumps([NESTED], indent=1)):
        (one,) = read_demonstrations(written(tmp_path, "x", content), "n", columns=columns)
        assert (one.input, one.output, one.metadata) == ("hip", value, {"kind": "CPT"})
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.Table.from_pylist([NESTED]), tmp_path / "x.parquet")
    assert read_demonstrations(tmp_path / "x.parquet", "n", columns=columns)[0].output == value


def test_objects_as_outputs_become_canonical_text(tmp_path: Path) -> None:
    """The order of the keys and the blanks do not matter."""
    path = written(tmp_path, "x.jsonl", '{"input": "a", "output": {"b": 1, "a": "é"}}\n{"input": "b", "output": []}\n')
    rows = list(rows_of_file(path, Reading(institution="n")))
    assert rows[0].record == {"input": "a", "output": '{"a":"é","b":1}'}
    assert rows[1].record == {"input": "b", "output": []}


@pytest.mark.parametrize(
    ("where", "kept"),
    [(["kind|type=RC"], "ac"), (["kind|type!=RC"], "b"), (["note"], "b"), (["kind|type=RC", "input=c"], "c")],
)
def test_rows_can_be_left_out_by_conditions(tmp_path: Path, where: list[str], kept: str) -> None:
    """Conditions must all hold; the others are counted and no errors. A column that is not there is one."""
    path = written(tmp_path, "x.csv", "input,output,kind|type,note\na,1,RC,\nb,2,CPT,x\nc,3,RC,\n")
    found = Findings()
    assert "".join(one.input for one in read_demonstrations(path, "n", found, where=where)) == kept
    assert found.left_out == 3 - len(kept)
    with pytest.raises(DataError, match="--where 'kin=1'"):
        read_demonstrations(path, "n", where=["kin=1"])
    with pytest.raises(DataError, match="all 3 row"):
        read_demonstrations(path, "n", where=["input=z"])


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    """A small file that unpacks to a large one is refused, gzipped or zipped, as a table or a workbook."""
    zeros = b"0" * 150_000_000
    for name, content in (("x.gz", gzip.compress(zeros)), ("x.zip", zipped(zeros, "x.csv"))):
        with pytest.raises(DataError, match="decompression bomb"):
            read_demonstrations(written(tmp_path, name, content))
    with pytest.raises(DataError, match="decompression bomb"):
        read_demonstrations(written(tmp_path, "x.xlsx", zipped(zeros, "[Content_Types].xml", "xl/workbook.xml")))
    with pytest.raises(DataError, match=r"holds 2 files \('a.csv', 'b.csv'\)"):
        read_demonstrations(written(tmp_path, "y.zip", zipped(b"input\n", "a.csv", "b.csv")))


def test_errors_are_short_and_name_the_nearest_columns(tmp_path: Path) -> None:
    """However many columns a table has, the message fits on a screen, and has the command's options."""
    names = ["description", "code|1", *(f"standard_charge|Payer {n}|PPO|negotiated" for n in range(3000))]
    path = written(tmp_path, "x.csv", ",".join(names) + "\nx" + "," * 3001 + "\n")
    with pytest.raises(DataError) as caught:
        read_demonstrations(path, "n", columns={"input": "Descriptoin", "output": "code"})
    said = str(caught.value).removeprefix(str(path))
    assert len(said) < 600
    assert "--column input=description" in said
    assert "'code|1'" in said
    assert "3002 columns" in said


def test_inputs_need_no_answers(tmp_path: Path) -> None:
    """A table of inputs alone, with another name for them."""
    path = written(tmp_path, "x.csv", "text;n\nhip;1\nknee;2\n")
    assert read_inputs(path, columns={"input": "text"}) == ["hip", "knee"]
    assert read_inputs(written(tmp_path, "y.csv", "input\nhip\n")) == ["hip"]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(CELLS)), st.data())
def test_a_damaged_file_gives_rows_or_one_error(tmp_path: Path, habit: str, data: st.DataObject) -> None:
    """Bytes cut out, doubled or changed: rows, rejected rows or a DataError, and nothing else."""
    content = bytearray(CELLS[habit]())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(start, min(start + 20, len(content))))
        content[start:end] = data.draw(st.binary(max_size=8)) * data.draw(st.integers(0, 3))
    path = written(tmp_path, "data", bytes(content))
    complaint = ""
    try:
        for row in rows_of_file(path):
            from_record(row)
    except DataError as error:
        complaint = str(error)
    assert len(complaint.removeprefix(str(path))) < 600


def test_every_habit_of_the_page_is_a_cell() -> None:
    """The table of habits in ``docs/ingestion.md`` names nothing that is not run here, and leaves nothing out."""
    page = (Path(__file__).parents[2] / "docs" / "ingestion.md").read_text(encoding="utf-8")
    told = page.partition("| habit |")[2].partition("\n\n")[0].lower()
    names = [name.partition(",")[0].partition(" in ")[0].lower() for name in CELLS]
    assert [name for name in names if name not in told] == []

"""CSV and TSV files: quoting, line numbers, encodings, missing columns."""

import csv
import gzip
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metachain.data.delimited import delimited_rows
from metachain.data.fields import Fields
from metachain.data.reading import Findings, Reading
from metachain.data.rows import Row
from metachain.errors import DataError

HEADER = ["institution", "input", "output"]
CELL = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(
    lambda text: text.strip() and not text.strip().startswith('="')
)


def table(rows: Sequence[Sequence[str]], **how: Any) -> str:
    """Write a table as Python's csv does."""
    text = io.StringIO(newline="")
    csv.writer(text, **how).writerows(rows)
    return text.getvalue()


def read(folder: Path, content: str | bytes, **options: Any) -> list[Row]:
    """Read a file of this content."""
    path = folder / "data.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(delimited_rows(path, **options))


def said(rows: list[Row]) -> list[tuple[int, Any]]:
    """Number and input, or reason, of each row."""
    return [(row.number, row.record["input"] if row.record else row.reason) for row in rows]


@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1), st.sampled_from(",;\t|"), st.sampled_from(["\n", "\r\n"]))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], delimiter: str, end: str
) -> None:
    """Any texts, with quotation marks, delimiters, line breaks and NULs in them, come back as they were."""
    content = table([HEADER, *rows], delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    exact = Fields(Reading(missing=()), Findings())
    found = read(tmp_path_factory.mktemp("csv"), content, fields=exact)
    assert [tuple(dict(row.record or {}).values()) for row in found] == rows


def test_a_row_has_the_number_of_its_first_line(tmp_path: Path) -> None:
    """Line breaks within fields and blank rows count as lines; blank rows are skipped."""
    content = (
        '\n\r\ninstitution,input,output\na,"one\r\ntwo\n\nthree",1\n\n,,\n  ,\t,\na,four,2\r\na,"fi\rve",3\na,six\n'
    )
    assert said(read(tmp_path, content)) == [
        (4, "one\r\ntwo\n\nthree"),
        (11, "four"),
        (12, "fi\rve"),
        (14, "2 fields, but the header names 3"),
    ]


def test_a_broken_row_is_told_and_the_next_is_read(tmp_path: Path) -> None:
    """A row that is not CSV, too long or too short is reported with line and text; the rest is read."""
    rows = read(tmp_path, 'institution,input,output\na,"b"c,1\na,d,2,3\na,e,4\n"a","never\nclosed,5\n')
    assert said(rows) == [
        (2, "not CSV (',' expected after '\"')"),
        (3, "4 fields, but the header names 3"),
        (4, "e"),
        (5, "the file ends within quotation marks; a quotation mark may be missing in lines 5 to 6"),
    ]
    assert rows[3].raw == '"a","never\nclosed,5\n'


def test_long_fields_are_read_and_endless_ones_are_not(tmp_path: Path) -> None:
    """A field of a megabyte is read; an endless one rejects its lines, and the following rows are read."""
    long, endless = "x" * 2**20, '"' + ("y" * 999 + "\n") * 18_000
    rows = read(tmp_path, table([HEADER, ["a", long, "1"]]) + f"a,{endless}\na,after,2\n".replace("\n", "\r\n"))
    assert rows[0].record == {"institution": "a", "input": long, "output": "1"}
    assert rows[1].reason.startswith("a field has over 16777216 characters; a quotation mark may be missing in lines 3")
    assert said(rows)[-1][1] == "after"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("packed", [False, True])
def test_encodings_with_a_mark_are_read(tmp_path: Path, encoding: str, packed: bool) -> None:
    """UTF-8 with and without a byte order mark, UTF-16 and UTF-32 with one, all also gzipped."""
    content = table([HEADER, ["Hôpital", "🩻", "é"]]).encode(encoding)
    rows = read(tmp_path, gzip.compress(content) if packed else content)
    assert rows[0].record == {"institution": "Hôpital", "input": "🩻", "output": "é"}


def test_a_line_of_another_encoding_is_told(tmp_path: Path) -> None:
    """An undecodable byte rejects its row, in UTF-8 and UTF-16; an undecodable header is an error."""
    rows = read(tmp_path, b"institution,input,output\na,H\xf4pital,1\na,H\xc3\xb4pital,2\n")
    assert said(rows) == [(2, r"not UTF-8 (\xf4 at character 4); save the file as UTF-8"), (3, "Hôpital")]
    half = table([HEADER, ["a", "\ud83d", "1"], ["a", "b", "2"]]).encode("utf-16", "surrogatepass")
    assert [row.record is None for row in read(tmp_path, half)] == [True, False]
    with pytest.raises(DataError, match=r"data\.csv: the header is not UTF-8 \(\\xf4 at character 2\)"):
        read(tmp_path, b"h\xf4pital,input,output\n")
    with pytest.raises(DataError, match=r"data\.csv: the header can't be read"):
        read(tmp_path, '"institution" x,input\n')


def test_metadata_come_as_json_and_as_columns(tmp_path: Path) -> None:
    """A column ``metadata`` holds JSON; ``metadata.x`` overrides its x; empty cells and other columns are ignored."""
    header = [*HEADER, "id", "metadata", "metadata.group", "metadata.ward", "price"]
    content = table(
        [header, ["a", "b", "c", "7", '{"group": "x", "n": [1]}', "y", "", "9"], ["a", "b", "c", *[""] * 5]]
    )
    assert [row.record for row in read(tmp_path, content)] == [
        {"institution": "a", "input": "b", "output": "c", "id": "7", "metadata": {"group": "y", "n": [1]}},
        {"institution": "a", "input": "b", "output": "c"},
    ]
    rows = read(tmp_path, table([header, ["a", "b", "c", "7", "{", "", "", ""], ["a", "b", "c", "7", "7", "", "", ""]]))
    assert [row.reason[:30] for row in rows] == ["'metadata': not JSON (Expectin", "'metadata': expected an object"]


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    """Any field may come from another column, metadata too; one column may be two fields."""
    content = table([[" site ", "text", "code"], ["a", "b", "c"]])
    columns = {"institution": "site", "input": "text", "output": "code", "metadata.code": "code"}
    record = {"institution": "a", "input": "b", "output": "c", "metadata": {"code": "c"}}
    assert read(tmp_path, content, columns=columns)[0].record == record


def test_what_a_table_lacks_is_named(tmp_path: Path) -> None:
    """Missing and doubled columns are an error with all columns and advice."""
    with pytest.raises(DataError) as caught:
        read(tmp_path, "site,input\n", columns={"institution": "Site"})
    assert str(caught.value) == (
        f"{tmp_path}/data.csv: no column(s) 'Site', 'output'; it has: 'site', 'input'. "
        "Name the columns, as in --column institution=site"
    )
    with pytest.raises(DataError, match=r"'institution'; .*; or give --institution NAME"):
        read(tmp_path, "input,output\n")
    with pytest.raises(DataError, match="column 'input' appears twice"):
        read(tmp_path, "institution,input,output,input\n")
    assert read(tmp_path, "input,output\nb,c\n", institution="a")[0].record == {"input": "b", "output": "c"}


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"institution,input,output\n\n,,\n"])
def test_nothing_is_no_rows(tmp_path: Path, content: bytes) -> None:
    """An empty file and a header alone have no rows."""
    assert read(tmp_path, content) == []


def test_tabs_alone_may_be_delimiters(tmp_path: Path) -> None:
    """With a fixed delimiter, other delimiters in the header are part of a name."""
    rows = read(tmp_path, "institution\tinput\toutput\tprice, in €, $, £, or ¥\na\tb\tc\t1", delimiters="\t")
    assert rows[0].record == {"institution": "a", "input": "b", "output": "c"}

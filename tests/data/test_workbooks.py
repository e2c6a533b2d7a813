"""Workbooks as programs write them, and damaged ones."""

import io
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import openpyxl
import pytest
import xlwt

from metachain.data import Demonstration, read_demonstrations
from metachain.errors import DataError

HEAD = ("institution", "input", "output")
ROWS = (("elm", "wrist film, 2 views", "0324"), ("elm", "Röntgen Schädel", "0320"))
MADE = [Demonstration(*row) for row in ROWS]
OPEN_DOCUMENT = "application/vnd.oasis.opendocument.spreadsheet"
NAMES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for name in ("office", "table", "text", "manifest")
)


def xlsx(folder: Path) -> Path:
    """A workbook with notes on its first sheet and the table on its second."""
    book = openpyxl.Workbook()
    book.active.append(["Read me", date(2024, 5, 1)])
    sheet = book.create_sheet("Charges")
    for row in (HEAD, *ROWS):
        sheet.append(row)
    book.save(folder / "made.xlsx")
    return folder / "made.xlsx"


def xls(folder: Path, rows: int = 0) -> Path:
    """An old workbook, with further rows."""
    book = xlwt.Workbook()
    sheet = book.add_sheet("Charges")
    more = (("elm", f"film {number}", str(number)) for number in range(rows))
    for place, row in enumerate((HEAD, *ROWS, *more)):
        for column, value in enumerate(row):
            sheet.write(place, column, value)
    book.save(str(folder / "made.xls"))
    return folder / "made.xls"


def ods(folder: Path) -> Path:
    """A workbook of the OpenDocument format."""
    cell = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    rows = "".join(f"<table:table-row>{''.join(map(cell.format, row))}</table:table-row>" for row in (HEAD, *ROWS))
    with zipfile.ZipFile(folder / "made.ods", "w") as archive:
        archive.writestr("mimetype", OPEN_DOCUMENT)
        archive.writestr(
            "content.xml",
            f"<office:document-content {NAMES}><office:body><office:spreadsheet>"
            f'<table:table table:name="Charges">{rows}</table:table>'
            "</office:spreadsheet></office:body></office:document-content>",
        )
        archive.writestr(
            "META-INF/manifest.xml",
            f'<manifest:manifest {NAMES}><manifest:file-entry manifest:full-path="/" '
            f'manifest:media-type="{OPEN_DOCUMENT}"/></manifest:manifest>',
        )
    return folder / "made.ods"


@pytest.mark.parametrize("make", [xlsx, xls, ods])
@pytest.mark.parametrize("name", ["", "table.csv", "table"])
def test_workbooks_are_read_under_any_name(tmp_path: Path, make: object, name: str) -> None:
    """The content says that a file is a workbook; the sheet with the columns is found."""
    path: Path = make(tmp_path)  # type: ignore[operator]
    if name:
        path = path.rename(tmp_path / name)
    assert read_demonstrations(path) == MADE


def test_numbers_in_a_workbook_are_texts_as_shown(tmp_path: Path) -> None:
    """A code that was typed as a number is 250, and not 250.0."""
    book = openpyxl.Workbook()
    for row in (HEAD, ("elm", "saline", 250), ("elm", "gauze", 270.5), ("elm", "day", date(2024, 5, 1))):
        book.active.append(row)
    book.save(tmp_path / "numbers.xlsx")
    assert [one.output for one in read_demonstrations(tmp_path / "numbers.xlsx")] == ["250", "270.5", "2024-05-01"]


def circles(content: bytes) -> Iterator[bytes]:
    """Old workbooks whose chains of sectors come back to themselves."""
    table = int.from_bytes(content[76:80], "little")
    start = (table + 1) * 512
    held = np.frombuffer(content[start : start + 512], "<u4").copy()
    for place in np.flatnonzero(held < 0xFFFFFFFA)[:3].tolist():
        bent = held.copy()
        bent[place] = place
        yield content[:start] + bent.tobytes() + content[start + 512 :]
    yield content[:68] + (1).to_bytes(4, "little") + content[72:]


def test_an_old_workbook_in_circles_is_refused(tmp_path: Path) -> None:
    """A damaged file is an error at once, instead of being read until the memory is full."""
    content = xls(tmp_path, 300).read_bytes()
    for bent in circles(content):
        (tmp_path / "bent.xls").write_bytes(bent)
        with pytest.raises(DataError, match="is not a workbook that can be read"):
            read_demonstrations(tmp_path / "bent.xls")


def test_a_cut_or_changed_workbook_is_an_error_in_words(tmp_path: Path) -> None:
    """Files cut anywhere give rows or an error, and no panic of the library."""
    content = xls(tmp_path).read_bytes()
    for end in range(0, len(content), 97):
        (tmp_path / "cut.xls").write_bytes(content[:end] + b"\0" * (end % 3))
        try:
            read_demonstrations(tmp_path / "cut.xls")
        except DataError as error:
            assert len(str(error)) < 600  # noqa: PT017


def test_an_archive_of_no_workbook_is_an_error(tmp_path: Path) -> None:
    """A workbook without sheets is refused."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    (tmp_path / "none.xlsx").write_bytes(made.getvalue())
    with pytest.raises(DataError):
        read_demonstrations(tmp_path / "none.xlsx")

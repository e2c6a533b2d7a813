"""Small files of every format that the reader takes, made up, for the fuzzing of the reader."""

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Mapping

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import xlwt

__all__ = ["PACKED", "samples", "unpacked", "zipped"]

PACKED = ("gzip", "zip", "xlsx", "ods")
"""Formats whose content is compressed, so that it is changed before it is packed too."""
HEAD = ["institution", "input", "output", "metadata.ward"]
ROWS = [
    ["elmwood", "wrist film; 2 views, left", "0324", "4b"],
    ["elmwood", 'bandage "large"\nsterile', "0270", ""],
    ["oakfield", "Grüße, Röntgen", "0320", "N/A"],
    ["oakfield", "saline 0.9 % 500 ml", "0250", "7"],
]
CMS = {
    "hospital_name": "Elmwood",
    "last_updated_on": "2024-07-01",
    "version": "2.0.0",
    "standard_charge_information": [
        {
            "description": text,
            "code_information": [{"code": code, "type": "RC"}, {"code": "9" + code, "type": "CPT"}],
            "standard_charges": [{"setting": "both", "gross_charge": 12.5}],
        }
        for _, text, code, _ in ROWS
    ],
}
FHIR = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [
        {
            "resource": {
                "resourceType": "ChargeItem",
                "id": code,
                "code": {"coding": [{"system": "urn:codes", "code": code, "display": text}], "text": text},
                "performingOrganization": {"display": name},
            }
        }
        for name, text, code, _ in ROWS
    ],
}
CONTENT = """<?xml version="1.0" encoding="UTF-8"?><office:document-content
 xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" office:version="1.2"><office:body><office:spreadsheet>
<table:table table:name="Charges">{}</table:table></office:spreadsheet></office:body></office:document-content>"""
OPEN_DOCUMENT = "application/vnd.oasis.opendocument.spreadsheet"


def samples() -> dict[str, bytes]:
    """A file of each format, by the format's name."""
    objects = [dict(zip(HEAD[:3], row[:3], strict=True)) for row in ROWS]
    lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects)
    return {
        "csv": _table(",").encode(),
        "csv-titled": ("Price list of 2024;;;\n;;;\n" + _table(";")).encode("cp1252"),
        "tsv": _table("\t").encode(),
        "utf-16": _table(",").encode("utf-16"),
        "jsonl": lines.encode(),
        "json-array": json.dumps(objects).encode(),
        "cms": json.dumps(CMS, indent=1).encode(),
        "fhir": json.dumps(FHIR).encode(),
        "gzip": gzip.compress(lines.encode(), mtime=0),
        "zip": zipped({"list.csv": _table(",").encode()}),
        "xlsx": _xlsx(),
        "xls": _xls(),
        "ods": _ods(),
        "parquet": _parquet(),
    }


def unpacked(kind: str, packed: bytes) -> dict[str, bytes]:
    """Content of a packed sample: of an archive's members, by name."""
    if kind == "gzip":
        return {"": gzip.decompress(packed)}
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(members: Mapping[str, bytes]) -> bytes:
    """An archive of these members; the one without a name is gzipped."""
    if "" in members:
        return gzip.compress(members[""], mtime=0)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def _table(delimiter: str) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows([HEAD, *ROWS])
    return text.getvalue()


def _xlsx() -> bytes:
    book, made = openpyxl.Workbook(), io.BytesIO()
    for row in (HEAD, *ROWS):
        book.active.append(row)
    book.save(made)
    return made.getvalue()


def _xls() -> bytes:
    book, made = xlwt.Workbook(), io.BytesIO()
    sheet = book.add_sheet("Charges")
    for place, row in enumerate((HEAD, *ROWS)):
        for column, value in enumerate(row):
            sheet.write(place, column, value)
    book.save(made)
    return made.getvalue()


def _ods() -> bytes:
    cell = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    rows = ("".join(cell.format(value.replace("\n", " ")) for value in row) for row in (HEAD, *ROWS))
    content = CONTENT.format("".join(f"<table:table-row>{row}</table:table-row>" for row in rows))
    manifest = (
        '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{OPEN_DOCUMENT}"/></manifest:manifest>'
    )
    files = {"mimetype": OPEN_DOCUMENT, "content.xml": content, "META-INF/manifest.xml": manifest}
    return zipped({name: text.encode() for name, text in files.items()})


def _parquet() -> bytes:
    made = io.BytesIO()
    columns = {name: [row[place] for row in ROWS] for place, name in enumerate(HEAD)}
    pq.write_table(pa.table(columns), made)
    return made.getvalue()

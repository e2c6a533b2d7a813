"""Lists of answers: lines, and tables that are no lines."""

import json
from pathlib import Path

import pytest

from metachain.data import Findings, read_answers
from metachain.errors import DataError

CODES = ["0250", "0300", "0324"]


@pytest.mark.parametrize("name", ["codes.txt", "codes.csv", "codes"])
@pytest.mark.parametrize(
    "content",
    [
        "0250\n0300\n0324\n",
        "code,description\n0250,Pharmacy\n0300,Laboratory\n0324,X-ray\n",
        "Description;Rev Code\nPharmacy, general;0250\nLaboratory;0300\nX-ray;0324\n",
        "0250,Pharmacy\n0300,Laboratory\n0324,X-ray\n",
        "0250\tPharmacy\n0300\tLaboratory, all\n0324\tX-ray\n",
        '"0250"\n"0300"\n"0324"\n',
        '="0250"\n="0300"\n="0324"\n',
        "# codes of 2024\n\n0250\n0300\n0324\n",
        "0250, 0300, 0324\n",
        "Code\n0250\n0300\n0324\n",
        "\ufeffcode,description\r\n0250,Pharmacy\r\n0300,Laboratory\r\n0324,X-ray\r\n",
        json.dumps(CODES),
        json.dumps(CODES, indent=1),
        json.dumps([{"code": one, "text": "x"} for one in CODES]),
        "".join(json.dumps({"label": one}) + "\n" for one in CODES),
    ],
)
def test_codes_are_found(tmp_path: Path, content: str, name: str) -> None:
    """Headers, descriptions, quotation marks and comments are no answers."""
    (tmp_path / name).write_text(content)
    assert read_answers(tmp_path / name) == CODES


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_commas_may_stand_in_answers(tmp_path: Path, encoding: str) -> None:
    """Labels of several words are lines, whatever commas are in them."""
    labels = ["chest pain, acute", "fever", "cough, dry", "Ménière"]
    (tmp_path / "x.txt").write_bytes("\n".join(labels).encode(encoding))
    assert read_answers(tmp_path / "x.txt") == labels
    (tmp_path / "x.txt").write_text("chest pain, acute\ncough, dry\n")
    assert read_answers(tmp_path / "x.txt") == ["chest pain, acute", "cough, dry"]


def test_a_column_can_be_named(tmp_path: Path) -> None:
    """Where no column looks like codes the columns are listed, and one can be given."""
    path, found = tmp_path / "x.csv", Findings()
    path.write_text("kind,group of things\nbig dog,animal\nold oak,plant\n")
    assert read_answers(path, found, columns={"output": "kind"}) == ["big dog", "old oak"]
    path.write_text('[{"kind": "big dog", "size": "1 m"}]')
    with pytest.raises(DataError, match=r"no column looks like codes \('kind'"):
        read_answers(path)

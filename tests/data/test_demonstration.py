"""Demonstrations and the JSON Lines files that hold them."""

import json
from pathlib import Path
from typing import Any

import pytest
from handmade import jsonl
from hypothesis import given
from hypothesis import strategies as st

from metachain.data.demonstration import Demonstration, check_text
from metachain.data.jsonl import read_answers, read_demonstrations
from metachain.errors import DataError
from metachain.normal_form import normal_form

GOOD = {"institution": "st-marys", "input": "chest x-ray", "output": "0324"}
STORABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(normal_form)


def written(folder: Path, *records: Any) -> Path:
    """Write a file of these lines after a good first one."""
    return jsonl(folder / "data.jsonl", [GOOD, *records])


def test_a_file_is_read_in_order(tmp_path: Path) -> None:
    """Records come in the order of the file; blank lines, a byte order mark and unknown fields are ignored."""
    path = tmp_path / "data.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r\n\r\n")
    with path.open("a") as file:
        file.write(json.dumps({**GOOD, "output": "0329", "ward": 7, "id": None, "metadata": None}))
    assert [one.output for one in read_demonstrations(path)] == ["0324", "0329"]


def test_an_id_is_derived_from_the_texts() -> None:
    """Two records of the same three texts have the same id; another text has another one; a given id is kept."""
    assert Demonstration(**GOOD).id == Demonstration(**GOOD).id != Demonstration(**{**GOOD, "output": "x"}).id
    assert Demonstration("ab", "c", "d").id != Demonstration("a", "bc", "d").id
    assert Demonstration(**GOOD, id="7").id == "7"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ({"institution": "a", "input": "b"}, r"missing field\(s\) 'output'"),
        ({}, r"missing field\(s\) 'institution', 'input', 'output'"),
        ({**GOOD, "output": 7}, "'output' must be a string, got a number"),
        ({**GOOD, "input": None}, "'input' must be a string, got null"),
        ({**GOOD, "institution": ["a"]}, "'institution' must be a string, got a list"),
        ({**GOOD, "input": True}, "'input' must be a string, got a boolean"),
        ({**GOOD, "output": {}}, "'output' must be a string, got an object"),
        ({**GOOD, "input": " \t\n"}, "'input' is blank"),
        ({**GOOD, "output": ""}, "'output' is blank"),
        ({**GOOD, "input": "a\0b"}, "'input' holds a NUL character.*remove it"),
        ({**GOOD, "id": "a\0b"}, "'id' holds a NUL character"),
        ({**GOOD, "id": 0}, "'id' must be a string, got a number"),
        ({**GOOD, "metadata": "x"}, "'metadata' must be an object, got a string"),
        ('{"institution": "a", "input": "\\ud800", "output": "b"}', "'input' holds a lone surrogate.*remove it"),
        ("[1, 2]", "expected an object, got a list"),
        ("institution,input,output", "not JSON .Expecting value at column 1"),
        ('{"institution": "a"', "not JSON .* at column 20"),
        ("[" * 100_000, "not JSON"),
        ('{"id": ' + "9" * 5000 + "}", "not JSON"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: Any, complaint: str) -> None:
    """Missing fields, wrong types, blanks, NUL, surrogates and non-JSON are refused with file, line and reason."""
    with pytest.raises(DataError, match=rf"(?s)data\.jsonl: 1 bad.*nothing was read.*line 2: {complaint}"):
        read_demonstrations(written(tmp_path, line))


def test_the_first_five_bad_lines_are_listed(tmp_path: Path) -> None:
    """Five bad lines are listed and the others counted."""
    with pytest.raises(DataError, match=r"(?s)9 bad.*line 2: .*line 6: .*and 4 more$") as caught:
        read_demonstrations(written(tmp_path, *["nonsense"] * 9))
    assert "line 7" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n \n\t\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file without records is refused with the expected form of a record."""
    (tmp_path / "data.jsonl").write_bytes(content)
    with pytest.raises(DataError, match=r'data\.jsonl is empty: expected one {"institution", "input", "output"}'):
        read_demonstrations(tmp_path / "data.jsonl")


def test_a_broken_character_is_named(tmp_path: Path) -> None:
    """A line of a file in UTF-8 that is not UTF-8 is named, with what to do."""
    good = json.dumps({**GOOD, "input": "Hôpital général"}, ensure_ascii=False)
    (tmp_path / "data.jsonl").write_bytes(good.encode() + b'\n{"institution": "H\xf4pital"}\n')
    with pytest.raises(DataError, match=r"(?s)data\.jsonl: 1 bad.*line 2: not UTF-8 .*; save the file as UTF-8"):
        read_demonstrations(tmp_path / "data.jsonl")


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    """A missing file and a folder are refused with the system's reason."""
    with pytest.raises(DataError, match=r"can't read .*nowhere: No such file"):
        read_demonstrations(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"can't read .*: Is a directory"):
        read_demonstrations(tmp_path)


def test_an_institution_can_be_given_for_a_whole_file(tmp_path: Path) -> None:
    """With an institution given, records may omit theirs; a different one is an error."""
    path = jsonl(tmp_path / "data.jsonl", [{"input": "a", "output": "b"}])
    assert read_demonstrations(path, "new")[0].institution == "new"
    with pytest.raises(DataError, match=r"line 1: 'institution' is 'st-marys', expected 'new'"):
        read_demonstrations(jsonl(path, [GOOD]), "new")


def test_metadata_that_json_has_no_word_for_is_refused() -> None:
    """Metadata that are not JSON are refused."""
    with pytest.raises(DataError, match=r"'metadata' must hold only JSON values"):
        Demonstration(**GOOD, metadata={"when": object()})


@given(STORABLE, STORABLE, STORABLE)
def test_any_text_is_a_demonstration(institution: str, text: str, answer: str) -> None:
    """Any text that shows something and has no NUL makes a demonstration; input and output stay unchanged."""
    one = Demonstration(institution, text, answer)
    assert (one.institution, one.input, one.output) == (normal_form(institution), text, answer)
    assert Demonstration(one.institution, text, answer) == one


@given(st.one_of(st.none(), st.integers(), st.binary(), st.lists(st.text())))
def test_what_is_no_text_is_refused(value: object) -> None:
    """Only a string is accepted as a text."""
    with pytest.raises(DataError, match=r"'query' must be a string"):
        check_text("query", value)


def test_answers_are_lines(tmp_path: Path) -> None:
    """Answers keep their order, without byte order mark, blank lines and outer white space; "#" has no meaning."""
    path = tmp_path / "codes.txt"
    path.write_bytes("\ufeff0324\r\n\n  # 12 €\t\n\t\n0324\n0329".encode())
    assert read_answers(path) == ["0324", "# 12 €", "0324", "0329"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty: expected one answer a line"),
        (b"\xef\xbb\xbf\n \n", "is empty: expected one answer a line"),
        ("Hôpital général\nH".encode() + b"\xf4pital\n", r": line 2 is not UTF-8 .*; save the file as UTF-8"),
        (b"0324\n03\x0024\n", r": 1 bad record\(s\), nothing was read(?s:.*)line 2: 'answer' holds a NUL"),
    ],
)
def test_a_bad_list_of_answers_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    """An empty file, broken and unstorable characters are errors with advice."""
    (tmp_path / "codes.txt").write_bytes(content)
    with pytest.raises(
        DataError, match=rf"codes\.txt{complaint}" if complaint[0] == ":" else rf"codes\.txt {complaint}"
    ):
        read_answers(tmp_path / "codes.txt")
    with pytest.raises(DataError, match=r"can't read .*nowhere: No such file"):
        read_answers(tmp_path / "nowhere")

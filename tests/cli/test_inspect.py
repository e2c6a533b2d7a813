"""``metachain inspect``: what it says of a file, and that its command takes the file."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from handmade import Tiny, demonstrations, jsonl, metachain

from metachain.library.library import Library

Command = Callable[..., tuple[int, str, str]]
LIST = (
    "Charges of 2025\n\nSite;Charge description;Rev Code;Price\n"
    'north;"hip; left";0320;1\nnorth;hip;320;2\nnorth;hip;0324;2\nsouth;knee;;3\n'
)


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Run the command line as a process in an empty folder; status, standard output, standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        done = metachain(*arguments, cwd=tmp_path, environment={"COLUMNS": "300"})
        return done.returncode, done.stdout, done.stderr

    return run


def test_a_file_is_told_and_nothing_is_stored(command: Command, tmp_path: Path) -> None:
    """Format, encoding, delimiter, header, columns, first rows, rejected rows, look-alikes and conflicts."""
    (tmp_path / "list.txt").write_bytes(LIST.replace("Price", "Prix (été)").encode("cp1252"))
    status, said, wrong = command("inspect", "list.txt")
    assert status == 0, wrong
    for part in (
        "list.txt: csv, encoding cp1252, delimiter ';', header in line 3",
        "columns: 'Site', 'Charge description', 'Rev Code', 'Prix (été)'",
        "read as: output from 'Rev Code', input from 'Charge description', institution from 'Site', by their names",
        "│ north       │ hip; left │ 0320   │",
        "3 of 4 row(s) can be read, of 1 institution(s)",
        "1 would be rejected: missing field(s) 'output'",
        "such as line 7: ",
        "1 group(s) of labels look alike: '0320' / '320'",
        "1 text(s) have several answers, such as 'hip'",
    ):
        assert part in said
    assert [one.name for one in tmp_path.iterdir()] == ["list.txt"]


def test_its_command_takes_the_file(command: Command, tmp_path: Path) -> None:
    """The command that is proposed adds the rows that were shown; too many rejected rows are status 3."""
    (tmp_path / "my list.txt").write_text(LIST)
    proposed = command("inspect", "my list.txt")[1].splitlines()[-1].removeprefix("to add it: metachain ")
    status, said, wrong = command(*shlex.split(proposed), "--no-embed")
    assert (status, "3 demonstrations added to hospitals.db" in said) == (3, True)
    assert "1 of 4 rows of my list.txt were rejected" in wrong
    assert command(*shlex.split(proposed), "--no-embed", "--reject-at-most", "30%")[0] == 0
    with Library.open(tmp_path / "hospitals.db", Tiny()) as library:
        assert {one.output for one in library.demonstrations("north")} == {"0320", "320", "0324"}


def test_a_file_that_needs_nothing(command: Command, tmp_path: Path) -> None:
    """A file in our own form: no options. One without an institution asks for its name."""
    jsonl(tmp_path / "data.jsonl", demonstrations())
    assert command("inspect", "data.jsonl")[1].endswith("to add it: metachain add hospitals.db data.jsonl\n")
    (tmp_path / "x.csv").write_text("input,output\na,1\n")
    assert command("inspect", "x.csv")[1].endswith("x.csv --institution NAME\n")
    assert command("inspect", "x.csv", "--institution", "st marys")[1].endswith("--institution 'st marys'\n")


def test_what_can_not_be_read_is_said(command: Command, tmp_path: Path) -> None:
    """Status 2 and one message, for a table without likely columns and for no file at all."""
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    status, _, wrong = command("inspect", "x.csv")
    assert (status, "error: x.csv: no column(s) 'institution', 'input', 'output'; it has: 'a', 'b'" in wrong) == (
        2,
        True,
    )
    status, _, wrong = command("inspect", "nowhere.csv")
    assert (status, "can't read nowhere.csv" in wrong, "Traceback" in wrong) == (2, True, False)


def test_every_command_reads_what_add_reads(command: Command, tmp_path: Path) -> None:
    """A workbook's export for add, adapt, label and evaluate, with the same options."""
    rows = "".join(f"{one.institution};{one.input};{one.output}\n" for one in demonstrations(4, 12))
    (tmp_path / "past.csv").write_text(f"Past\nSite;Item;Code\n{rows}")
    options = ("--column", "institution=Site", "--column", "input=Item", "--column", "output=Code")
    assert command("add", "x.db", "past.csv", *options, "--share", "everyone")[0] == 0
    assert command("learn", "x.db")[0] == 0
    (tmp_path / "few.csv").write_text("sep=;\nItem;Code\nx-ray of the knee 0;code 1\n")
    (tmp_path / "codes.csv").write_text("code;text\ncode 1;a\ncode 2;b\n")
    status, said, wrong = command("adapt", "x.db", "new", "few.csv", *options[2:], "--answers", "codes.csv")
    assert (status, "2 answers listed for new" in said, "with 1 labels" in said) == (0, True, True), wrong
    status, said, wrong = command("label", "x.db", "new", "few.csv", "--column", "input=Item", "--budget", "1")
    assert status == 0, wrong
    short = ("--labels", "0,2", "--seeds", "1", "--selectors", "semantic,metachain")
    status, said, wrong = command("evaluate", "past.csv", *options, *short)
    assert (status, "mean score" in said) == (0, True), wrong


@pytest.mark.parametrize(("share", "status"), [("1%", 3), ("4", 3), ("5%", 0), ("0.05", 0), ("100", 0), ("0", 3)])
def test_the_share_of_rejected_rows_decides_the_status(
    command: Command, tmp_path: Path, share: str, status: int
) -> None:
    """One bad row of 25 is 4 %: a number below 1 is a share, any other is in percent."""
    jsonl(tmp_path / "data.jsonl", [*demonstrations(), "oops"])
    if share == "4":
        jsonl(tmp_path / "data.jsonl", [*demonstrations(), "oops", "oops"])
    assert command("add", "x.db", "data.jsonl", "--no-embed", "--reject-at-most", share)[0] == status


def test_a_share_that_is_none_is_refused(command: Command, tmp_path: Path) -> None:
    """The message names the option."""
    jsonl(tmp_path / "data.jsonl", demonstrations())
    for share in ("many", "-1", "101%"):
        status, _, wrong = command("add", "x.db", "data.jsonl", "--reject-at-most", share)
        assert (status, "--reject-at-most takes a share" in wrong) == (2, True)

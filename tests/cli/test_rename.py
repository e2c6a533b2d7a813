"""``metachain rename``, and how ``add``, ``diagnose``, ``forget`` and ``share`` treat names that look alike."""

import json
from pathlib import Path

import pytest
from handmade import Tiny, metachain

from metachain.library.library import Library

ROWS = """institution,input,output
vale,ct of a heel,0410
vale\N{NO-BREAK SPACE},mri of a heel,0411
Vale,xray of a heel,410
hill,ct of a heel,0410
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A library into which three spellings of one institution came, and a label without its zero."""
    (tmp_path / "past.csv").write_text(ROWS, encoding="utf-8")
    done = metachain("add", tmp_path / "h.db", tmp_path / "past.csv", "--share", "everyone", "--no-embed")
    assert done.returncode == 0, done.stderr
    assert "institutions that look alike: 'Vale', 'vale'. If one: metachain rename" in done.stdout
    assert "labels that look alike: '0410', '410'. If one: metachain rename" in done.stdout
    return tmp_path / "h.db"


def counts(place: Path) -> dict[str, int]:
    """Number of demonstrations by institution."""
    with Library.open(place, Tiny()) as library:
        return library.counts()


def test_an_institution_and_a_label_are_renamed(place: Path) -> None:
    """One command joins two institutions, another two labels; the audit lists both."""
    done = metachain("rename", place, "institution", "Vale", "vale")
    assert (done.returncode, "'Vale' is now 'vale'" in done.stdout) == (0, True), done.stderr
    assert counts(place) == {"hill": 1, "vale": 3}
    done = metachain("rename", place, "label", "410", "0410", "--institution", "vale")
    assert "the label '410' is now '0410'" in done.stdout
    with Library.open(place, Tiny()) as library:
        assert {one.output for one in library.demonstrations()} == {"0410", "0411"}
        assert [one.kind for one in library.audit.events()][-2:] == ["rename", "rename"]
        assert not library.look_alikes()


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (("ward", "a", "b"), "institution or label? got 'ward'"),
        (("institution", "valley", "vale"), "holds no institution 'valley'"),
        (("institution", "vale", "vale "), "they look the same"),
        (("label", "0999", "0410"), "holds no label '0999'"),
        (("institution", "Vale", "vale", "--institution", "hill"), "leave out 'institution'"),
    ],
)
def test_a_mistake_is_named(place: Path, given: tuple[str, ...], complaint: str) -> None:
    """An unknown kind or name is one line, and changes nothing."""
    done = metachain("rename", place, *given)
    assert (done.returncode, complaint in done.stderr) == (2, True), done.stderr
    assert counts(place) == {"Vale": 1, "hill": 1, "vale": 2}


def test_forget_tells_of_look_alikes_and_takes_them_along(place: Path, tmp_path: Path) -> None:
    """Without ``--also`` a look-alike stays and is told; with it both go, each with its receipt."""
    done = metachain("forget", place, "--institution", "vale ")
    assert "left as they are, though they look like 'vale': 'Vale'. To take them too: --also" in done.stdout
    assert counts(place) == {"Vale": 1, "hill": 1}
    metachain("add", place, tmp_path / "past.csv", "--no-embed")
    done = metachain("forget", place, "--institution", "vale", "--also", "--json", tmp_path / "r.json")
    assert counts(place) == {"hill": 1}
    receipts = json.loads((tmp_path / "r.json").read_text())
    assert [one["erased"]["demonstrations"] for one in receipts] == [{"vale": 2}, {"Vale": 1}]


def test_share_tells_of_look_alikes_and_takes_them_along(place: Path) -> None:
    """A rule is stated for the name alone and the look-alike told; with ``--alike`` for both."""
    done = metachain("share", place, "vale\u200b", "--with", "nobody")
    assert "look like 'vale': 'Vale'. To take them too: --alike" in done.stdout
    with Library.open(place, Tiny()) as library:
        assert {name: one[0].to.kind for name, one in library.sharing.grants().items()} == {
            "Vale": "everyone",
            "hill": "everyone",
            "vale": "nobody",
        }
    assert "vale, Vale shares" in metachain("share", place, "vale", "--with", "hill", "--alike").stdout
    with Library.open(place, Tiny()) as library:
        assert library.sharing.grants()["Vale"] == library.sharing.grants()["vale"]


def test_diagnose_tells_of_look_alikes(place: Path) -> None:
    """The diagnosis ends with the institutions and labels that may be one."""
    told = metachain("diagnose", place).stdout
    assert "institutions that look alike: 'Vale', 'vale'" in told
    assert "labels that look alike: '0410', '410'" in told


def test_a_list_of_unknown_answers_is_refused(place: Path, tmp_path: Path) -> None:
    """A list that lost its zeros stores nothing, unless ``--force`` says so."""
    metachain("share", place, "--all", "--with", "everyone")
    metachain("learn", place)
    (tmp_path / "codes.txt").write_text("0412,heel\n0413,toe\n")
    done = metachain("adapt", place, "new", "--answers", tmp_path / "codes.txt")
    assert (done.returncode, "none known: is it a CSV, or have zeros been lost?" in done.stderr) == (2, True)
    done = metachain("adapt", place, "new", "--answers", tmp_path / "codes.txt", "--force")
    assert "2 answers listed for new" in done.stdout

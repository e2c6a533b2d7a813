"""``metachain statistics`` and ``metachain learn --statistics`` as processes."""

import json
from pathlib import Path

import pytest
from handmade import Tiny, demonstrations, jsonl, metachain

from metachain.learning.artifacts import load_prior
from metachain.learning.prior import learned_from
from metachain.learning.site_statistics import read_contribution
from metachain.library.library import Library

MADE = demonstrations(5, 24)
SHARED, PRIVATE = [one for one in MADE if one.institution != "h1"], [one for one in MADE if one.institution == "h1"]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site's library: the shared demonstrations, and its own."""
    path = tmp_path / "site.db"
    for name, made in (("shared", SHARED), ("own", PRIVATE)):
        done = metachain("add", path, jsonl(tmp_path / f"{name}.jsonl", made), "--share", "everyone")
        assert done.returncode == 0, done.stderr
    return path


def test_two_sites_learn_without_sharing_texts(tmp_path: Path, site: Path) -> None:
    """One site writes its statistics and says what is in them; the other learns from the file as from the data."""
    file, hub = tmp_path / "h1.json", tmp_path / "hub.db"
    done = metachain("statistics", site, "h1", "--json", file)
    assert done.returncode == 0, done.stderr
    found = read_contribution(file)
    assert (
        f"{file.stat().st_size // 1000}\u202f{file.stat().st_size % 1000:03d} bytes: the 5 names above" in done.stdout
    )
    assert "no text, id or answer of h1" in done.stdout
    assert f"measured on {found.items} of its demonstrations" in done.stdout
    assert all(f"│ {name} " in done.stdout for name in ("h0", "h2", "h3", "h4"))
    numbers = json.loads(file.read_text())
    assert f"{len(numbers['transfer']) + sum(map(len, numbers['scores'])) + 2} numbers" in done.stdout
    metachain("add", hub, tmp_path / "shared.jsonl", "--share", "everyone")
    done = metachain("learn", hub, "--statistics", file, "--minimum", 5)
    assert "no rule of this library lets the statistics of 'h1' be learned from" in done.stderr
    assert metachain("share", hub, "h1", "--statistics", "everyone").returncode == 0
    done = metachain("learn", hub, "--statistics", file, "--minimum", 5)
    assert done.returncode == 0, done.stderr
    assert "learned from 4 institutions and the statistics of 1 more" in done.stdout
    with Library.open(hub, Tiny()) as library, Library.open(site, Tiny()) as everything:
        prior, expected = load_prior(library), learned_from(everything, found.sources, ["h1"])
    assert (prior.institutions, prior.contributors) == (("h0", "h2", "h3", "h4"), ("h1",))
    assert prior.transfer.tobytes() == expected.transfer.tobytes()
    assert prior.lesson.scores.tobytes() == expected.lesson.scores.tobytes()


def test_nothing_is_written_unless_asked(tmp_path: Path, site: Path) -> None:
    """Without ``--json`` the numbers are only shown, and the library stays as it was."""
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    done = metachain("statistics", site, "h1")
    assert done.returncode == 0, done.stderr
    assert "nothing was written" in done.stdout
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_site_with_hardly_anything_is_told(tmp_path: Path) -> None:
    """One demonstration can be measured and can't rehearse."""
    library = tmp_path / "x.db"
    metachain("add", library, jsonl(tmp_path / "x.jsonl", [*SHARED, PRIVATE[0]]), "--share", "everyone")
    done = metachain("statistics", library, "h1")
    assert done.returncode == 0, done.stderr
    assert "nothing could be rehearsed" in done.stdout


def test_mistakes_are_one_message(tmp_path: Path, site: Path) -> None:
    """An unknown institution, a file over the library, a file of another kind, too few: status 2 and no traceback."""
    before = site.read_bytes()
    few = tmp_path / "few.db"
    metachain("add", few, jsonl(tmp_path / "few.jsonl", demonstrations(2, 4)), "--share", "everyone")
    for arguments, said in (
        (("statistics", site, "St Mary"), "no demonstrations of 'St Mary'"),
        (("statistics", site, "h1", "--json", site), "would overwrite the library"),
        (("statistics", site, "h1", "--json", tmp_path / "nowhere" / "x.json"), "does not exist"),
        (("learn", site, "--statistics", tmp_path / "own.jsonl"), "not JSON that can be read"),
        (("learn", site, "--statistics", tmp_path / "none.json"), "can't read"),
        (("learn", few), "there are 2 (h0, h1). Add some, or take the risk with minimum=2 (--minimum 2)"),
    ):
        done = metachain(*arguments)
        assert (done.returncode, done.stdout) == (2, ""), done.stdout
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    assert site.read_bytes() == before
    assert metachain("learn", few, "--minimum", 2).returncode == 0

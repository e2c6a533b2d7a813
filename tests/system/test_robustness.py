"""Bad input from end to end: a clear error that names the thing and what to do, or it works; nothing stored is lost."""

import re
import resource
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from handmade import Tiny, demonstrations, jsonl, learned_library, metachain, obey_permissions
from oracles import BagOfWords

from metachain.cli.app import main
from metachain.data.demonstration import Demonstration
from metachain.errors import DataError, NotFoundError
from metachain.evaluation.leave_one_out import Plan, check_comparable, evaluate
from metachain.learning.posterior import adapt
from metachain.learning.prior import learn
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE
from metachain.selection.selector import Selector

Command = Callable[..., tuple[int, str, str]]
LONG = "dictated without a pause " * 4000
ODD = {
    "right to left": "أشعة سينية للركبة",
    "emoji": "🩻 of the 👩🏽‍⚕️'s 🦵",
    "direction marks": "\u202eeenk\u202c \u200fknee",
    "combining": "k\u0301\u0302\u0303nee" + "\u0301" * 500,
    "control characters": "\x01\x1b[31m\x7f knee",
    "one letter": "x",
    "punctuation": "---",
    "100,000 characters": LONG[:100_000],
    "100,000 letters in a row": "x" * 100_000,
}


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of three past institutions with a prior, and ``new`` adapted to no labels."""
    return learned_library(tmp_path_factory.mktemp("learned") / "hospitals.db", demonstrations(3, 12))


@pytest.fixture
def library(learned: Path, tmp_path: Path) -> Iterator[Library]:
    """A copy of the learned library."""
    with Library.open(shutil.copy(learned, tmp_path / "hospitals.db"), Tiny()) as opened:
        yield opened


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command line in this process with the tiny encoder; status, standard output, standard error."""
    monkeypatch.setattr("metachain.library.library.MiniLM", Tiny)
    monkeypatch.setattr("metachain.embedding.encoder.MiniLM", Tiny)
    monkeypatch.setattr("metachain.library.embedding_cache.MiniLM", Tiny)
    monkeypatch.setenv("COLUMNS", "300")

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["metachain", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        status = ended.value.code
        assert status is None or isinstance(status, int)
        return status or 0, *capsys.readouterr()

    return run


@pytest.mark.parametrize("text", ODD.values(), ids=ODD.keys())
def test_odd_texts_work_from_end_to_end(library: Library, text: str) -> None:
    """Right-to-left, emoji, control characters and 100,000 characters are stored, learned from, chosen and asked."""
    library.add(
        (Demonstration(place, text, f"code of {text[:50]}") for place in ("h0", "h1", f"home of {text[:20]}")),
        share=EVERYONE,
    )
    prior = learn(library)
    selector = Selector(library, adapt(prior, library, "new"))
    assert text in {chosen.demonstration.input for chosen in selector.select(f"{text} again").chosen}
    assert selector.select(text).query == text


def test_a_label_never_seen_before_is_used(tmp_path: Path) -> None:
    """A label that no past institution has is adapted to, offered, and shown the best for texts like its own."""
    library = Library.open(tmp_path / "x.db", BagOfWords())
    library.add(demonstrations(3, 12), share=EVERYONE)
    prior = learn(library)
    library.add(
        [Demonstration("new", "x-ray of the toe", "NEVER SEEN"), Demonstration("new", "knee", "code 1")], share=EVERYONE
    )
    selector = Selector(library, adapt(prior, library, "new"))
    library.close()
    assert "NEVER SEEN" in selector.labels()
    assert selector.select("x-ray of the toe again").demonstrations[-1].output == "NEVER SEEN"


def test_one_demonstration_an_institution_is_enough(command: Command, tmp_path: Path) -> None:
    """Institutions with a single demonstration are learned from; what can't be rehearsed is said."""
    library, data = tmp_path / "x.db", jsonl(tmp_path / "one.jsonl", demonstrations(4, 1))
    assert command("add", library, data, "--share", "everyone")[0] == 0
    status, said, _ = command("learn", library)
    assert status == 0
    assert (
        "nothing could be rehearsed: no institution has two demonstrations; plain nearest neighbours are kept" in said
    )
    assert "nan" not in said
    assert "with 1 labels" in command("adapt", library, "h1")[1]
    assert "from h" in command("select", library, "h1", "chest")[1]


def test_identical_texts_are_learned_from(command: Command, tmp_path: Path) -> None:
    """Where all texts are the same, learning and selecting work; comparing says that nothing can be scored."""
    same = [Demonstration(f"h{place}", "knee", f"code {place}", id=str(n)) for place in range(3) for n in range(20)]
    library, data = tmp_path / "x.db", jsonl(tmp_path / "same.jsonl", [{**vars_of(one), "id": one.id} for one in same])
    assert "60 demonstrations added" in command("add", library, data, "--share", "everyone")[1]
    assert command("learn", library)[0] == 0
    assert command("adapt", library, "h1")[0] == 0
    assert "code 1" in command("select", library, "h1", "knee joint")[1]
    status, _, complaint = command("evaluate", data, "--cache", tmp_path / "c.db", "--seeds", 1)
    assert status == 2
    assert "nothing to score: in every institution all queries have a text that is among the labels too" in complaint


def vars_of(one: Demonstration) -> dict[str, str]:
    """The three texts of a demonstration."""
    return {"institution": one.institution, "input": one.input, "output": one.output}


def test_one_institution_is_too_few(command: Command, tmp_path: Path) -> None:
    """A library or a file of one institution is stored, but learning and comparing are refused, by its name."""
    library, data = tmp_path / "x.db", jsonl(tmp_path / "one.jsonl", demonstrations(1, 12))
    assert command("add", library, data, "--share", "everyone")[0] == 0
    assert (
        "needs at least 3 institutions, with those that give statistics only; there are 1 (h0)"
        in command("learn", library)[2]
    )
    status, _, complaint = command("evaluate", data, "--cache", tmp_path / "cache.db")
    assert (status, (tmp_path / "cache.db").exists()) == (2, False)
    assert "only one institution (h0): nothing is left to learn from when it is held out" in complaint


@pytest.mark.parametrize(
    ("records", "options", "complaint"),
    [
        (
            demonstrations(4, 12),
            ["--labels", "1000"],
            "1000 labels and as many queries need 2000 .* the largest has 12",
        ),
        (demonstrations(1, 12), ["--protocol", "group"], "only one group"),
        (demonstrations(1, 12)[:1], [], "only one institution"),
        (
            [{"institution": f"h{n}", "input": "a", "output": "b"} for n in "ab"],
            ["--protocol", "group"],
            "metadata.group",
        ),
        (demonstrations(), ["--protocol", "x"], "protocol must be one of institution, group, got 'x'"),
        (demonstrations(), ["--labels", "4,,8"], "--labels takes whole numbers separated by commas.* got '4,,8'"),
        (demonstrations(), ["--labels=-4"], "labels must be whole numbers of 0 or more"),
        (demonstrations(), ["--seeds", "0"], "--seeds takes how many random supports to draw, 1 or more, got '0'"),
        (demonstrations(), ["--seeds", "one"], "--seeds takes whole numbers"),
        (demonstrations(), ["--selectors", "metachain, best"], "unknown selector .*'best'.*; known: zero, random"),
        (demonstrations(), ["--readers", "vote,me"], "unknown reader 'me' in --readers; known: vote, majority, copy"),
        (demonstrations(), ["--metric", "bleu"], "unknown metric 'bleu' in --metric; known: exact_match, label_f1"),
        (demonstrations(), ["--past", "1,all"], "--past takes numbers of past institutions of 2 or more"),
        (demonstrations(), ["--past", "half"], "--past takes whole numbers .* such as 5,10,20,all; got 'half'"),
        (demonstrations(), ["--past", "2,9"], "--past 2,9: some institution has only 2 past institutions in all"),
        (demonstrations(), ["--model", "gpt-4o-mini"], "doesn't say who serves the model: write provider:name"),
        (demonstrations(), ["--json", "."], "can't write .: it is a folder; give the path of a file in it"),
        (demonstrations(), ["--report", "missing/x.html"], "can't write missing/x.html: .*missing does not exist"),
        (demonstrations(), ["--json", "data.jsonl"], "data.jsonl is given twice: the data, --json and --report must"),
        (demonstrations(), ["--json", "x", "--report", "./x"], "x is given twice"),
    ],
)
def test_evaluate_refuses_before_any_work(
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    records: list[Demonstration],
    options: list[str],
    complaint: str,
) -> None:
    """What can't be compared, or written, is refused before anything is embedded, and the data are left alone."""
    monkeypatch.chdir(tmp_path)
    data = jsonl(tmp_path / "data.jsonl", records)
    before = data.read_bytes()
    status, said, wrong = command("evaluate", "data.jsonl", "--cache", "cache.db", *options)
    assert (status, said) == (2, "")
    assert wrong.startswith("error: ")
    assert re.search(complaint, wrong), wrong
    assert [one.name for one in tmp_path.iterdir()] == ["data.jsonl"]
    assert data.read_bytes() == before


def test_spaces_between_selectors_are_no_matter(command: Command, tmp_path: Path) -> None:
    """Selectors may be listed with spaces after the commas."""
    data = jsonl(tmp_path / "data.jsonl", demonstrations(3, 12))
    options = ("--labels", "0, 4", "--seeds", "1, 2", "--selectors", "random, semantic", "--cache", tmp_path / "c.db")
    assert command("evaluate", data, *options)[0] == 0


def test_a_damaged_cache_is_called_a_cache(command: Command, tmp_path: Path) -> None:
    """Where the cache file is damaged the message says that it is only a cache and names the option."""
    data = jsonl(tmp_path / "data.jsonl", demonstrations())
    (tmp_path / "cache.db").write_text("nonsense " * 200)
    complaint = command("evaluate", data, "--cache", tmp_path / "cache.db")[2]
    assert "the embedding cache can't be used: " in complaint
    assert "--cache names another file" in complaint


def test_comparing_needs_institutions_with_enough(library: Library) -> None:
    """The same refusals hold in Python, before vectors are needed."""
    with pytest.raises(DataError, match=r"only one institution \(h0\)"):
        check_comparable(demonstrations(1), Plan())
    with pytest.raises(DataError, match="need 40 demonstrations of an institution, the largest has 8"):
        check_comparable(demonstrations(), Plan(labels=(20,)))
    with pytest.raises(DataError, match="only one institution"):
        evaluate(demonstrations(1), np.eye(8, dtype=np.float32))


@pytest.mark.parametrize("k", [0, 1, 36, 37, 10**6, 10**30])
def test_any_number_of_shots_works(library: Library, k: int) -> None:
    """No shots show nothing, and more shots than demonstrations show all that are near, each of an institution once."""
    selector = Selector(library, adapt(learn(library), library, "new"), k)
    chosen = selector.select("x-ray of the knee").chosen
    assert len(chosen) == min(k, len(chosen))
    shown = [one.demonstration for one in chosen]
    assert len({(one.institution, one.input, one.output) for one in shown}) == len(shown)
    assert bool(chosen) == bool(k)


@pytest.mark.parametrize("k", [-1, 1.5, "3", True])
def test_shots_that_are_no_number_are_refused(library: Library, k: object) -> None:
    """Shots below zero, or no whole number, are refused with what was got."""
    with pytest.raises(DataError, match="k must be a whole number of demonstrations, 0 or more, got "):
        Selector(library, adapt(learn(library), library, "new"), k)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["select", "nobody", "knee"], "no posterior for 'nobody'; make one with: metachain adapt LIBRARY 'nobody'"),
        (["select", "new", "  "], "a query must be a text that is not blank"),
        (["select", "new", "\udcff"], "'query' holds a lone surrogate, which is not text; remove it"),
        (["select", "\udcff", "knee"], "'institution' holds a lone surrogate"),
        (["adapt", ""], "'institution' is blank"),
        (["adapt", "\udcff"], "'institution' holds a lone surrogate"),
        (["adapt", "new", "nowhere.jsonl"], "can't read nowhere.jsonl: No such file"),
        (["add", "/dev/null"], "/dev/null is empty: expected one"),
    ],
)
def test_commands_name_what_is_wrong(command: Command, library: Library, arguments: list[str], complaint: str) -> None:
    """Unknown institutions, blank or impossible texts and missing files are named, and the library stays the same."""
    path = library._engine.url.database
    before = library.demonstrations()
    status, _, wrong = command(arguments[0], path, *arguments[1:])
    assert status == 2
    assert complaint in wrong
    assert library.demonstrations() == before


def test_an_address_is_not_taken_for_a_path(command: Command, tmp_path: Path) -> None:
    """A database address that this version can't open is refused as it was typed."""
    data = jsonl(tmp_path / "data.jsonl", demonstrations())
    assert "mysql://…: a library is a path, or a database" in command("add", "mysql://h/x", data)[2]


def test_a_bad_file_makes_no_library(command: Command, tmp_path: Path) -> None:
    """Where the whole file is bad no library is made; if that is asked for, one bad line lets nothing be stored."""
    library = tmp_path / "x.db"
    status, _, complaint = command("add", library, tmp_path)
    assert (status, library.exists()) == (2, False)
    data = jsonl(tmp_path / "data.jsonl", [*demonstrations(), "oops"])
    status, _, complaint = command("add", library, data, "--strict")
    assert status == 2
    assert "data.jsonl: 1 bad row(s), nothing was stored" in complaint
    assert "line 25: not JSON (Expecting value at column 1)" in complaint
    with Library.open(library, Tiny()) as opened:
        assert opened.counts() == {}


def test_labels_of_another_institution_are_refused(command: Command, library: Library, tmp_path: Path) -> None:
    """Labels that name another institution than the one that adapts are refused by line, and none is stored."""
    data = jsonl(tmp_path / "data.jsonl", demonstrations(1, 3))
    status, _, complaint = command("adapt", library._engine.url.database, "new", data)
    assert status == 2
    assert "line 3: 'institution' is 'h0', expected 'new'" in complaint
    assert "new" not in library.institutions()


def test_the_last_past_institution_can_not_learn_from_itself(tmp_path: Path) -> None:
    """Where no other institution of the prior is left, adapting says so and what to do."""
    with Library.open(tmp_path / "x.db", Tiny()) as library:
        library.add(demonstrations(2, 4), share=EVERYONE)
        prior = learn(library, minimum=2)
    with Library.open(tmp_path / "y.db", Tiny()) as other:
        other.add(demonstrations(1, 4), share=EVERYONE)
        other.sharing.state("h1", EVERYONE)
        with pytest.raises(
            NotFoundError, match=r"no past institution .* shares its demonstrations with 'h0'; let some"
        ):
            adapt(prior, other, "h0")


@pytest.mark.skipif(sys.platform != "linux", reason="root gives up its rights by a call that only Linux has")
def test_a_read_only_folder(learned: Path, tmp_path: Path) -> None:
    """In a read-only folder a library is selected from without an audit; commands that must write say so at once."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    library = Path(shutil.copy(learned, folder / "hospitals.db"))
    data = jsonl(tmp_path / "data.jsonl", demonstrations(4))
    before = library.read_bytes()
    library.chmod(0o444)
    folder.chmod(0o555)
    try:
        for arguments, complaint in (
            (
                ("add", library, data, "--share", "everyone"),
                "read-only; change its permissions or copy the library elsewhere",
            ),
            (("learn", library), "read-only; change its permissions or copy the library elsewhere"),
            (("add", folder / "other.db", data), "can't be opened; check that the folder exists and may be written"),
            (("evaluate", data, "--json", folder / "x.json"), f"{folder} does not exist or may not be written"),
        ):
            done = metachain(*arguments, preexec_fn=obey_permissions)
            assert (done.returncode, done.stdout) == (2, ""), done.stderr
            assert complaint in done.stderr
            assert "rehearsing" not in done.stderr
        for command in ("select", "ask"):
            done = metachain(command, library, "new", "knee", preexec_fn=obey_permissions)
            assert (done.returncode, done.stdout) == (2, ""), done.stderr
            assert "read-only; change its permissions or copy the library elsewhere. Each selection is" in done.stderr
            assert "open the library with audit=False (--no-audit)" in done.stderr
        done = metachain("select", library, "new", "knee", "--no-audit", preexec_fn=obey_permissions)
        assert "from h" in done.stdout, done.stderr
        done = metachain("ask", library, "new", "knee", "--no-audit", preexec_fn=obey_permissions)
        assert done.stdout.startswith("code"), done.stderr
        assert "no selections" in metachain("audit", library, preexec_fn=obey_permissions).stdout
    finally:
        folder.chmod(0o755)
    assert [one.name for one in folder.iterdir()] == ["hospitals.db"]
    assert library.read_bytes() == before


def test_a_disk_that_fills_up(learned: Path, tmp_path: Path) -> None:
    """Where files can't grow, an add says so, leaves what was stored, and works once there is room."""
    library = Path(shutil.copy(learned, tmp_path / "hospitals.db"))
    size = library.stat().st_size + 4096
    many = [Demonstration("h0", f"{number} {'long ' * 500}", "code") for number in range(1100)]
    data = jsonl(tmp_path / "data.jsonl", many)

    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    done = metachain("add", library, data, preexec_fn=no_room)
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        "hospitals.db: disk I/O error; the disk could not be read or written; check it and its free space"
        in done.stderr
    )
    with Library.open(library) as opened:
        assert set(opened.demonstrations()) == set(demonstrations(3, 12))
    assert "1100 demonstrations added" in metachain("add", library, data, "--share", "everyone").stdout

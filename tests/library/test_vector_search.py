# Longer than 300 lines: the filled libraries and the brute-force oracle serve all tests.
"""Nearest-neighbour search in the database: same result as brute force, permitted demonstrations only."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from behind import alter, rows
from handmade import Tiny, metachain
from numpy.typing import NDArray
from oracles import Rule, permitted
from traces import files_with

import metachain.library.vector_search as module
from metachain.data.demonstration import Demonstration
from metachain.errors import DataError
from metachain.learning.unlearning import forget
from metachain.library.database.schema import SCHEMA_VERSION
from metachain.library.library import Library
from metachain.library.origins import Reach
from metachain.library.outcomes import Outcome
from metachain.library.sharing import EVERYONE, Audience, Grant, Shared
from metachain.library.vector_index import index_name
from metachain.library.vector_search import Near

if TYPE_CHECKING:
    from benchmarks.common.postgres import PostgresServer

HOSPITALS, EACH = 24, 25
MADE = [
    # Every fifth text is the same in all hospitals, so that there are ties.
    Demonstration(f"h{place:02}", f"scan {number}" + (f" of {place}" if number % 5 else ""), "code", id=f"d{number:02}")
    for place in range(HOSPITALS)
    for number in range(EACH)
]
NAME = index_name("tiny/1", 16)
IS_VALID = f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{NAME}'::regclass"  # noqa: S608
QUERIES = Tiny().encode(["knee", "brain", "spine"])
SECRET = Demonstration("h07", "a rare scan", "code", id="rare", metadata={"patient": "p 7"})
OTHER_PROCESS = """
import sys
from handmade import Tiny
from metachain import Demonstration, Library
with Library.open(sys.argv[1], Tiny()) as library:
    one = Demonstration("h01", "knee", "code", id="from elsewhere")
    library.add([one])
    library.vectors([one])
"""


def filled(place: str) -> str:
    """Two dozen hospitals that share with everyone, embedded; indexed in PostgreSQL."""
    with Library.open(place, Tiny()) as opened:
        opened.add(MADE, share=EVERYONE)
        opened.vectors(MADE)
        if "://" in place:
            opened.index()
    return place


@pytest.fixture(scope="module")
def filled_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The filled library in a file, made once and copied for each test."""
    return filled(str(tmp_path_factory.mktemp("filled") / "library.db"))


@pytest.fixture(scope="module")
def filled_database(postgres: "PostgresServer") -> Iterator[str]:
    """The filled library in a database, made once."""
    name = postgres.create_database()
    filled(postgres.url(name))
    yield name
    postgres.drop_database(name)


@pytest.fixture
def place(request: pytest.FixtureRequest, new_place: Callable[..., str]) -> str:
    """Place for a new library in each engine; the filled library is there if the test uses ``library``."""
    if "library" not in request.fixturenames:
        return new_place()
    engine = request.node.callspec.params["new_place"]
    return new_place(request.getfixturevalue("filled_file" if engine == "sqlite" else "filled_database"))


@pytest.fixture
def library(place: str) -> Iterator[Library]:
    """A copy of the filled library for one test."""
    with Library.open(place, Tiny()) as opened:
        yield opened


@pytest.fixture
def by_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Force the use of the index."""
    monkeypatch.setattr(module, "SCAN_COST", 0.0)


def brute(made: list[Demonstration], query: np.ndarray, k: int, names: set[str]) -> list[tuple[str, str]]:
    """Keys of the nearest demonstrations of some institutions, by comparing all."""
    some = [one for one in made if one.institution in names]
    similarity = np.round(Tiny().encode([one.input.lower() for one in some]) @ query, 5) if some else []
    order = sorted(zip(-np.asarray(similarity), [one.key for one in some], strict=True))
    return [key for _, key in order[:k]]


def keys(found: tuple[Near, ...]) -> list[tuple[str, str]]:
    """Institutions and ids."""
    return [one.demonstration.key for one in found]


ALL = {one.institution for one in MADE}


def test_they_are_those_of_brute_force(library: Library) -> None:
    """Result and order equal brute force, ties by institution and id, with texts and similarities."""
    for names in (set(), {"h03"}, {f"h{place:02}" for place in range(0, HOSPITALS, 3)}):
        for k in (1, 7, 60):
            found = library.nearest("new", QUERIES, k, names)
            for query, some in zip(QUERIES, found, strict=True):
                assert keys(some) == brute(MADE, query, k, names or ALL)
                assert all(one.demonstration in MADE for one in some)
                expected = Tiny().encode([one.demonstration.input for one in some]) @ query
                assert [one.similarity for one in some] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("new_place", ["postgresql"], indirect=True)
def test_without_an_index_they_are_the_same(place: str) -> None:
    """Without an index the search compares the stored vectors; building the index changes no result."""
    with Library.open(place, Tiny()) as library:
        library.add(MADE, share=EVERYONE)
        library.vectors(MADE)
        before = library.nearest("new", QUERIES, 9)
        assert [keys(some) for some in before] == [brute(MADE, query, 9, ALL) for query in QUERIES]
        assert library.index() == len(MADE)
        assert library.nearest("new", QUERIES, 9) == before


@pytest.mark.usefixtures("by_index")
@pytest.mark.parametrize("new_place", ["postgresql"], indirect=True)
@pytest.mark.parametrize("scanned", [40_000, 1])
def test_a_filter_starves_nobody(library: Library, scanned: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One institution among many gets k results, by a longer index scan or by the exact search."""
    monkeypatch.setattr(module, "MAX_SCAN_TUPLES", scanned)
    for name in ("h00", "h11", "h23"):
        for query, some in zip(QUERIES, library.nearest("new", QUERIES, 20, [name]), strict=True):
            assert len(some) == 20
            right = brute(MADE, query, 20, {name})
            assert len(set(keys(some)) & set(right)) >= 19
    found = library.nearest("new", QUERIES, 5)
    assert all(
        len(set(keys(some)) & set(brute(MADE, query, 5, ALL))) >= 4 for query, some in zip(QUERIES, found, strict=True)
    )


@pytest.mark.usefixtures("by_index")
@pytest.mark.parametrize("new_place", ["postgresql"], indirect=True)
def test_a_scan_that_ends_early_is_not_believed(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the index scan finds too few, the exact search follows."""
    short = module.approximately

    def once(*given: Any, **rest: Any) -> list[module.Key]:
        return short(*given, **{**rest, "scan": "off", "breadth": 10})

    exact: list[str] = []
    slow = module.exactly
    monkeypatch.setattr(module, "approximately", once)
    monkeypatch.setattr(module, "exactly", lambda *given, **rest: exact.append("asked") or slow(*given, **rest))
    found = library.nearest("new", QUERIES, 20, ["h21"])
    assert exact == ["asked"] * len(QUERIES)
    assert [keys(some) for some in found] == [brute(MADE, query, 20, {"h21"}) for query in QUERIES]


@pytest.mark.parametrize("even", [30.0, 0.0])
def test_nobody_is_shown_what_is_not_shared(library: Library, even: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under random rules the search obeys audience, group, purpose and time, checked by an oracle in plain loops."""
    monkeypatch.setattr(module, "SCAN_COST", even)
    rng = np.random.default_rng(0)
    names, groups = sorted(ALL), ("north", "south")
    moment = library.sharing.now()
    for _ in range(6):
        rules = {name: [_rule(rng, names, groups) for _ in range(rng.integers(0, 3))] for name in names}
        members = {group: rng.choice([*names, "new"], 8, replace=False).tolist() for group in groups}
        library.sharing.state_all({name: [_grant(one) for one in some] for name, some in rules.items()})
        for group, some in members.items():
            library.sharing.group(group, some)
        for asker in ("new", "h00", "h20"):
            library.sharing.purpose = str(rng.choice(["", "triage"]))
            shown, _ = permitted(rules, members, asker, library.sharing.purpose, moment)
            allowed = (shown | {asker}) & ALL
            among = rng.choice(names, 12, replace=False).tolist()
            for asked, may in (((), allowed), (among, allowed & set(among))):
                found = library.nearest(asker, QUERIES, 30, asked)
                assert {one.demonstration.institution for some in found for one in some} <= may
                assert [len(some) for some in found] == [min(30, EACH * len(may))] * len(QUERIES)


def _rule(rng: np.random.Generator, names: list[str], groups: tuple[str, ...]) -> Rule:
    kind = str(rng.choice(["everyone", "group", "institution", "nobody"], p=[0.2, 0.3, 0.4, 0.1]))
    of = {"group": [str(rng.choice(groups))], "institution": ["new", *rng.choice(names, 2, replace=False).tolist()]}
    until = str(rng.choice(["2020-01-01T00:00:00Z", "2090-01-01T00:00:00Z"])) if rng.random() < 0.5 else None
    purposes = ("triage",) if rng.random() < 0.3 else ()
    return Rule(str(rng.choice(["demonstrations", "statistics"])), kind, tuple(of.get(kind, ())), purposes, until)


def _grant(rule: Rule) -> Grant:
    until = datetime.fromisoformat(rule.until.replace("Z", "+00:00")) if rule.until else None
    return Grant(Audience(rule.kind, rule.names), rule.use, rule.purposes, until)  # type: ignore[arg-type]


@pytest.mark.parametrize("new_place", ["postgresql"], indirect=True)
def test_the_database_guards_what_is_searched(library: Library, place: str) -> None:
    """Row-level security guards the table ``placed`` like the demonstrations."""
    over = Grant(Audience("everyone"), until=datetime.now(UTC) - timedelta(hours=1))
    library.sharing.state_all({f"h{number:02}": [over] for number in range(HOSPITALS)})
    library.sharing.state("h01", Grant(Audience("everyone"), purposes=("triage",)))
    library.sharing.state("h02", Grant(Audience("institution", ("h03",))))
    who = "SELECT DISTINCT institution FROM placed ORDER BY institution"
    assert rows(place, who) == rows(place, who, asks="stranger") == []
    assert rows(place, who, asks="stranger", purpose="triage") == [("h01",)]
    assert rows(place, who, asks="h03") == [("h02",), ("h03",)]
    assert len(rows(place, who, keeper="yes")) == HOSPITALS
    assert rows(place, "DELETE FROM placed WHERE institution = 'h02' RETURNING id", asks="h03") == []


@pytest.mark.parametrize("even", [30.0, 0.0])
@pytest.mark.parametrize("new_place", ["postgresql"], indirect=True)
def test_a_forgotten_predicate_finds_nothing_more(
    library: Library, even: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If our query asked for all rows, the database would still return only shared ones."""
    monkeypatch.setattr(module, "SCAN_COST", even)
    library.sharing.state_all({f"h{number:02}": [] for number in range(HOSPITALS) if number != 5})
    everyone = Reach(tuple(f"h{number:02}" for number in range(HOSPITALS)))
    monkeypatch.setattr(Shared, "reach", lambda _self, _own="": everyone)
    assert {one.demonstration.institution for some in library.nearest("new", QUERIES, 9) for one in some} == {"h05"}


@pytest.mark.parametrize("even", [30.0, 0.0])
def test_what_is_added_or_embedded_later_is_found(
    library: Library, even: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text with a known vector is found at once, others after embedding, a correction at once."""
    monkeypatch.setattr(module, "SCAN_COST", even)
    near = Tiny().encode(["knee"])
    library.add([Demonstration("h01", "KNEE", "code", id="new text"), Demonstration("h02", "scan 0", "code", id="old")])
    assert "new text" not in [one.demonstration.id for one in library.nearest("new", near, 9)[0]]
    assert "old" in [one.demonstration.id for one in library.nearest("h02", Tiny().encode(["scan 0"]), 9, ["h02"])[0]]
    library.vectors(library.demonstrations("h01"))
    assert library.nearest("new", near, 9)[0][0].demonstration.id == "new text"
    library.outcomes.record([Outcome("run", "chain", "h09", "knee", "m", (), "code")])
    library.record_feedback("run", correction="code 2")
    library.record_feedback("run", correction="code 3")
    assert "feedback run" not in [one.demonstration.id for one in library.nearest("new", near, 9)[0]]
    assert "feedback run" in [one.demonstration.id for one in library.nearest("h09", near, 9)[0]]
    library.review.release("h09")
    first = library.nearest("new", near, 2)[0]
    assert [one.demonstration.id for one in first] == ["new text", "feedback run"]
    assert first[1].demonstration.output == "code 3"
    library.review.refuse("h09", ["feedback run"])
    assert "feedback run" not in [one.demonstration.id for one in library.nearest("new", near, 9)[0]]
    assert "feedback run" in [one.demonstration.id for one in library.nearest("h09", near, 9)[0]]


@pytest.mark.parametrize("even", [30.0, 0.0])
def test_what_is_forgotten_is_not_found(
    library: Library, place: str, even: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Erased demonstrations are not found; the index is there again afterwards."""
    monkeypatch.setattr(module, "SCAN_COST", even)
    library.add([SECRET])
    vector = library.vectors([SECRET])
    assert library.nearest("new", vector, 1)[0][0].demonstration == SECRET
    forget(library, patient="p 7")
    assert SECRET not in [one.demonstration for one in library.nearest("new", vector, 1000)[0]]
    forget(library, institution="h08")
    found = library.nearest("new", vector, len(MADE))[0]
    assert {one.demonstration.institution for one in found} == ALL - {"h08"}
    if "://" in place:
        assert rows(place, "SELECT count(*) FROM placed", keeper="yes") == [(len(MADE) - EACH,)]
        assert rows(place, IS_VALID) == [(True,)]


@pytest.mark.parametrize("new_place", ["postgresql"], indirect=True)
def test_no_byte_of_a_forgotten_vector_is_left(library: Library, postgres: "PostgresServer") -> None:
    """An erased vector, in full or half precision, is in none of PostgreSQL's files after old log segments are gone."""
    library.add([SECRET])
    vector = library.vectors([SECRET])[0]
    switched = ("CHECKPOINT", "SELECT pg_switch_wal()", "CHECKPOINT", "SELECT pg_switch_wal()", "CHECKPOINT")
    postgres.administer(*switched)
    assert _files_with(postgres.folder / "data", vector)
    forget(library, patient="p 7")
    postgres.administer(*switched)
    assert _files_with(postgres.folder / "data", vector) == []


def _files_with(folder: Path, vector: np.ndarray) -> list[str]:
    return files_with(folder, [vector.tobytes(), vector.astype(np.float16).tobytes()])


@pytest.mark.parametrize("new_place", ["postgresql"], indirect=True)
def test_another_process_adds(library: Library, place: str) -> None:
    """Demonstrations that another process adds and embeds are found at once."""
    here = Path(__file__).parents[1] / "support"
    subprocess.run([sys.executable, "-c", OTHER_PROCESS, place], cwd=here, check=True, timeout=60)
    assert library.nearest("new", Tiny().encode(["knee"]), 1)[0][0].demonstration.id == "from elsewhere"


@pytest.mark.parametrize("new_place", ["postgresql"], indirect=True)
def test_what_is_written_while_the_index_is_built_is_in_it(place: str) -> None:
    """Demonstrations, vectors and corrections written by two others during the build are in the index."""
    with Library.open(place, Tiny()) as library, Library.open(place, Tiny()) as other, ThreadPoolExecutor() as pool:
        library.add(MADE, share=EVERYONE)
        library.vectors(MADE)
        runs = [Outcome(f"run {number}", "chain", "h01", f"knee {number}", "m", (), "code") for number in range(20)]
        other.outcomes.record(runs)

        def write(number: int) -> None:
            one = Demonstration("h01", f"knee {number}", "code", id=f"late {number}")
            other.add([one])
            other.vectors([one])

        building = pool.submit(library.index)
        writing = [pool.submit(write, number) for number in range(20)]
        correcting = [pool.submit(library.record_feedback, one.id, correction="code") for one in runs]
        for one in (building, *writing, *correcting):
            one.result()
        library.vectors(library.demonstrations("h01"))
        assert rows(place, "SELECT count(*) FROM placed", keeper="yes") == [(len(MADE) + 40,)]
        assert len(library.nearest("h01", QUERIES, 100, ["h01"])[0]) == EACH + 40
        assert len(library.nearest("new", QUERIES, 100, ["h01"])[0]) == EACH + 20


@pytest.mark.parametrize("new_place", ["postgresql"], indirect=True)
def test_a_library_of_schema_4_is_migrated(place: str) -> None:
    """A migrated library of schema 4 is searchable, guarded by row-level security and complete."""
    with Library.open(place, Tiny()) as library:
        library.add(MADE, share=EVERYONE)
        library.vectors(MADE)
    for statement in ("DROP TABLE placed", "DROP TABLE indexed", "UPDATE metachain_schema SET version = 4"):
        alter(place, statement)
    with Library.open(place, Tiny()) as library:
        assert rows(place, "SELECT version FROM metachain_schema") == [(SCHEMA_VERSION,)]
        assert library.index() == len(MADE)
        assert keys(library.nearest("new", QUERIES[:1], 5)[0]) == brute(MADE, QUERIES[0], 5, ALL)
        assert rows(place, "SELECT count(*) FROM placed") == [(0,)]
        guarded = "SELECT count(*) FROM pg_policies WHERE tablename IN ('placed', 'demonstrations', 'outcomes')"
        assert rows(place, guarded) == [(3 + 3 + 2,)]


@pytest.mark.parametrize("new_place", ["postgresql"], indirect=True)
def test_a_build_that_was_interrupted_is_done_anew(library: Library, place: str, postgres: "PostgresServer") -> None:
    """An invalid index is not searched, and is built again."""
    database = place.rpartition("/")[2]
    postgres.administer(
        f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{NAME}'::regclass",  # noqa: S608
        database=database,
    )
    assert keys(library.nearest("new", QUERIES[:1], 5)[0]) == brute(MADE, QUERIES[0], 5, ALL)
    assert library.index() == len(MADE)
    assert rows(place, IS_VALID) == [(True,)]


def test_a_damaged_vector_is_left_out(library: Library, place: str) -> None:
    """A vector of another length or size is left out until it is computed again."""
    if "://" in place:
        alter(place, "DELETE FROM indexed")
        alter(place, f"DROP INDEX {NAME}")
        alter(place, "UPDATE embeddings SET vector = '[1,2,3]' WHERE text_sha256 < '8'")
    else:
        alter(place, "UPDATE embeddings SET vector = x'00000000' WHERE text_sha256 < '8'")
    found = library.nearest("new", QUERIES[:1], len(MADE))[0]
    assert 0 < len(found) < len(MADE)
    library.vectors(MADE)
    assert keys(library.nearest("new", QUERIES[:1], 9)[0]) == brute(MADE, QUERIES[0], 9, ALL)


def test_what_is_asked_wrongly_is_said(library: Library, place: str) -> None:
    """Wrong shapes, infinite numbers, a bad k and a blank institution are refused."""
    with pytest.raises(DataError, match=r"shape \(n, d\), got shape \(16,\)"):
        library.nearest("new", QUERIES[0], 3)
    with pytest.raises(DataError, match="finite numbers"):
        library.nearest("new", QUERIES * np.nan, 3)
    with pytest.raises(DataError, match="k must be 1 or more, got 0"):
        library.nearest("new", QUERIES, 0)
    with pytest.raises(DataError, match="institution"):
        library.nearest(" ", QUERIES, 3)
    assert library.nearest("new", QUERIES[:0], 3) == ()
    assert library.nearest("new", QUERIES[:, :8], 3) == ((), (), ())
    assert library.nearest("new", QUERIES, 3, ["nobody"]) == ((), (), ())


@pytest.mark.parametrize("new_place", ["postgresql"], indirect=True)
def test_the_command_builds_the_index(place: str) -> None:
    """The command embeds missing texts and prints the size of the index."""
    with Library.open(place, Tiny()) as library:
        library.add(MADE[:30], share=EVERYONE)
        done = metachain("index", place)
        assert (done.returncode, done.stderr.count("error")) == (0, 0)
        assert "30 demonstrations are indexed" in done.stdout
        assert len(library.nearest("new", QUERIES, 5)[0]) == 5


def test_a_file_needs_no_index(tmp_path: Path) -> None:
    """An SQLite library refuses to build an index."""
    said = "is an SQLite file, which is searched exactly and needs no index"
    with Library.open(tmp_path / "hospitals.db", Tiny()) as library, pytest.raises(DataError, match=said):
        library.index()


@pytest.mark.parametrize("new_place", ["postgresql"], indirect=True)
def test_vectors_may_be_too_long(place: str) -> None:
    """Vectors that are too long get no index; the search stays exact."""

    class Long(Tiny):
        def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
            """Unit vectors of 4096 numbers."""
            return np.tile(super().encode(texts), 256) / np.float32(16)

    with Library.open(place, Long()) as library:
        library.add(MADE[:10], share=EVERYONE)
        library.vectors(MADE[:10])
        with pytest.raises(DataError, match=r"vectors of 4096 numbers can't be indexed \(at most 4000\)"):
            library.index()
        assert len(library.nearest("new", Long().encode(["knee"]), 5)[0]) == 5

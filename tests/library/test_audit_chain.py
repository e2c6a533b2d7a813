"""The audit's hash chain shows a changed, removed or inserted row, on both engines; other events are in it too."""

import json
import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from behind import alter, rows
from handmade import Tiny, demonstrations, jsonl, learned_library, metachain

from metachain.errors import DataError
from metachain.learning.unlearning import forget
from metachain.library.audit import AuditEntry
from metachain.library.audit_chain import Head
from metachain.library.caller import Caller, called_by
from metachain.library.library import Library
from metachain.library.outcomes import Outcome
from metachain.library.sharing import EVERYONE

ONE = AuditEntry("s-0", "2026-11-25T10:00:00Z", "st-marys", "triage", "nearest", (("mercy", "a"),), 3, "p")
FACTS = (
    *("number", "id", "at", "kind", "institution", "purpose", "method", "shown", "rules", "prior"),
    *("contents_sha256", "key", "request", "actor", "detail"),
)


@pytest.fixture
def filled(place: str) -> str:
    """A library with ten entries, an hour apart."""
    with Library.open(place, Tiny()) as library:
        library.audit.record(
            replace(ONE, id=f"s-{hour}", at=f"2026-11-25T{hour:02}:00:00Z", key="k", request="r", actor="Dr Ä")
            for hour in range(10)
        )
    return place


def broken(place: str, noted: Head | None = None) -> str | None:
    """First place that is not in order."""
    with Library.open(place, Tiny()) as library:
        return library.audit.verify(noted).broken


def record_many(place: str, name: str, count: int) -> None:
    """Record entries one by one, in a process of its own."""
    with Library.open(place, Tiny()) as library:
        for number in range(count):
            library.audit.record([replace(ONE, id=f"{name}-{number}")])


def test_the_chain_by_hand(filled: str) -> None:
    """Each hash is that of the JSON list of the hash before and the row's facts, as docs/audit.md says."""
    before = ""
    query = f"SELECT {', '.join(FACTS)}, sha256 FROM audit ORDER BY number"  # noqa: S608
    for *facts, digest in rows(filled, query):
        named = zip(FACTS, facts, strict=True)
        read = [json.loads(one) if name in {"shown", "detail"} and isinstance(one, str) else one for name, one in named]
        before = sha256(json.dumps([before, *read], sort_keys=True).encode()).hexdigest()
        assert digest == before
    with Library.open(filled, Tiny()) as library:
        found = library.audit.verify()
    assert (found.entries, found.head, found.broken) == (10, Head(10, before), None)


@pytest.mark.parametrize("name", FACTS[1:])
def test_any_changed_fact_is_found(filled: str, name: str) -> None:
    """A change of any column under the hash breaks the chain at its row."""
    changed = {"rules": "4", "shown": "'[]'", "detail": "'{\"a\": 1}'", "at": "'2026-11-25T05:00:01Z'"}
    value = changed.get(name, "'other'")
    alter(filled, f"UPDATE audit SET {name} = {value} WHERE number = 6")  # noqa: S608
    found = broken(filled)
    assert found is not None
    assert found.startswith("row 6 (")


@pytest.mark.parametrize(
    ("statement", "place_of_fault"),
    [
        ("DELETE FROM audit WHERE number = 4", "row 4 is missing"),
        ("DELETE FROM audit WHERE number = 1", "row 1 is missing"),
        ("DELETE FROM audit WHERE number = 10", "the rows end with number 9, but the recorded head is 10:"),
        ("DELETE FROM audit", "the rows end with number 0, but the recorded head is 10:"),
        ("UPDATE audit SET number = 0 WHERE number = 3", "row 0 (s-2) stands where"),
        ("UPDATE audit SET number = 11 WHERE number = 3", "row 3 is missing"),
        ("UPDATE audit SET sha256 = 'x' WHERE number = 7", "row 7 (s-6) is not as"),
        ("DELETE FROM heads", "but the recorded head is gone"),
    ],
)
def test_a_removed_or_moved_row_is_found(filled: str, statement: str, place_of_fault: str) -> None:
    """The first broken place is named."""
    assert broken(filled) is None
    alter(filled, statement)
    assert place_of_fault in (broken(filled) or "")


def test_an_inserted_row_is_found(filled: str) -> None:
    """One before the chain, and one at its end that nobody counted."""
    names = ", ".join(name for name in FACTS if name not in {"number", "id"})
    for number, fault in ((0, "row 0 (new) stands"), (11, "row 11 (new) is not as")):
        copied = f"SELECT {number}, 'new', {names}, sha256 FROM audit WHERE number = 5"  # noqa: S608
        alter(filled, f"INSERT INTO audit (number, id, {names}, sha256) {copied}")
        assert fault in (broken(filled) or "")
        alter(filled, "DELETE FROM audit WHERE id = 'new'")
    assert broken(filled) is None


def test_a_chain_that_was_computed_anew_lacks_the_head_that_was_noted(filled: str) -> None:
    """An earlier head is found after more entries, and not in another chain."""
    with Library.open(filled, Tiny()) as library:
        noted = library.audit.verify().head
        library.audit.record([replace(ONE, id="later")])
        assert library.audit.verify(noted).broken is None
        other = Head(noted.number, "0" * 64)
        assert "is not in the chain" in (library.audit.verify(other).broken or "")
    assert Head.read(str(noted)) == noted
    with pytest.raises(DataError, match="NUMBER:SHA256"):
        Head.read("10")


def test_facts_that_come_later_are_not_in_the_chain(filled: str) -> None:
    """Completing an entry leaves the chain as it was."""
    with Library.open(filled, Tiny()) as library:
        before = library.audit.verify()
        assert library.audit.complete("s-4", model="m", input_tokens=3, outcome="run")
        assert library.audit.verify() == before


def test_what_is_left_after_pruning_can_be_verified(filled: str) -> None:
    """Also where an old entry stands behind a newer one, and after a second pruning."""
    with Library.open(filled, Tiny()) as library:
        audit = library.audit
        audit.record(
            [replace(ONE, id="old", at="2026-11-25T01:30:00Z"), replace(ONE, id="new", at="2026-11-26T00:00:00Z")]
        )
        noted = audit.verify().head
        assert audit.prune(datetime(2026, 11, 25, 3, tzinfo=UTC)) == 4
        assert audit.prune(datetime(2026, 11, 25, 3, tzinfo=UTC)) == 0
        assert audit.prune(datetime(2026, 11, 25, 5, tzinfo=UTC)) == 2
        found = audit.verify(noted)
        assert (found.entries, found.broken) == (6 + 2, None)
        gaps = [one.detail["gaps"] for one in audit.events() if one.kind == "prune"]
        assert [[gap[:2] for gap in one] for one in gaps] == [[[1, 3], [11, 11]], [[1, 5], [11, 11]]]
        assert audit.prune(datetime(2999, 1, 1, tzinfo=UTC)) == 6
        assert audit.verify().broken is None
    alter(filled, "UPDATE audit SET detail = '{}'")
    assert broken(filled) == "the record of the last pruning can't be read"


def test_rows_removed_without_pruning_are_found_after_one(filled: str) -> None:
    """A pruning records only what it deletes."""
    with Library.open(filled, Tiny()) as library:
        library.audit.prune(datetime(2026, 11, 25, 3, tzinfo=UTC))
    alter(filled, "DELETE FROM audit WHERE number = 4")
    assert broken(filled) == "row 4 is missing"


def test_threads_and_processes_do_not_fork_the_chain(place: str) -> None:
    """Two processes and four threads record at once; each row follows one other."""
    with Library.open(place, Tiny()) as library:
        context = multiprocessing.get_context("spawn")
        others = [context.Process(target=record_many, args=(place, f"process {one}", 30)) for one in range(2)]
        for one in others:
            one.start()
        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(record_many, place, f"thread {one}", 20) for one in range(4)]:
                done.result()
        for one in others:
            one.join()
            assert one.exitcode == 0
        found = library.audit.verify()
    assert (found.entries, found.broken) == (140, None)


def test_one_selection_takes_a_constant_number_of_statements(filled: str) -> None:
    """As many with ten entries before it as with a thousand."""
    from sqlalchemy import Engine, event

    seen: list[str] = []

    def executed(*given: object) -> None:
        seen.append(str(given[2]))

    with Library.open(filled, Tiny()) as library:
        counts = []
        for name in ("first", "last"):
            event.listen(Engine, "after_cursor_execute", executed)
            try:
                library.audit.record([replace(ONE, id=name)])
            finally:
                event.remove(Engine, "after_cursor_execute", executed)
            counts.append(len(seen))
            seen.clear()
            library.audit.record(replace(ONE, id=f"{name} {number}") for number in range(1000))
    assert counts[0] == counts[1] <= 5


def test_doings_are_events(place: str) -> None:
    """Additions, rules, groups, keys, feedback and erasures, in the transaction of what they tell, without a text."""
    with Library.open(place, Tiny()) as library, called_by(Caller("k", "r", "Dr Ä")):
        library.add(demonstrations(), share=EVERYONE)
        library.add(demonstrations())
        library.sharing.state("h0", EVERYONE)
        library.sharing.group("north", ["h0", "h1"])
        key, secret = library.keys.make("h0")
        library.keys.revoke(key.id)
        library.outcomes.record([Outcome("run", "chain", "h1", "x-ray of the hand", "m", (), "code 9")])
        library.record_feedback("run", 0.5, correction="code 8")
        forget(library, institution="h0")
        events = list(library.audit.events())
        assert library.audit.verify().broken is None
    assert sorted(one.kind for one in events) == sorted(
        ["rules", "add", "rules", "group", "key made", "key revoked", "feedback", "forget"]
    )
    assert {(one.key, one.request, one.actor) for one in events} == {("k", "r", "Dr Ä")}
    assert {one.kind: one.institution for one in events if one.kind not in {"rules", "add", "group"}} == {
        "key made": "h0",
        "key revoked": "h0",
        "feedback": "h1",
        "forget": "h0",
    }
    told = json.dumps([one.detail for one in events])
    for private in (secret, "x-ray", "code ", "code 8"):
        assert private not in told


def test_an_event_is_stored_with_what_it_tells_or_not_at_all(place: str) -> None:
    """A change that fails leaves no event."""
    with Library.open(place, Tiny()) as library:
        library.add(demonstrations(1))
        before = library.audit.verify()
        with pytest.raises(DataError):
            library.add([*demonstrations(2), replace(demonstrations(1)[0], output="other", id=demonstrations(1)[0].id)])
        assert library.audit.verify() == before


@pytest.mark.parametrize("actor", ["x" * 201, "a\nb", "a\x1b[1m", "a\u202eb"])
def test_an_actor_is_printable_and_short(actor: str) -> None:
    """Anything else is refused."""
    with pytest.raises(DataError, match="an actor has at most 200 characters"):
        Caller(actor=actor)


def test_threads_of_a_caller(place: str) -> None:
    """The caller of a block counts in it alone, and in a thread that copies its context."""
    import asyncio

    async def noted(library: Library, who: str) -> None:
        with called_by(Caller(actor=who)):
            await asyncio.to_thread(library.audit.note, "test", who)

    async def both(library: Library) -> None:
        await asyncio.gather(*(noted(library, who) for who in ("a", "b")))

    with Library.open(place, Tiny()) as library:
        asyncio.run(both(library))
        library.audit.note("test", "nobody")
        assert {(one.institution, one.actor) for one in library.audit.events()} == {
            ("a", "a"),
            ("b", "b"),
            ("nobody", ""),
        }


def test_the_command_verifies(tmp_path: Path) -> None:
    """Exit status 0 with the number and the head, 1 with the first broken place."""
    place = tmp_path / "hospitals.db"
    with Library.open(place, Tiny()) as library:
        library.audit.record(replace(ONE, id=f"s-{number}") for number in range(5))
        head = library.audit.verify().head
    done = metachain("audit", place, "--verify")
    assert (done.returncode, done.stderr) == (0, "")
    assert "5 entries are as they were recorded" in done.stdout
    assert str(head) in done.stdout
    assert metachain("audit", place, "--verify", "--head", head).returncode == 0
    assert metachain("audit", place, "--verify", "--head", f"5:{'0' * 64}").returncode == 1
    alter(str(place), "DELETE FROM audit WHERE id = 's-2'")
    done = metachain("audit", place, "--verify")
    assert done.returncode == 1
    assert "row 3 is missing" in done.stdout
    assert metachain("audit", place, "--verify", "--source", "h0").returncode == 2
    assert metachain("audit", place, "--head", head).returncode == 2


def test_commands_that_hand_out_are_recorded(tmp_path: Path) -> None:
    """Exports, statistics, suggestions and adaptations, with the user's name; the first three not with --no-audit."""
    place = learned_library(tmp_path / "hospitals.db", demonstrations(4, 12))
    unlabelled = jsonl(tmp_path / "unlabelled.jsonl", [{"input": "x-ray of the {hand}"}])
    own = jsonl(tmp_path / "own.jsonl", [{"input": "x-ray of the {foot}", "output": "code 1"}])
    for options in ([], ["--no-audit"]):
        for arguments in (
            ("export", place, "new", tmp_path / "shared.jsonl"),
            ("statistics", place, "h0", "--json", tmp_path / "own.json"),
            ("label", place, "new", unlabelled),
        ):
            done = metachain(*arguments, *options, environment={"LOGNAME": "keeper"})
            assert done.returncode == 0, done.stderr
    assert metachain("adapt", place, "new", own, environment={"LOGNAME": "keeper"}).returncode == 0
    with Library.open(place, Tiny()) as library:
        found = {one.kind: one for one in library.audit.events() if one.actor == "keeper"}
        count = sum(one.actor == "keeper" for one in library.audit.events())
    assert set(found) == {"export", "statistics", "label", "adapt", "add"}
    assert count == 5
    assert found["export"].detail["demonstrations"] == {f"h{number}": 12 for number in range(4)}
    assert found["label"].detail == {"texts": 1, "suggested": 1}
    done = metachain("audit", place, "--events", "--json", "-")
    kinds = [json.loads(line)["kind"] for line in done.stdout.splitlines()]
    assert set(found) < set(kinds)
    assert "keeper" in metachain("audit", place, "--events", environment={"COLUMNS": "240"}).stdout
    for private in ("{hand}", "{foot}", "code 1"):
        assert private not in done.stdout

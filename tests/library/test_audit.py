# Longer than 300 lines: every way of selecting is checked against the same audit fixtures.
"""Each selection is recorded before it is shown, permitted at that moment, and recorded without its texts."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from handmade import Tiny, demonstrations
from numpy.typing import NDArray
from sqlalchemy import Engine, create_engine, event, text

from metachain.errors import DataError, NotFoundError, SharingError
from metachain.learning.artifacts import load_posterior, load_prior, save_posterior, save_prior
from metachain.learning.posterior import adapt
from metachain.learning.prior import learn, version_of
from metachain.library.audit import AuditEntry, new_id
from metachain.library.erasure import Doomed, records_sha256
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE, Audience, Grant
from metachain.retrievers import DemonstrationRetriever, LibraryExampleSelector, MetaExampleSelector
from metachain.selection.selection import Selection
from metachain.selection.selector import Selector
from metachain.selection.token_budget import select_within

NEW = "new"
QUERY = "x-ray of the left {ankle}"
MADE = demonstrations(5, 12)
STATISTICS = Grant(Audience("everyone"), "statistics")
ONE = AuditEntry(
    "s-1", "2026-11-25T10:00:00Z", "st-marys", "triage", "nearest", (("mercy", "a"), ("general", "b")), 3, "p"
)


class Meddling(Tiny):
    """The tiny encoder, with a callback that runs while it embeds a query."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], object] = list

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed as ``Tiny`` does, after the callback."""
        self.meanwhile()
        return super().encode(texts)

    def once(self, happens: Callable[[], object]) -> None:
        """Run a callback at the next call only."""

        def happen() -> None:
            self.meanwhile = list
            happens()

        self.meanwhile = happen


@pytest.fixture
def learned(place: str) -> str:
    """Five past institutions that share with everyone, learned from; ``new`` has no labels."""
    with Library.open(place, Tiny()) as library:
        library.add(MADE, share=EVERYONE)
        save_prior(library, learn(library))
        save_posterior(library, adapt(load_prior(library), library, NEW))
    return place


@pytest.fixture
def encoder() -> Meddling:
    """An encoder without a callback."""
    return Meddling()


@pytest.fixture
def library(learned: str, encoder: Meddling) -> Iterator[Library]:
    """The learned library, open."""
    with Library.open(learned, encoder, purpose="coding") as opened:
        yield opened


@pytest.fixture
def selector(library: Library) -> Selector:
    """Selector of the new institution."""
    return Selector(library, load_posterior(library, NEW), 4)


@pytest.fixture
def other(learned: str) -> Iterator[Library]:
    """The same library, opened by another process."""
    with Library.open(learned, Tiny()) as opened:
        yield opened


@contextmanager
def commits() -> Iterator[list[int]]:
    """Number of committed transactions."""
    seen: list[int] = []

    def count(_connection: object) -> None:
        seen.append(1)

    event.listen(Engine, "commit", count)
    try:
        yield seen
    finally:
        event.remove(Engine, "commit", count)


def keys(selection: Selection) -> tuple[tuple[str, str], ...]:
    """Institution and id of the demonstrations shown, in prompt order."""
    return tuple(one.key for one in selection.demonstrations)


def sources(selection: Selection) -> set[str]:
    """Institutions of the demonstrations shown."""
    return {one.institution for one in selection.demonstrations}


def test_a_selection_is_recorded(library: Library, selector: Selector) -> None:
    """The entry holds time, institution, purpose, ids in prompt order, method, rules, prior and a digest of texts."""
    before = datetime.now(UTC).replace(microsecond=0)
    selection = selector.select(QUERY)
    [entry] = library.audit.entries()
    assert before <= datetime.fromisoformat(entry.at) <= datetime.now(UTC)
    assert entry.at.endswith("Z")
    rules, prior = library.sharing.usable_by(NEW).rules, version_of(load_prior(library))
    contents = records_sha256((*one.key, one.input, one.output) for one in selection.demonstrations)
    assert entry == AuditEntry(
        *(selection.id, entry.at, NEW, "coding", selection.method, keys(selection), rules, prior),
        contents_sha256=contents,
    )
    assert entry.shown
    assert rules == 1


def test_many_at_once(library: Library, selector: Selector) -> None:
    """Selections of one call are recorded in one transaction, each with its own id."""
    with commits() as seen:
        selections = selector.select_many([QUERY, "x-ray of the wrist", "x-ray of the knee 1"])
    assert len(seen) == 1
    found = {one.id: one.shown for one in library.audit.entries()}
    assert found == {one.id: keys(one) for one in selections}
    assert len(found) == 3
    assert selector.select_many([]) == []


def test_of_what_is_tried_what_is_shown_is_recorded(library: Library, selector: Selector) -> None:
    """A token budget tries several selections; only the last one is recorded."""
    selection = select_within(selector, QUERY, 21, lambda one: len(one.input.split()) + len(one.id) % 5)
    [entry] = library.audit.entries()
    assert (entry.id, entry.shown) == (selection.id, keys(selection))
    assert entry.shown


async def test_whoever_selects(library: Library, selector: Selector) -> None:
    """Example selectors and the retriever record one entry each, in asynchronous calls too."""
    single = MetaExampleSelector(library, load_posterior(library, NEW), 2)
    asked = {"input": QUERY, "institution": NEW}
    explained = single.explain(QUERY)
    single.select_examples(asked)
    await LibraryExampleSelector(library, 2).aselect_examples(asked)
    documents = await DemonstrationRetriever(selector=selector).ainvoke(QUERY, k=3)
    found = list(library.audit.entries())
    assert [len(one.shown) for one in found] == [2, 2, 2, 3]
    assert found[0].id == explained.id
    assert [id for _, id in reversed(found[3].shown)] == [one.metadata["id"] for one in documents]


def test_an_empty_library(place: str, tmp_path: Path) -> None:
    """A selection without demonstrations is recorded too."""
    with Library.open(tmp_path / "full.db", Tiny()) as full:
        full.add(MADE, share=EVERYONE)
        posterior = adapt(learn(full), full, NEW)
    with Library.open(place, Tiny()) as library:
        selection = MetaExampleSelector(library, posterior).explain(QUERY)
        [entry] = library.audit.entries()
    assert (entry.id, entry.shown, entry.rules, entry.prior) == (selection.id, (), 0, version_of(posterior.prior))


def test_no_text_is_kept(learned: str, library: Library, selector: Selector) -> None:
    """Neither the query nor any input or output is in the table or in an export."""
    library.add([replace(one, institution=NEW, id="") for one in MADE[:4]], share=EVERYONE)
    for query in (QUERY, *(one.input for one in MADE[:6])):
        selector.select(query)
    engine = create_engine(learned if "://" in learned else f"sqlite:///{learned}")
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM audit")).all()
    engine.dispose()
    held = repr(rows) + json.dumps([asdict(one) for one in library.audit.entries()])
    assert sum(row.kind == "selection" for row in rows) == 7
    for private in {QUERY, *(words for one in MADE for words in (one.input, one.output))}:
        assert private not in held


def test_an_entry_comes_back(place: str) -> None:
    """An entry is read as it was stored, by another connection too; another with the same id is refused."""
    with Library.open(place, Tiny()) as library:
        assert library.audit.record([ONE, replace(ONE, id="s-2")])
        with pytest.raises(DataError, match="replaces none"):
            library.audit.record([replace(ONE, id="s-3"), replace(ONE, method="metachain")])
    with Library.open(place, Tiny()) as library:
        assert list(library.audit.entries()) == [ONE, replace(ONE, id="s-2")]


def test_what_becomes_known_later(place: str) -> None:
    """``complete`` adds facts, leaves None unchanged, and returns False for an unknown id."""
    with Library.open(place, Tiny()) as library:
        library.audit.record([ONE])
        assert library.audit.complete("s-1", model="ollama:llama3", demonstration_tokens=12)
        assert library.audit.complete("s-1", input_tokens=40, output_tokens=0, outcome="run-1")
        assert not library.audit.complete("s-9", input_tokens=1)
        assert not library.audit.complete("s-1")
        told = replace(
            ONE, outcome="run-1", model="ollama:llama3", demonstration_tokens=12, input_tokens=40, output_tokens=0
        )
        assert list(library.audit.entries()) == [told]


def test_entries_are_found(place: str) -> None:
    """Entries are found by institution, source, time and model, ordered by time and then id."""
    late = replace(ONE, id="s-0", at="2026-11-26T00:00:00Z", institution="general", model="m", shown=(("mercy", "c"),))
    with Library.open(place, Tiny()) as library:
        audit = library.audit
        audit.record([late, replace(ONE, id="s-2"), ONE])
        noon, midnight = datetime(2026, 11, 25, 12, tzinfo=UTC), datetime(2026, 11, 26, tzinfo=UTC)
        assert [one.id for one in audit.entries()] == ["s-1", "s-2", "s-0"]
        assert [one.id for one in audit.entries(institution="general")] == ["s-0"]
        assert [one.id for one in audit.entries(source="general")] == ["s-1", "s-2"]
        assert [one.id for one in audit.entries(source="mercy", model="m")] == ["s-0"]
        assert [one.id for one in audit.entries(source="nobody")] == []
        assert [one.id for one in audit.entries(since=noon)] == ["s-0"]
        assert [one.id for one in audit.entries(until=midnight)] == ["s-1", "s-2"]
        assert [one.id for one in audit.entries(since=midnight, until=midnight)] == []
        with pytest.raises(DataError, match="'since' must have a time zone"):
            list(audit.entries(since=datetime(2026, 11, 25)))


def test_entries_are_read_page_by_page(place: str) -> None:
    """Entries of several pages come once each, in order, and no transaction stays open between pages."""
    many = [replace(ONE, id=f"s-{number:05}", at=f"2026-11-25T10:00:0{number // 700}Z") for number in range(2500)]
    with Library.open(place, Tiny()) as library:
        library.audit.record(reversed(many))
        reader = library.audit.entries()
        assert next(reader) == many[0]
        assert library.audit.complete("s-02499", model="m")
        assert [one.id for one in reader] == [one.id for one in many[1:]]


def test_pruning(place: str) -> None:
    """Entries older than a time are deleted, and their number is returned."""
    with Library.open(place, Tiny()) as library:
        library.audit.record(replace(ONE, id=str(hour), at=f"2026-11-25T{hour:02}:00:00Z") for hour in range(24))
        assert library.audit.prune(datetime(2026, 11, 25, 6, tzinfo=UTC)) == 6
        assert library.audit.prune(datetime(2026, 11, 25, 6, tzinfo=UTC)) == 0
        assert [one.id for one in library.audit.entries()] == [str(hour) for hour in range(6, 24)]
        with pytest.raises(DataError, match="'before' must have a time zone"):
            library.audit.prune(datetime(2026, 11, 25))


def test_threads(library: Library, selector: Selector) -> None:
    """Forty selections of eight threads leave forty entries, each with its own id."""
    queries = [f"x-ray of the thing {number}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        selections = list(pool.map(selector.select, queries))
    assert {one.id: one.shown for one in library.audit.entries()} == {one.id: keys(one) for one in selections}


def test_a_rule_that_changes_meanwhile(library: Library, selector: Selector, encoder: Meddling, other: Library) -> None:
    """Demonstrations revoked while the query is embedded are neither shown nor recorded."""
    before = selector.select(QUERY)
    source = min(sources(before))
    encoder.once(lambda: other.sharing.state(source, STATISTICS))
    after = selector.select(QUERY)
    assert source not in sources(after)
    assert after.chosen
    entries = list(library.audit.entries())
    assert [one.id for one in entries] == [before.id, after.id]
    assert [one.rules for one in entries] == [1, 2]


def test_all_is_revoked_meanwhile(library: Library, selector: Selector, encoder: Meddling, other: Library) -> None:
    """If everything is revoked meanwhile, nothing is shown and nothing recorded."""
    encoder.once(lambda: other.sharing.state_all({one.institution: [STATISTICS] for one in MADE}))
    with pytest.raises(NotFoundError, match="no past institution that was learned from shares"):
        selector.select(QUERY)
    assert not list(library.audit.entries())


def test_a_budget_chooses_anew(library: Library, selector: Selector, encoder: Meddling, other: Library) -> None:
    """If a rule changes between the selections that a token budget tries, all of them are made again."""
    source = min(sources(selector.select(QUERY)))
    encoder.once(lambda: other.sharing.state(source, STATISTICS))
    selection = select_within(selector, QUERY, 18, lambda one: len(one.input.split()))
    assert source not in sources(selection)
    assert [one.id for one in library.audit.entries()][1:] == [selection.id]


def test_what_is_forgotten_meanwhile(library: Library, selector: Selector, encoder: Meddling, other: Library) -> None:
    """Demonstrations erased meanwhile are not shown, and nothing is before the library has learned without them."""
    [first, *_] = keys(selector.select(QUERY))
    encoder.once(lambda: other.erase(Doomed(*first)))
    with pytest.raises(NotFoundError, match="the library holds no prior"):
        selector.select(QUERY)
    save_prior(other, learn(other))
    selection = selector.select(QUERY)
    assert first not in keys(selection)
    assert [first in one.shown for one in library.audit.entries()] == [True, False]


def test_a_grant_that_ends_meanwhile(library: Library, encoder: Meddling, other: Library) -> None:
    """Demonstrations under an ended grant are not shown, from the moment it ends."""
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)
    other.sharing.state("h0", STATISTICS, Grant(Audience("everyone"), until=ends))
    selector = Selector(library, load_posterior(library, NEW), 8)
    own = next(one.input for one in MADE if one.institution == "h0")
    assert "h0" in sources(selector.select(own))
    encoder.once(lambda: time.sleep(max((ends - datetime.now(UTC)).total_seconds(), 0) + 0.01))
    assert "h0" not in sources(selector.select(own))


def test_rules_that_never_settle(library: Library, selector: Selector, encoder: Meddling, other: Library) -> None:
    """If the rules change at every attempt, the selection fails and nothing is shown or recorded."""
    encoder.meanwhile = lambda: other.sharing.group("north", [NEW])
    with pytest.raises(SharingError, match="changed 5 times"):
        selector.select(QUERY)
    assert not list(library.audit.entries())


def test_own_labels_do_not_hold_it_up(library: Library, selector: Selector, encoder: Meddling, other: Library) -> None:
    """Labels added meanwhile count at the next selection."""
    own = [replace(one, institution=NEW, id="") for one in MADE[:3]]
    encoder.once(lambda: other.add(own))
    selector.select(QUERY)
    assert len(list(library.audit.entries())) == 1
    assert selector.posterior().labels == 3


def test_what_is_not_shared_is_never_handed_out(library: Library, selector: Selector, other: Library) -> None:
    """A selection with an institution that does not share is refused and not recorded."""
    other.sharing.state("h0", STATISTICS)
    allowed = selector.select(QUERY).chosen[0]
    foreign = replace(allowed, demonstration=next(one for one in MADE if one.institution == "h0"))
    with pytest.raises(SharingError, match="'h0' was chosen for 'new', with which it is not shared"):
        selector.show(lambda chooser: [replace(chooser.choose(QUERY), chosen=(allowed, foreign))])
    assert len(list(library.audit.entries())) == 1


def test_without_an_audit(learned: str, encoder: Meddling, other: Library) -> None:
    """Nothing is recorded, and revoked demonstrations are still not shown."""
    with Library.open(learned, encoder, audit=False) as library:
        selector = Selector(library, load_posterior(library, NEW), 4)
        with commits() as seen:
            source = min(sources(selector.select(QUERY)))
            assert not library.audit.complete("s-1", model="m")
        assert not seen
        encoder.once(lambda: other.sharing.state(source, STATISTICS))
        assert source not in sources(selector.select(QUERY))
        encoder.meanwhile = lambda: other.sharing.group("north", [NEW])
        with pytest.raises(SharingError, match="changed 5 times"):
            selector.select(QUERY)
        assert not list(library.audit.entries())


def test_versions_of_priors(learned: str, library: Library, other: Library) -> None:
    """A prior has the same version after reading it back; another prior has another version."""
    prior = load_prior(library)
    assert version_of(prior) == version_of(learn(library))
    other.add(demonstrations(6, 12)[-12:], share=EVERYONE)
    assert version_of(learn(other)) != version_of(prior)


def test_ids_sort_by_time() -> None:
    """Ids are UUIDs of version 7; later ones sort after earlier ones."""
    made = []
    for _ in range(5):
        made.append(new_id())
        time.sleep(0.002)
    assert made == sorted(made)
    assert {(UUID(one).version, UUID(one).variant) for one in made} == {(7, "specified in RFC 4122")}
    assert abs(int(made[0].replace("-", "")[:12], 16) / 1000 - time.time()) < 60


def test_selections_of_a_draft_are_equal(selector: Selector) -> None:
    """Two selections with the same content are equal, in spite of different ids."""
    one, again = selector.select(QUERY), selector.select(QUERY)
    assert one == again
    assert one.id != again.id

"""Changes of past institutions: what they said before is neither learned from nor shown."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from changing import OLD, code, labels, past, text
from handmade import WORDS, Tiny

from metachain.data.demonstration import Demonstration
from metachain.evaluation.diagnosis import diagnose
from metachain.learning.artifacts import load_prior, save_prior
from metachain.learning.changes import PastChanges, past_changes
from metachain.learning.changes.neighbour_sequence import neighbour_sequence
from metachain.learning.institution_state import load_past
from metachain.learning.posterior import adapt
from metachain.learning.prior import learn, version_of
from metachain.learning.shared_past import pool_of
from metachain.learning.unlearning import forget
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE
from metachain.selection.selector import Selector

CHANGED = "h9"
LETTER = "The patient came with {} after the {} and went home on the next day without any complaint."


@pytest.fixture
def library(place: str) -> Iterator[Library]:
    """Four institutions that answer alike, and one in which code 9 takes the place of code 1 in October."""
    with Library.open(place, Tiny()) as opened:
        opened.add([*past(), *labels(name=CHANGED)], share=EVERYONE)
        yield opened


def part(number: int) -> str:
    """One of eight parts of the body."""
    return WORDS[number % len(WORDS)]


def old_ones(library: Library, answer: str) -> frozenset[str]:
    """Ids of the answers of the changed institution from before October."""
    own = library.demonstrations(CHANGED)
    return frozenset(one.id for one in own if one.output == answer and str(one.metadata["date"]) < "2026-10")


def test_a_replaced_answer_is_outdated(library: Library) -> None:
    """Learning finds it with its date; the others have no order in time, so they have no change."""
    prior = learn(library)
    assert set(prior.changes.of) == set(prior.changes.outdated) == {CHANGED}
    (change,) = prior.changes.of[CHANGED]
    assert (change.answer, change.replacement, change.since) == ("code 1", "code 9", "2026-10-01")
    assert prior.changes.outdated[CHANGED] == old_ones(library, "code 1")
    assert change.forgotten == prior.changes.count == OLD // 4


def test_outdated_demonstrations_are_not_shown(library: Library) -> None:
    """Asked for a text that it answered before the change, nobody sees its answer of then."""
    save_prior(library, learn(library))
    prior = load_prior(library)
    known = {one.id for one in load_past(prior, library, "new")[1].pool.demonstrations}
    assert not known & old_ones(library, "code 1")
    assert len(known) == len(library.demonstrations()) - OLD // 4
    chosen = Selector(library, adapt(prior, library, "new")).select(text(65), 8)
    assert not {one.demonstration.id for one in chosen.chosen} & old_ones(library, "code 1")


def test_the_stored_prior_keeps_them(library: Library) -> None:
    """Read back it is equal, of the same version, which differs from that of a prior without changes."""
    prior = learn(library)
    save_prior(library, prior)
    read = load_prior(library)
    assert read.changes == prior.changes
    assert version_of(read) == version_of(prior) != version_of(replace(prior, changes=PastChanges()))


def test_diagnose_tells_them(library: Library) -> None:
    """The changes in the stored prior, and how many demonstrations they cost."""
    assert diagnose(library).past_changes == {}
    prior = learn(library)
    save_prior(library, prior)
    told = diagnose(library)
    assert told.past_changes == prior.changes.of
    assert told.outdated == OLD // 4


def test_what_was_answered_anew_is_outdated(place: str) -> None:
    """An older answer to the same text, by one institution; not by another one, and not with ``keep_both``."""
    with Library.open(place, Tiny()) as library:
        library.add(past(), share=EVERYONE)
        both = {"keep_both": True}
        library.add([Demonstration("h0", text(0), "code 7"), Demonstration("h1", text(0), "code 7", metadata=both)])
        changes = learn(library).changes
        assert not changes.of
        assert set(changes.outdated) == {"h0"}
        (older,) = changes.outdated["h0"]
        assert {one.id: one.output for one in library.demonstrations("h0")}[older] == code(0)


def test_a_change_of_everything(place: str) -> None:
    """All that was said before it is outdated, and at most a few demonstrations more."""
    with Library.open(place, Tiny()) as library:
        days = [(f"2026-{month:02}-{day:02}", month) for month in range(1, 13) for day in range(1, 13)]
        said = [
            Demonstration(CHANGED, f"{part(n)} {part(n)} {part(n)} {n}", code(n + (month > 6)), metadata={"date": date})
            for n, (date, month) in enumerate(days)
        ]
        library.add([*past(), *said], share=EVERYONE)
        (change,) = learn(library).changes.of[CHANGED]
        assert change.answer is None
        assert change.since.startswith("2026-07")
        assert len(days) // 2 <= change.forgotten < len(days) // 2 + 12


def test_nothing_changes_without_a_change(place: str) -> None:
    """Dated demonstrations that answer alike all the time."""
    with Library.open(place, Tiny()) as library:
        library.add([*past(), *labels("nothing", name=CHANGED)], share=EVERYONE)
        prior = learn(library)
        assert not prior.changes.of
        assert not prior.changes.outdated


def test_forgetting_is_as_if_it_had_never_been(library: Library, tmp_path: str) -> None:
    """Without the newer demonstrations there is no change, and the older ones are shown again."""
    save_prior(library, learn(library))
    for one in library.demonstrations(CHANGED):
        if one.output == "code 9":
            forget(library, institution=CHANGED, demonstration=one.id)
    assert not load_prior(library).changes.of
    with Library.open(f"{tmp_path}/never.db", Tiny()) as never:
        never.add(library.demonstrations(), share=EVERYONE)
        expected = learn(never)
    np.testing.assert_allclose(load_prior(library).transfer, expected.transfer, rtol=0, atol=1e-9)


def test_a_posterior_from_a_prior_of_before_stands(library: Library) -> None:
    """A prior without changes sees everything, as it did."""
    before = replace(learn(library), changes=PastChanges())
    assert len(load_past(before, library, "new")[1].pool.demonstrations) == len(library.demonstrations())
    assert adapt(before, library, "new").labels == 0


def test_predictions_come_from_earlier_ones_alone(library: Library) -> None:
    """Rows sum to 1; the first rows know nothing; later labels change no earlier row."""
    pool = pool_of(library, library.demonstrations(CHANGED))
    age = np.arange(len(pool.answer)) // 4
    whole = neighbour_sequence(pool.vectors, pool.answer, age)
    rows = np.arange(len(age))
    found = whole.predictions(rows)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_allclose(found[:4], 1 / len(whole.answers))
    np.testing.assert_array_equal(found[:20], whole.predictions(rows[:20]))


def test_texts_as_answers_have_no_changes(place: str) -> None:
    """Several right answers to one text are no change."""
    with Library.open(place, Tiny()) as library:
        said = [replace(one, output=LETTER.format(one.output, one.input), id="") for one in labels()]
        library.add(said)
        pool = pool_of(library, library.demonstrations())
        assert pool.meaning is not None
        assert past_changes(library, pool) == PastChanges()

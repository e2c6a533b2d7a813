"""The shared past is read and indexed once, and anew as soon as it has changed."""

import copy
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from handmade import Tiny, demonstrations

from metachain import EVERYONE, Audience, Grant, Library, adapt, learn
from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import hybrid_vectors, lexical_vectors
from metachain.learning.artifacts import load_prior, save_prior
from metachain.learning.index import InstitutionIndex
from metachain.learning.institution_state import SharedPastCache, load_past
from metachain.learning.prior import Prior
from metachain.learning.shared_past import pool_of
from metachain.learning.unlearning import forget
from metachain.library.erasure import Doomed
from metachain.retrievers import MetaExampleSelector

NEW = "new"
QUERY = "x-ray of the knee 7"


@pytest.fixture
def library(place: str) -> Iterator[Library]:
    """Three institutions that share with everyone, and one label of a new one."""
    with Library.open(place, Tiny()) as opened:
        opened.add(demonstrations(), share=EVERYONE)
        yield opened


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Number of indexes built, and of times that the demonstrations of past institutions were read."""
    found: Counter[str] = Counter()
    build, read, read_shared = InstitutionIndex.__init__, Library.reached_demonstrations, Library.shared_demonstrations

    def built(index: InstitutionIndex, *arguments: object, **options: object) -> None:
        found["indexed"] += 1
        build(index, *arguments, **options)  # type: ignore[arg-type]

    def every(library: Library, *arguments: object) -> tuple[Demonstration, ...]:
        found["read"] += 1
        return read(library, *arguments)  # type: ignore[arg-type]

    def shared(library: Library, *arguments: object) -> tuple[Demonstration, ...]:
        found["read"] += 1
        return read_shared(library, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(InstitutionIndex, "__init__", built)
    monkeypatch.setattr(Library, "reached_demonstrations", every)
    monkeypatch.setattr(Library, "shared_demonstrations", shared)
    return found


def test_learning_adapting_and_selecting_read_the_past_once(library: Library, counts: Counter[str]) -> None:
    """As in README's example: one reading and one index serve the prior, the posterior and the selector."""
    prior = learn(library)
    library.add([Demonstration(NEW, "x-ray of the hip", "code 1")])
    selector = MetaExampleSelector(library, adapt(prior, library, NEW), k=4)
    assert selector.select_examples({"input": QUERY})
    assert counts == {"read": 1, "indexed": 1}


def test_the_past_is_used_again_while_nothing_has_changed(library: Library) -> None:
    """The same object for the same institutions, whatever the asking institution adds of its own."""
    prior = learn(library)
    _, first = load_past(prior, library, NEW)
    library.add([Demonstration(NEW, "x-ray of the hip", "code 1")])
    assert load_past(prior, library, NEW)[1] is first
    assert load_past(prior, library, "newer")[1] is first
    _, own = load_past(prior, library, "h0")
    assert own is not first
    assert "h0" not in own.pool.institutions


@pytest.mark.parametrize("large", [1, 10**9])
def test_who_shares_and_asks_sees_a_part_of_one_index(
    library: Library, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    """The part is the same as a past of the others alone, and reads and indexes nothing again."""
    monkeypatch.setattr(InstitutionIndex.__init__, "__kwdefaults__", {"large": large})
    prior, cache = learn(library), SharedPastCache()
    forgotten = library.content_version().forgotten
    asked = library.encoder.encode([QUERY, "mri of the chest 1", "ct"])
    wholes = []
    for name in ("h1", "h0", "h2", NEW):
        _, past = cache.load(prior, "version", library, name, forgotten)
        others = [one for one in library.demonstrations() if one.institution != name]
        alone = pool_of(library, others)
        for kind in ("demonstrations", "institutions", "answers"):
            assert getattr(past.pool, kind) == getattr(alone, kind)
        for kind in ("owner", "answer", "twin", "text", "gives"):
            assert np.array_equal(getattr(past.pool, kind), getattr(alone, kind)), kind
        vectors = hybrid_vectors(asked, lexical_vectors([QUERY, "mri of the chest 1", "ct"]))
        for found, expected in zip(
            (past.index.near(vectors, 9), past.index.nearest(vectors, 9)),
            (InstitutionIndex(alone).near(vectors, 9), InstitutionIndex(alone).nearest(vectors, 9)),
            strict=True,
        ):
            assert np.array_equal(found.rows, expected.rows)
            assert np.array_equal(found.similarity, expected.similarity)
        wholes.append(past.index if isinstance(past.index, InstitutionIndex) else past.index._whole)
    assert all(one is wholes[0] for one in wholes)


def test_few_of_many_institutions_are_read_alone(library: Library, counts: Counter[str]) -> None:
    """Who may use less than half of the institutions reads no more than that."""
    prior = learn(library)
    for name in ("h1", "h2"):
        library.sharing.state(name, Grant(Audience("institution", ("h0",))), Grant(Audience("everyone"), "statistics"))
    counts.clear()
    _, past = load_past(prior, library, NEW)
    assert past.pool.institutions == ("h0",)
    assert isinstance(past.index, InstitutionIndex)
    _, most = load_past(prior, library, "h0")
    assert most.pool.institutions == ("h1", "h2")


def test_a_new_demonstration_of_a_past_institution_counts_with_the_next_prior(library: Library, place: str) -> None:
    """A prior goes with the demonstrations that it was learned from, in this process and in one that starts later."""
    prior = learn(library)
    save_prior(library, prior)
    before = adapt(prior, library, NEW)
    added = Demonstration("h0", "ultrasound of the knee", "code 99")
    library.add([added])
    with Library.open(place, Tiny()) as later:
        for one, known in ((library, prior), (later, load_prior(later))):
            assert added not in load_past(known, one, NEW)[1].pool.demonstrations
            assert adapt(known, one, NEW).digest == before.digest
    again = learn(library)
    assert added in load_past(again, library, NEW)[1].pool.demonstrations
    assert adapt(again, library, NEW).digest != before.digest


def test_a_rule_that_excludes_an_institution_excludes_it_at_once(library: Library) -> None:
    """What is held in memory is never used by an institution that may not use it."""
    prior = learn(library)
    _, first = load_past(prior, library, NEW)
    assert "h2" in first.pool.institutions
    library.sharing.state("h2", Grant(Audience("institution", ("h0",))), Grant(Audience("everyone"), "statistics"))
    _, then = load_past(prior, library, NEW)
    assert "h2" not in then.pool.institutions
    assert "h2" in load_past(prior, library, "h0")[1].pool.institutions


def test_forgetting_lets_the_past_go(library: Library) -> None:
    """After an erasure no object of the library holds the text."""
    prior = learn(library)
    doomed = load_past(prior, library, NEW)[1].pool.demonstrations[0]
    forget(library, institution=doomed.institution, demonstration=doomed.id)
    _, past = load_past(prior, library, NEW)
    assert doomed not in past.pool.demonstrations


def test_a_renewal_hashes_no_prior(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """A prior is hashed once, not at each label that arrives; it can be copied all the same."""
    prior = learn(library)
    selector = MetaExampleSelector(library, adapt(prior, library, NEW), k=4)

    def hashed(_: Prior) -> None:
        raise AssertionError("hashed again")

    monkeypatch.setattr(Prior, "hash", hashed)
    for number in range(3):
        selector.add_example({"input": f"x-ray of the hip {number}", "output": "code 1"})
        assert selector.select_examples({"input": QUERY})
    assert copy.deepcopy(prior).institutions == prior.institutions


def test_an_erasure_leaves_nothing_in_the_librarys_cache(library: Library) -> None:
    """Also what another thread has read while the erasure was under way is gone when it is done."""
    prior = learn(library)
    doomed = load_past(prior, library, NEW)[1].pool.demonstrations[0]
    assert library.cache
    library.erase(Doomed(doomed.institution, doomed.id))
    assert not library.cache

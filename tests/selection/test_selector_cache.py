"""Selectors by institution: made at the first question, kept, never for one that the library does not know."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event
from typing import Any

import numpy as np
import pytest
from handmade import Tiny, demonstrations, learned_library
from numpy.typing import NDArray

from metachain.embedding.similarity import normalise_text
from metachain.errors import DataError, NotFoundError, SharingError
from metachain.learning.artifacts import load_prior, save_posterior, save_prior
from metachain.learning.index import InstitutionIndex
from metachain.learning.posterior import Posterior, adapt
from metachain.learning.prior import learn
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE, Audience, Grant
from metachain.selection import selector_cache
from metachain.selection.selector import Selector
from metachain.selection.selector_cache import SelectorCache

QUERY = "xray chest ward a"
NEW = "hospital 5"


def test_it_selects_as_the_institutions_own_selector(ready: Library, posterior: Posterior) -> None:
    """What is chosen is what a selector over the stored posterior chooses, or over one made now where none is."""
    made_now = SelectorCache(ready, 4).of(NEW).select(QUERY)
    save_posterior(ready, posterior)
    assert made_now == SelectorCache(ready, 4).of(NEW).select(QUERY) == Selector(ready, posterior, 4).select(QUERY)


def test_threads_share_one_selector(ready: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many threads that ask at once for two institutions get two selectors, each made once."""
    made: list[str] = []
    make = Selector.__init__

    def counted(self: Selector, library: Library, posterior: Posterior, *settings: Any) -> None:
        made.append(posterior.institution)
        make(self, library, posterior, *settings)

    monkeypatch.setattr(Selector, "__init__", counted)
    selectors = SelectorCache(ready)
    names = [NEW, "hospital 0"] * 8
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(selectors.of, names))
    assert sorted(made) == ["hospital 0", NEW]
    assert [one.institution for one in got] == names
    assert len(set(map(id, got))) == 2


def test_an_institution_without_labels_is_known_once_adapted_to(place: str) -> None:
    """One that gave no label has a selector if it was adapted to; another is an error and gets none later either."""
    with Library.open(learned_library(place, demonstrations()), Tiny()) as library:
        selectors = SelectorCache(library)
        assert selectors.of("new").posterior().labels == 0
        for _ in range(2):
            with pytest.raises(NotFoundError, match="no institution 'other'"):
                selectors.of("other")


def test_what_was_refused_is_found_once_it_is_there(place: str) -> None:
    """An error is not kept: after its first labels an institution has a selector."""
    with Library.open(learned_library(place, demonstrations()), Tiny()) as library:
        selectors = SelectorCache(library)
        with pytest.raises(NotFoundError):
            selectors.of("h9")
        library.add([replace(one, institution="h9", id="") for one in demonstrations(institutions=1, each=2)])
        assert selectors.of("h9").posterior().labels == 2


def test_bad_arguments_are_refused(ready: Library) -> None:
    """No library, or a negative number, is a DataError when it is made."""
    place: Any = "hospitals.db"
    with pytest.raises(DataError, match="must be a metachain Library, got str"):
        SelectorCache(place)
    with pytest.raises(DataError, match="k must be"):
        SelectorCache(ready, -1)


def test_a_prior_that_another_process_stores_is_used_from_then_on(place: str) -> None:
    """With what others have added meanwhile; until then the selector is the one that was made."""
    made = demonstrations(4)
    with Library.open(learned_library(place, made[:24]), Tiny()) as library, Library.open(place, Tiny()) as other:
        selectors = SelectorCache(library)
        first = selectors.of("new")
        other.add(made[24:], share=EVERYONE)
        assert selectors.of("new") is first
        save_prior(other, learn(other))
        second = selectors.of("new")
        assert second is not first
        assert second.posterior().prior.institutions == ("h0", "h1", "h2", "h3")
        assert selectors.of("new") is second
        shown = {one.institution for one in second.select("x-ray of the knee 7", 20).demonstrations}
        alone = Selector(library, adapt(load_prior(library), library, "new")).select("x-ray of the knee 7", 20)
        assert shown == {one.institution for one in alone.demonstrations}


def searched(selector: Selector) -> NDArray[np.float32]:
    """Vectors in the index of a selector's past."""
    index = selector._now[0].past.index
    return index._all if isinstance(index, InstitutionIndex) else index._whole._all


def test_one_institution_does_not_wait_for_another(place: str) -> None:
    """While one institution's selector is made, another's is made and used."""
    made, first, going = demonstrations(3), Event(), Event()

    class Waiting(Tiny):
        def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
            if any("slow" in one for one in texts):
                first.set()
                assert going.wait(60)
            return super().encode(texts)

    with Library.open(learned_library(place, made), Waiting()) as library, ThreadPoolExecutor(2) as pool:
        library.add([replace(made[0], institution="late", id="", input="slow"), replace(made[0], institution="other")])
        selectors = SelectorCache(library)
        late = pool.submit(selectors.of, "late")
        assert first.wait(60)
        assert selectors.of("other").select("x-ray of the knee 7", 4).demonstrations
        assert not late.done()
        going.set()
        assert late.result().select("x-ray of the knee 7", 4).demonstrations


def test_selectors_are_bounded_in_number(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was not asked for longest goes, and is made again when it is asked for."""
    monkeypatch.setattr(selector_cache, "MOST", 2)
    with Library.open(learned_library(place, demonstrations(3)), Tiny()) as library:
        selectors = SelectorCache(library)
        held = {name: selectors.of(name) for name in ("h0", "h1")}
        assert selectors.of("h0") is held["h0"]
        selectors.of("h2")
        assert selectors.of("h0") is held["h0"]
        assert selectors.of("h1") is not held["h1"]
        assert selectors.of("h1").select("x-ray of the knee 7", 4).demonstrations


def test_institutions_that_may_use_the_same_hold_it_once(place: str) -> None:
    """Selections are those of selectors made alone; a past institution searches the same vectors without its own."""
    made = demonstrations(4)
    with Library.open(learned_library(place, made), Tiny()) as library:
        library.sharing.state("h3", Grant(Audience("institution", ("new", "newer", "h0", "h1", "h2"))))
        save_prior(library, learn(library))
        save_prior(library, learn(library, "new"), "new")
        save_prior(library, learn(library, "newer"), "newer")
        for name in ("newer", "newest"):
            library.add([replace(one, institution=name, id="") for one in made[:3]])
        selectors = SelectorCache(library)
        held = {}
        for name in ("new", "newer", "newest", "h0"):
            selector = selectors.of(name)
            held[name] = searched(selector)
            alone = Selector(library, adapt(load_prior(library, name), library, name))
            for query in ("x-ray of the knee 7", "x-ray of the chest 0"):
                assert selector.select(query, 6) == alone.select(query, 6)
            assert ("h3" in selector._now[0].past.pool.institutions) == (name in {"new", "newer"})
        assert np.shares_memory(held["new"], held["newer"])
        assert not np.shares_memory(held["new"], held["newest"])
        assert np.shares_memory(held["newest"], held["h0"])
        library.sharing.state("h3")
        with pytest.raises(SharingError, match="h3"):
            selectors.of("newer").select("x-ray", 40)
        assert selectors.of("newest").select("x-ray", 40).demonstrations


def test_what_is_shared_is_read_once_for_all_that_may_use_it(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Institutions that were never adapted to are adapted to on what is held; so is one whose posterior is stored."""
    made = demonstrations(3)
    with Library.open(learned_library(place, made), Tiny()) as library:
        for name in ("newer", "newest"):
            library.add([replace(one, institution=name, id="") for one in made[:3]])
        read: list[str] = []
        shared = Library.shared_demonstrations

        def counted(self: Library, institution: str, among: Any = (), until: Any = None) -> Any:
            read.append(institution)
            return shared(self, institution, among, until)

        monkeypatch.setattr(Library, "shared_demonstrations", counted)
        selectors = SelectorCache(library)
        for name in ("newer", "newest", "new"):
            assert selectors.of(name).select("x-ray of the knee 7", 6).demonstrations
        assert read == ["newer"]


def test_the_labels_of_a_new_institution_are_searched_once(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Adapting and selecting share what was found for them; their vectors come from the past where it holds them."""
    made = demonstrations(3)
    with Library.open(learned_library(place, made), Tiny()) as library:
        library.add([replace(one, institution="newer", id="") for one in made[:3]])
        found: list[int] = []
        search = InstitutionIndex.nearest_of_each

        def counted(self: InstitutionIndex, vectors: Any, *given: Any) -> Any:
            found.append(len(vectors))
            return search(self, vectors, *given)

        monkeypatch.setattr(InstitutionIndex, "nearest_of_each", counted)
        selectors = SelectorCache(library)
        for name in ("newer", made[0].institution):
            labels = {normalise_text(one.input) for one in library.demonstrations(name)}
            selectors.of(name).select("x-ray of the knee 7", 6)
            selectors.of(name).select("x-ray of the knee 8", 6)
            assert found == [len(labels)]
            found.clear()


def test_vectors_of_institutions_that_share_are_not_read_again(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Own labels that stand in the shared past keep the vectors that it has."""
    made = demonstrations(3)
    with Library.open(learned_library(place, made), Tiny()) as library:
        selectors = SelectorCache(library)
        first, second = sorted({one.institution for one in made})[:2]
        selectors.of(first).select("x-ray of the knee 7", 6)
        read: list[int] = []
        vectors = Library.hybrid_vectors

        def counted(self: Library, asked: Any, *given: Any) -> Any:
            read.append(len(asked))
            return vectors(self, asked, *given)

        monkeypatch.setattr(Library, "hybrid_vectors", counted)
        state, _ = selectors.of(second).current()
        assert len(state.vectors) == len(library.demonstrations(second))
        assert not read

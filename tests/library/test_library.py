"""The library: adding, reading and storing artifacts."""

import io
import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from behind import alter
from handmade import Tiny, demonstrations
from hypothesis import given
from hypothesis import strategies as st
from oracles import briefly

from metachain.data.demonstration import Demonstration
from metachain.errors import DataError, LibraryError, NotFoundError
from metachain.learning.artifacts import load_posterior, load_prior, save_posterior, save_prior
from metachain.learning.posterior import adapt
from metachain.learning.prior import learn
from metachain.library.library import Added, Library
from metachain.library.sharing import EVERYONE
from metachain.normal_form import label_form, normal_form

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(normal_form)


@pytest.fixture
def library(place: str) -> Iterator[Library]:
    """A library of three institutions with eight demonstrations each."""
    with Library.open(place, Tiny()) as opened:
        opened.add(demonstrations(), share=EVERYONE)
        yield opened


def test_adding_twice_stores_once(library: Library) -> None:
    """A known demonstration is counted and left unchanged, in another call and within one."""
    again = [*demonstrations(), Demonstration("h9", "new", "x"), Demonstration("h9", "new", "x")]
    assert library.add(again, share=EVERYONE) == Added(stored=1, duplicates=25)
    assert len(library.demonstrations()) == 25


def test_duplicates_are_found_across_chunks(place: str) -> None:
    """The same record at both ends of a long file is stored once."""
    many = demonstrations(institutions=150)
    with Library.open(place) as library:
        assert library.add([*many, many[0]], share=EVERYONE) == Added(len(many), 1)


def test_an_id_stands_for_one_text(library: Library) -> None:
    """An id taken by another text is refused by name, and nothing of that call is stored."""
    library.add([Demonstration("h0", "a", "b", id="7")], share=EVERYONE)
    before = library.demonstrations()
    with pytest.raises(DataError, match=r"id '7' of 'h0' already stands for another text; give it its own id"):
        library.add(
            [*demonstrations(institutions=200), Demonstration("h0", "a", "another answer", id="7")], share=EVERYONE
        )
    assert library.demonstrations() == before


def test_an_id_belongs_to_its_institution(library: Library) -> None:
    """Two institutions may use the same id for different texts."""
    assert (
        library.add(
            [Demonstration("h0", "a", "b", id="7"), Demonstration("h1", "c", "d", id="7")], share=EVERYONE
        ).stored
        == 2
    )


def test_an_iterator_that_breaks_stores_nothing(library: Library) -> None:
    """If the iterator of demonstrations fails, nothing is stored."""

    def broken() -> Iterator[Demonstration]:
        yield from demonstrations(institutions=200)
        raise OSError("the tape tore")

    with pytest.raises(OSError, match=r"tape tore"):
        library.add(broken(), share=EVERYONE)
    assert library.counts() == {"h0": 8, "h1": 8, "h2": 8}


def test_demonstrations_survive_reopening(library: Library, place: str) -> None:
    """What is read back after reopening equals what was added, metadata included."""
    library.close()
    with Library.open(place) as reopened:
        held = reopened.demonstrations()
    assert set(held) == set(demonstrations())
    assert {one.id: one.metadata for one in held} == {one.id: one.metadata for one in demonstrations()}
    assert [(one.institution, one.id) for one in held] == sorted((one.institution, one.id) for one in held)


def test_an_unknown_institution_is_named(library: Library) -> None:
    """An unknown institution is an error that names it and the known ones; a name that is not a text is refused."""
    with pytest.raises(NotFoundError, match=r"no demonstrations of 'h7' in the library; it has: h0, h1, h2"):
        library.demonstrations("h1", "h7")
    with pytest.raises(DataError, match=r"'institution' holds a lone surrogate"):
        library.demonstrations("\udcff")


@briefly
@given(st.lists(NAMES, min_size=1, max_size=5, unique=True), st.lists(NAMES, min_size=1, max_size=3, unique=True))
def test_any_text_is_stored_unchanged(new_place: Callable[[], str], names: list[str], texts: list[str]) -> None:
    """Texts in any script, with emoji, marks and quotes, come back as they were added, names in normal form."""
    names = list(dict.fromkeys(map(normal_form, names)))
    added = [Demonstration(name, text, text[::-1]) for name in names for text in texts]
    with Library.open(new_place()) as library:
        library.add(added, share=EVERYONE)
        first = {(one.institution, label_form(one.input), one.label): one for one in reversed(added)}
        assert set(library.demonstrations()) == set(first.values())
        assert library.institutions() == tuple(sorted(names))
        assert {one.institution for one in library.demonstrations(names[0])} == {names[0]}


def test_names_that_look_alike_are_different(place: str) -> None:
    """Names that differ in case are different institutions; composed and decomposed accents are one."""
    names = ["Clinic", "clinic", "Caf\u00e9", "Cafe\u0301", "عيادة", "🏥", "'; DROP TABLE demonstrations; --"]
    with Library.open(place) as library:
        library.add((Demonstration(name, "a", "b") for name in names), share=EVERYONE)
        assert set(library.institutions()) == set(names) - {"Cafe\u0301"}


def test_what_was_learned_survives_reopening(library: Library, place: str) -> None:
    """A prior and a posterior are the same after saving and reopening, to the bit."""
    library.add([Demonstration("new", "x-ray of the chest 0", "code 1")], share=EVERYONE)
    prior = learn(library)
    posterior = adapt(prior, library, "new")
    save_prior(library, prior)
    save_posterior(library, posterior)
    library.close()
    with Library.open(place, Tiny()) as reopened:
        again = load_posterior(reopened, "new")
    np.testing.assert_array_equal(again.prior.transfer, prior.transfer)
    np.testing.assert_array_equal(again.prior.lesson.scores, prior.lesson.scores)
    np.testing.assert_array_equal(again.fit.weights, posterior.fit.weights)
    np.testing.assert_array_equal(again.fit.features.toarray(), posterior.fit.features.toarray())
    assert again.prior.lesson.settings == prior.lesson.settings
    assert replace(again, prior=prior, fit=posterior.fit) == posterior


def test_saving_replaces(library: Library) -> None:
    """Saving under a name twice keeps the second."""
    library.save("prior", {"n": 1}, {"a": np.zeros(3)})
    library.save("prior", {"n": 2}, {"b": np.ones(2)})
    header, arrays = library.load("prior")
    assert header == {"n": 2}
    assert list(arrays) == ["b"]


def test_listed_answers_are_kept(library: Library, place: str) -> None:
    """A list of answers comes back after reopening, each once and in alphabetical order, for its institution alone."""
    assert library.listed_answers("h0") == ()
    assert library.list_answers("h0", iter(["code 2", "عيادة 🏥", "code 1", "code 2"])) == (
        "code 1",
        "code 2",
        "عيادة 🏥",
    )
    library.close()
    with Library.open(place, Tiny()) as reopened:
        assert reopened.listed_answers("h0") == ("code 1", "code 2", "عيادة 🏥")
        assert reopened.listed_answers("h1") == ()
        assert reopened.listed_answers("never heard of") == ()


def test_listing_again_replaces_and_an_empty_list_forgets(library: Library) -> None:
    """A later list replaces the earlier one; an empty list removes it."""
    library.list_answers("h0", ["code 1", "code 2"])
    library.list_answers("h1", ["code 9"], force=True)
    assert library.list_answers("h0", ["code 3"], force=True) == library.listed_answers("h0") == ("code 3",)
    assert library.list_answers("h0", []) == library.listed_answers("h0") == ()
    assert library.listed_answers("h1") == ("code 9",)


def test_an_institution_may_list_answers_before_it_labels_anything(library: Library) -> None:
    """A list of answers creates no institution and no demonstration."""
    before = library.counts()
    library.list_answers("new", ["code 1"])
    assert library.counts() == before


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (["code 1", " "], r"'answers\[1\]' is blank"),
        (["code 1", "code 2", None], r"'answers\[2\]' must be a string, got null"),
        ([7], r"'answers\[0\]' must be a string, got a number"),
        (["\udcff"], r"'answers\[0\]' holds a lone surrogate"),
        ("code 1", r"a list of texts, got a single string"),
    ],
)
def test_an_answer_that_is_none_is_refused(library: Library, bad: Any, message: str) -> None:
    """A blank or invalid answer is named by its position, and the earlier list stays."""
    library.list_answers("h0", ["code 3"])
    with pytest.raises(DataError, match=message):
        library.list_answers("h0", bad)
    assert library.listed_answers("h0") == ("code 3",)


def test_a_list_belongs_to_an_institution_that_has_a_name(library: Library) -> None:
    """A blank or invalid institution is refused when listing and when reading."""
    for name in ("", "\udcff", None):
        with pytest.raises(DataError, match="'institution'"):
            library.list_answers(name, ["code 1"])  # type: ignore[arg-type]
        with pytest.raises(DataError, match="'institution'"):
            library.listed_answers(name)  # type: ignore[arg-type]


def test_a_damaged_list_is_refused(library: Library) -> None:
    """A damaged list raises a LibraryError with advice, not a KeyError."""
    library.save("answers of h0", {}, {})
    with pytest.raises(LibraryError, match=r"list of answers of 'h0' is damaged; list them again"):
        library.listed_answers("h0")


def hostile() -> bytes:
    """Make an npz file whose array is a pickle that would run code when loaded."""

    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return exec, ("raise SystemExit('the pickle ran')",)

    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=True, transfer=np.array([Bomb()], dtype=object))
    return buffer.getvalue()


def torn() -> bytes:
    """Make an npz file with bytes flipped in the middle of its compressed data."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, transfer=np.random.default_rng(0).random(5000))
    content = bytearray(buffer.getvalue())
    content[1000:1200] = bytes(200)
    return bytes(content)


@pytest.mark.parametrize(
    "content",
    [hostile(), torn(), hostile()[:200], b"", b"nonsense", pickle.dumps("x"), b"\x93NUMPY\x01\x00"],
    ids=["object array", "torn", "cut off", "empty", "nonsense", "pickle", "bare array"],
)
def test_damaged_arrays_are_refused_and_never_unpickled(library: Library, place: str, content: bytes) -> None:
    """Damaged arrays and arrays of objects raise a LibraryError with advice; no pickle is loaded."""
    library.save("prior", {}, {"transfer": np.zeros(1)})
    alter(place, "UPDATE artifacts SET arrays = :content", content=content)
    with pytest.raises(LibraryError, match=r"the library's prior is damaged .*; learn or adapt again"):
        library.load("prior")


@pytest.mark.parametrize(
    "header", ["{}", '{"format": "metachain-prior/1"}', "[]", "null", "7", '{"format": "other/9"}']
)
def test_a_damaged_header_is_refused(library: Library, place: str, header: str) -> None:
    """A prior with a damaged header raises a LibraryError, not a KeyError."""
    save_prior(library, learn(library))
    alter(place, "UPDATE artifacts SET header = :header", header=header)
    with pytest.raises(LibraryError, match=r"prior .*learn .*again"):
        load_prior(library)


def test_a_posterior_that_lost_an_array_is_refused(library: Library) -> None:
    """A posterior without one of its arrays ends in a LibraryError that says to adapt again."""
    prior = learn(library)
    save_prior(library, prior)
    save_posterior(library, adapt(prior, library, "h0"))
    header, arrays = library.load("posterior of h0")
    del arrays["weights"]
    library.save("posterior of h0", header, arrays)
    with pytest.raises(LibraryError, match=r"posterior of 'h0' is damaged .*adapt again"):
        load_posterior(library, "h0")


def test_what_is_missing_says_how_to_make_it(library: Library) -> None:
    """The error for a missing prior or posterior names the command that makes one."""
    with pytest.raises(NotFoundError, match=r"no prior; make one with: metachain learn"):
        load_prior(library)
    save_prior(library, learn(library))
    with pytest.raises(
        NotFoundError, match=r"no posterior for 'St Mary'; make one with: metachain adapt LIBRARY 'St Mary'"
    ):
        load_posterior(library, "St Mary")


def test_a_prior_of_another_encoder_is_refused(library: Library, place: str) -> None:
    """A prior of another encoder is refused with the names of both encoders."""
    save_prior(library, learn(library))
    other = Tiny()
    other.fingerprint = "other/1"
    with Library.open(place, other) as opened, pytest.raises(LibraryError, match=r"with tiny/1, .* open with other/1"):
        load_prior(opened)

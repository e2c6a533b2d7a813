"""A library in SQLite and one in PostgreSQL behave alike: same order, same digits, same messages."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import STORABLE, BagOfWords, briefly, hospitals, note_writers

from metachain.data.demonstration import Demonstration
from metachain.errors import MetachainError
from metachain.learning.active_learning import suggest_labels
from metachain.learning.artifacts import load_posterior, load_prior, save_posterior, save_prior
from metachain.learning.policy import Policy
from metachain.learning.posterior import adapt
from metachain.learning.prior import Prior, learn
from metachain.library.library import Library
from metachain.library.outcomes import Outcome
from metachain.library.sharing import EVERYONE, Audience, Grant
from metachain.selection.learned_policies import LearnedPolicy, read_policy, save_policy
from metachain.selection.selector import Selector

if TYPE_CHECKING:
    from benchmarks.common.postgres import PostgresServer

MADE = [
    *hospitals(5, 16),
    *(replace(one, institution=f"wards of {one.institution}") for one in note_writers(2, 6)),
    Demonstration("Caf\u00e9", "composed", "x", "\u00e9", {"of": ["ü", None, 1e-300, {"b": 1, "a": True}]}),
    Demonstration("Cafe\u0301", "decomposed", "x", "e\u0302"),
    Demonstration("clinic", "quote ' and \" and \\ and %s and {input} and \t", "a\nb", "'; DROP TABLE outcomes; --"),
    Demonstration("Clinic", "عيادة 🏥 \u200f", "a\u2028b", "🏥", {"patient": "p 7", "nul": "\0", "half": "\ud83c"}),
    Demonstration("Z", "upper case comes first", "x"),
    Demonstration("_", "as code points do", "x"),
    Demonstration("𝔸", "beyond the basic plane", "x"),
    Demonstration("\uffee", "below it", "x"),
]
NEW = "hospital 4"
QUERIES = ["mri brain ward b", "blood panel clinic north", "nothing of the kind", "عيادة"]
OUTCOMES = [
    Outcome(f"run {number}", "chain", NEW, f"mri brain {number}", "m", (("hospital 1", "id 3"),), "code 2", score=score)
    for number, score in enumerate([0.1, 1 / 3, 1e-17, 0.9999999999999999, None])
]
NAMES = st.sampled_from(["", " ", "a\0b", "\udcff", "'", "%", "no such", NEW, "x" * 3000, "🏥"])


class Pair:
    """One library in each engine, with the same content."""

    def __init__(self, places: dict[str, str]) -> None:
        self.places = places
        self.libraries = {engine: Library.open(place, BagOfWords()) for engine, place in places.items()}

    def same(self, ask: Callable[[Library], Any]) -> Any:
        """Call both and compare results or errors, except for the library's place."""
        answers = {engine: self._answer(engine, ask) for engine in self.libraries}
        assert answers["postgresql"] == answers["sqlite"]
        return answers["sqlite"]

    def _answer(self, engine: str, ask: Callable[[Library], Any]) -> Any:
        try:
            return ask(self.libraries[engine])
        except MetachainError as error:
            return type(error), str(error).replace(self.places[engine], "PLACE")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, postgres: "PostgresServer") -> Iterator[Pair]:
    """Two learned libraries of the same content."""
    name = postgres.create_database()
    pair = Pair({"sqlite": str(tmp_path_factory.mktemp("pair") / "library.db"), "postgresql": postgres.url(name)})
    pair.same(fill)
    yield pair
    for one in pair.libraries.values():
        one.close()
    postgres.drop_database(name)


def fill(library: Library) -> None:
    """Add demonstrations, state rules, learn and record outcomes."""
    library.add(MADE[::-1], share=EVERYONE)
    library.sharing.state("hospital 0", Grant(Audience("group", ("b", "a")), purposes=("triage", "coding")), EVERYONE)
    library.sharing.group("a", [NEW, "Z", "_"])
    library.list_answers("hospital 3", ["code 9", "Code 9", "ä", "z"], force=True)
    prior = learn(library)
    save_prior(library, prior)
    library.outcomes.record(OUTCOMES)
    save_posterior(library, adapt(prior, library, NEW))
    policy = Policy(3, demoted=frozenset([("hospital 1", "id 3")]))
    save_policy(library, LearnedPolicy("m", policy, "exact_match", 7, 3, 1 / 3, (-0.1, 0.2)))


def to_bytes(prior: Prior) -> tuple[Any, ...]:
    """All content of a prior as bytes."""
    lesson = prior.lesson
    return (
        prior.institutions,
        prior.transfer.tobytes(),
        lesson.scores.tobytes(),
        replace(lesson, scores=np.zeros(0)).__repr__(),
    )


def test_what_was_added_comes_back_the_same(pair: Pair) -> None:
    """Demonstrations come back in the same order with all metadata."""
    held = pair.same(lambda library: [(one, dict(one.metadata), one.patient) for one in library.demonstrations()])
    assert [one[0] for one in held] == sorted(MADE, key=lambda one: one.key)
    assert [one[1] for one in held] == [dict(one.metadata) for one in sorted(MADE, key=lambda one: one.key)]
    assert list(pair.same(Library.counts)) == sorted({one.institution for one in MADE})


def test_vectors_are_the_same_bytes(pair: Pair) -> None:
    """Stored and new vectors are equal to the last bit, negative zeros and the smallest numbers included."""
    texts = [*MADE, Demonstration("new", "a text without any word that was seen", "x")]
    embedded = pair.same(lambda library: library.vectors(texts).tobytes())
    assert pair.same(lambda library: library.vectors(texts).tobytes()) == embedded


def test_what_was_learned_is_the_same_bytes(pair: Pair) -> None:
    """Prior and posterior are equal to the last bit, computed and read back."""
    pair.same(lambda library: to_bytes(load_prior(library)))
    for name in (NEW, "never seen", "Z"):

        def computed(library: Library, name: str = name) -> Any:
            found = adapt(load_prior(library), library, name)
            return found.digest, found.scored, found.fit.weights.tobytes(), found.fit.features.toarray().tobytes()

        pair.same(computed)
    pair.same(lambda library: load_posterior(library, NEW).fit.standing.tobytes())
    pair.same(lambda library: read_policy(library, "m"))
    pair.same(lambda library: library.learned())
    assert pair.same(lambda library: library.listed_answers("hospital 3")) == ("Code 9", "code 9", "z", "ä")


def test_selections_and_suggestions_are_the_same(pair: Pair) -> None:
    """Selections and suggestions have the same numbers and reasons."""
    for name in (NEW, "never seen", "hospital 3"):

        def selected(library: Library, name: str = name) -> Any:
            return Selector(library, adapt(load_prior(library), library, name), 12).select_many(QUERIES)

        assert any(one.chosen for one in pair.same(selected))
    suggested = pair.same(lambda library: suggest_labels(library, load_posterior(library, NEW), QUERIES, 3))
    assert len(suggested) == 3


def test_outcomes_come_back_the_same(pair: Pair) -> None:
    """Outcomes are equal, scores to the last digit."""
    assert pair.same(lambda library: library.outcomes.of(origin="chain", institution=NEW)) == tuple(OUTCOMES)
    pair.same(lambda library: library.state(NEW))


def test_rules_come_back_the_same(pair: Pair) -> None:
    """Rules come back in the same order and allow the same."""
    assert pair.same(lambda library: library.sharing.grants())["hospital 0"][0].to.names == ("a", "b")
    assert pair.same(lambda library: library.sharing.groups()) == {"a": ("Z", "_", NEW)}
    for name in ("Z", "clinic", "never seen"):
        pair.same(lambda library, name=name: library.sharing.usable_by(name))
        assert pair.same(lambda library, name=name: library.shared_demonstrations(name, ["hospital 0", "Clinic"]))


def test_commands_count_the_same(pair: Pair) -> None:
    """New, known and refused demonstrations have the same counts."""
    some = [Demonstration("Z", "one", "x", "1"), Demonstration("Z", "one", "x", "1"), *MADE[:3]]
    added = pair.same(lambda library: library.add(some))
    assert (added.stored, added.duplicates) == (1, 4)
    refused = pair.same(lambda library: library.add([Demonstration("Z", "two", "x", "1")]))
    assert "already stands for another text" in refused[1]
    pair.same(lambda library: library.revision("Z"))


@briefly
@given(name=NAMES, other=NAMES)
def test_strange_names_are_answered_the_same(pair: Pair, name: str, other: str) -> None:
    """Unknown names and ids with NUL, lone surrogates or quotes give the same results and errors."""
    asked: list[Callable[[Library], Any]] = [
        lambda library: library.demonstrations(name, other),
        lambda library: library.shared_demonstrations(name, [other]),
        lambda library: library.sharing.usable_by(name),
        lambda library: library.sharing.state(name, Grant(Audience("institution", (other,)))),
        lambda library: library.sharing.group(name, [other]),
        lambda library: library.sharing.grants(),
        lambda library: library.sharing.groups(),
        lambda library: library.listed_answers(name),
        lambda library: library.list_answers(name, [other]),
        lambda library: library.outcomes.get(name),
        lambda library: library.outcomes.by_id([name, other]),
        lambda library: library.outcomes.of(origin="chain", institution=name, model=other),
        lambda library: library.outcomes.score(name, 0.5),
        lambda library: library.record_feedback(name, 0.5, correction=other),
        lambda library: library.revision(name),
        lambda library: library.state(name),
        lambda library: library.load(name)[0],
        lambda library: load_posterior(library, name).digest,
        lambda library: read_policy(library, name),
        lambda library: adapt(load_prior(library), library, name).digest,
    ]
    for one in asked:
        pair.same(one)


@briefly
@given(text=STORABLE, answer=st.text(max_size=20), score=st.floats(0, 1), metric=st.text(max_size=5))
def test_any_outcome_comes_back_the_same(pair: Pair, text: str, answer: str, score: float, metric: str) -> None:
    """Any answer and any score are stored alike, or refused alike."""

    def kept(library: Library) -> Any:
        shown = ((text, text),)
        given = Outcome("any", "chain", text, text, text, shown, answer, metric, score, text, 2**31 - 1, 0, "now", 7)
        library.outcomes.record([given])
        return repr(library.outcomes.get("any"))

    assert not isinstance(pair.same(kept), tuple)


@briefly
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
                    | st.text(max_size=5), lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
                    max_leaves=6))  # fmt: skip
def test_any_metadata_come_back_the_same(pair: Pair, value: Any) -> None:
    """Any JSON metadata come back the same."""

    def kept(library: Library) -> str:
        id = str(abs(hash(json.dumps(value))))
        library.add([Demonstration("metadata", "x", "y", id, {"value": value})])
        held = {one.id: one.metadata for one in library.demonstrations("metadata")}
        return json.dumps(dict(held[id]))

    assert json.loads(pair.same(kept)) == {"value": value}

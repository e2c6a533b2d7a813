"""One institution is one at every entry of a library, however its name is spelt; so are ids, labels and patients."""

from collections.abc import Iterator
from unicodedata import normalize

import pytest
from handmade import Tiny, demonstrations

from metachain.data.demonstration import Demonstration
from metachain.errors import DataError, NotFoundError
from metachain.learning.artifacts import load_posterior, load_prior, save_posterior, save_prior
from metachain.learning.posterior import adapt
from metachain.learning.prior import learn
from metachain.learning.unlearning import forget
from metachain.library.library import Library
from metachain.library.outcomes import Outcome
from metachain.library.sharing import EVERYONE, Audience, Grant
from metachain.selection.selector import Selector

NAME = "clínica sur"
SPELLINGS = ["clínica sur ", "clínica\u00a0sur", normalize("NFD", NAME), "clí\u00adnica  sur\u200b"]


@pytest.fixture
def library(place: str) -> Iterator[Library]:
    """Three institutions that share."""
    with Library.open(place, Tiny()) as opened:
        opened.add(demonstrations(), share=EVERYONE)
        yield opened


@pytest.mark.parametrize("spelled", SPELLINGS)
def test_an_institution_is_one_at_every_entry(library: Library, spelled: str) -> None:
    """Demonstrations, rules, groups, keys, lists, outcomes, audit, learned parts: all are of the one institution."""
    library.add(
        [Demonstration(NAME, "xray of a hip", "code 1", "i 1"), Demonstration(spelled, "mri of a hip", "code 2")]
    )
    assert library.counts()[NAME] == 2
    assert len(library.institutions()) == 4
    assert len(library.demonstrations(spelled)) == len(list(library.stream(spelled))) == 2
    assert set(library.change_numbers(spelled)) == {one.id for one in library.demonstrations(NAME)}
    library.sharing.state(spelled, Grant(Audience("institution", ("h0 ", "h0"))))
    assert library.sharing.grants()[NAME] == (Grant(Audience("institution", ("h0",))),)
    assert NAME in library.sharing.usable_by("h0\u00a0").demonstrations
    library.sharing.group("north\u200b", [spelled, NAME])
    assert library.sharing.groups() == {"north": (NAME,)}
    assert library.keys.make(spelled)[0].institution == NAME
    library.list_answers(spelled, ["code 1", "code 1 ", "code\u00a02"])
    assert library.listed_answers(NAME) == ("code 1", "code 2")
    library.outcomes.record([Outcome("run 1", "chain", spelled, "ct of a hip", "m", ((spelled, "i 1 "),), "code 1")])
    assert library.outcomes.get("run 1 ").shown == ((NAME, "i 1"),)
    assert len(library.outcomes.of(origin="chain", institution=spelled)) == 1
    library.record_feedback("run 1\u200b", correction="code 2")
    assert [one.demonstration.institution for one in library.review.waiting(spelled)] == [NAME]
    assert library.review.release(spelled, ["feedback run\u00a01"]) == 1
    assert library.revision(spelled) == library.revision(NAME) > 0
    assert all(one.institution == NAME for one in library.audit.events(spelled))
    assert library.holders("i\u00a01") == (NAME,)
    prior = learn(library, spelled)
    save_prior(library, prior, spelled)
    save_posterior(library, adapt(load_prior(library, NAME), library, spelled))
    assert load_posterior(library, spelled).institution == NAME
    assert not any(one.institution == NAME for one in library.shared_demonstrations(spelled))
    assert Selector(library, load_posterior(library, spelled)).select("xray of a hip").institution == NAME


@pytest.mark.parametrize("spelled", SPELLINGS)
def test_forgetting_leaves_no_spelling_behind(library: Library, spelled: str) -> None:
    """All rows of an institution go, whatever spelling they came in, and whatever spelling is named."""
    names = [NAME, *SPELLINGS]
    library.add(
        Demonstration(name, f"text {i}", "code 1", "", {"patient": f"p 7{' ' * i}"}) for i, name in enumerate(names)
    )
    forget(library, institution="h2")
    assert forget(library, patient="p\u00a07 ").erased.demonstrations == {NAME: 5}
    library.add(Demonstration(name, f"text {i}", "code 1") for i, name in enumerate(names))
    assert forget(library, institution=spelled).erased.demonstrations == {NAME: 5}
    assert library.institutions() == ("h0", "h1")
    with pytest.raises(NotFoundError, match="holds nothing of that institution"):
        forget(library, institution=spelled)


def test_a_look_alike_is_named_where_nothing_is_found(library: Library) -> None:
    """Forgetting a name that the library doesn't know names the one that it may mean."""
    with pytest.raises(NotFoundError, match="these look alike: 'h0'"):
        forget(library, institution="H-0")
    assert library.names_like("H0") == ("h0",)


def test_texts_that_differ_in_form_are_one_demonstration(library: Library) -> None:
    """The first one stays as it was given, and adding the others changes nothing; a given id is kept apart."""
    texts = [
        ("Größe  prüfen", "Übel"),
        (normalize("NFD", "Größe prüfen"), "Übel "),
        ("Größe\u00a0prüfen\u200b", "Ü\u00adbel"),
    ]
    added = library.add(Demonstration("h9", *pair) for pair in texts)
    assert (added.stored, added.duplicates) == (1, 2)
    assert [(one.input, one.output) for one in library.demonstrations("h9")] == [texts[0]]
    again = library.add(Demonstration("h9 ", *pair) for pair in texts)
    assert (again.stored, again.duplicates) == (0, 3)
    assert library.add([Demonstration("h9", *texts[1], "own id")]).stored == 1
    assert library.add([Demonstration("h9", *texts[2], "own\u00a0id ")]).duplicates == 1
    with pytest.raises(DataError, match="already stands for another text"):
        library.add([Demonstration("h9", "another text", "Übel", "own id")])


def test_labels_that_differ_in_form_are_one_label(library: Library) -> None:
    """Padded labels learn, agree and count as the plain ones do, and are shown as they were given."""
    prior = learn(library)
    plain = [("xray of a toe", "code 1"), ("mri of a toe", "code 2"), ("ct of a toe", "code 1")]
    forms = [
        str,
        lambda label: label.ljust(12),
        lambda label: label.replace(" ", "\u00a0"),
        lambda label: f"{label}\u200b",
    ]
    found = []
    for number, form in enumerate(forms):
        name = f"new {number}"
        library.add(Demonstration(name, text, form(label), f"i {i}") for i, (text, label) in enumerate(plain))
        assert [one.output for one in library.demonstrations(name)] == [form(label) for _, label in plain]
        posterior = adapt(prior, library, name)
        selector = Selector(library, posterior)
        assert selector.labels() == ("code 1", "code 2")
        answers = [(one.answer, one.probability) for one in selector.select("xray of a heel").answers]
        found.append((posterior.fit.weights.tolist(), posterior.fit.features.toarray().tolist(), answers))
    assert all(one == found[0] for one in found)

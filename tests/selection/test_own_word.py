"""What the institution itself last said of a text is shown first for that text, next to the query."""

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from handmade import Tiny, demonstrations, learned_library, metachain
from hypothesis import given
from hypothesis import strategies as st
from oracles import filled, hospitals, note_writers, rarely

from metachain.chains import MetaChainToolkit, classification_chain, few_shot_chain
from metachain.chains.local.offline import OfflineChatModel
from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import same_text
from metachain.learning.artifacts import load_prior
from metachain.learning.gaussian_process import PLAIN, Settings
from metachain.learning.policy import Policy
from metachain.learning.posterior import Posterior, adapt
from metachain.learning.prior import learn
from metachain.library.library import Library
from metachain.library.outcomes import Outcome
from metachain.retrievers import DemonstrationRetriever, LibraryExampleSelector, MetaExampleSelector
from metachain.selection.chooser import OWN_WORD
from metachain.selection.selection import Selection
from metachain.selection.selector import Selector
from metachain.selection.token_budget import select_within

MADE = hospitals(5, 16)
PAST, NEW = MADE[:-16], MADE[-16:]
NAME = NEW[0].institution
KNOWN = PAST[0].input
"""A text that past institutions know, each with an answer of its own."""
methods = pytest.mark.parametrize("settings", [PLAIN, None], ids=["metachain", "nearest"])
SAID = st.lists(
    st.tuples(st.sampled_from([KNOWN, f"{KNOWN}.", KNOWN.upper(), "another text"]), st.sampled_from("abc")), min_size=1
)


def posterior_of(library: Library, settings: Settings | None = PLAIN) -> Posterior:
    """Posterior of a prior that is made to use one method."""
    prior = learn(library)
    lesson = replace(prior.lesson, settings=settings, trusts_consensus=settings is not None)
    return adapt(replace(prior, lesson=lesson), library, NAME)


def label(text: str, answer: str, id: str = "") -> Demonstration:
    """A label of the institution."""
    return Demonstration(NAME, text, answer, id)


def last(selection: Selection) -> tuple[str, str, str]:
    """Institution and answer of the demonstration next to the query, and why it is there."""
    one, chosen = selection.demonstrations[-1], selection.in_order[-1]
    assert chosen.demonstration is one
    return one.institution, one.output, chosen.reason


@methods
@given(said=SAID, best_first=st.booleans())
@rarely
def test_what_was_last_said_of_a_text_is_shown_first(
    settings: Settings | None, said: list[tuple[str, str]], best_first: bool
) -> None:
    """However it is written, in whichever order the answers came; nothing beside it contradicts it."""
    with TemporaryDirectory() as folder, filled(Path(folder) / "library.db", PAST) as library:
        posterior = posterior_of(library, settings)
        latest: dict[str, str] = {}
        for number, (text, answer) in enumerate(said):
            library.add([label(text, answer, f"label {number}")])
            latest[same_text(text)] = answer
        selector = Selector(library, posterior, 8, Policy(best_first=best_first))
        for text in (KNOWN, f"  {KNOWN}!", f"{KNOWN.title()}."):
            selection = selector.select(text)
            if same_text(text) in latest:
                answer = latest[same_text(text)]
                assert last(selection) == (NAME, answer, "your own label for this text")
                assert {one.output for one in selection.demonstrations} == {answer}
                assert selection.answers[0].answer == answer
                assert selection.answers[0].probability == 0.99
            else:
                assert "for this text" not in " ".join(one.reason for one in selection.chosen)


@methods
def test_every_label_is_shown_for_its_own_text(tmp_path: Path, settings: Settings | None) -> None:
    """Also where past institutions have the very text, and where only one demonstration is asked for."""
    with filled(tmp_path / "library.db", MADE) as library:
        selector = Selector(library, posterior_of(library, settings), 100)
        for k in (1, 8, 100):
            for one, selection in zip(NEW, selector.select_many([one.input for one in NEW], k), strict=True):
                assert last(selection)[:2] == (NAME, one.output)
                assert len(selection.chosen) <= k
        assert not selector.select(NEW[0].input, 0).chosen


def test_an_older_answer_is_kept_but_shown_for_no_text(tmp_path: Path) -> None:
    """A superseded label stands in the library, and neither in prompts nor among the labels that count."""
    with filled(tmp_path / "library.db", PAST) as library:
        posterior = posterior_of(library)
        library.add([label(KNOWN, "an old answer"), label("ct of the chest", "an old answer, still right")])
        library.add([label(f"{KNOWN}.", "a new answer")])
        selector = Selector(library, posterior, 100)
        shown = {one.output for text in (KNOWN, "anything else") for one in selector.select(text).demonstrations}
        assert "an old answer" not in shown
        assert {one.output for one in library.demonstrations(NAME)} > {"an old answer", "a new answer"}
        assert selector.posterior().labels == 2


def test_of_answers_that_came_together_the_most_frequent_counts(tmp_path: Path) -> None:
    """None of them is newer, so all are labels; the one that most of them give is shown for the text."""
    with filled(tmp_path / "library.db", PAST) as library:
        posterior = posterior_of(library)
        library.add([label(KNOWN, answer, f"label {number}") for number, answer in enumerate("abbc")])
        selector = Selector(library, posterior, 8)
        assert last(selector.select(KNOWN))[1] == "b"
        assert selector.posterior().labels == 4


def test_a_correction_is_shown_from_then_on(tmp_path: Path) -> None:
    """It is newer than a label of the same text; a second correction replaces it."""
    with filled(tmp_path / "library.db", PAST) as library:
        selector = Selector(library, posterior_of(library), 8)
        library.add([label(KNOWN, "a label")])
        library.outcomes.record([Outcome("an answer", "chain", NAME, KNOWN, "a model", (), "a label")])
        for correction in ("a correction", "a second one"):
            library.record_feedback("an answer", correction=correction)
            assert last(selector.select(KNOWN))[1] == correction


def test_what_is_left_out_is_not_shown(tmp_path: Path) -> None:
    """Neither with ``without`` nor where the policy demotes it; another label of the same text takes its place."""
    first, second = label(KNOWN, "an answer", "first"), label(f"{KNOWN}.", "an answer", "second")
    with filled(tmp_path / "library.db", PAST) as library:
        posterior = posterior_of(library)
        library.add([first, second])
        shown = Selector(library, posterior, 8).select(KNOWN, without=[second]).demonstrations
        assert shown[-1] == first
        assert second not in shown
        demoted = Policy(demoted=frozenset([first.key, second.key]))
        assert not {first, second} & set(Selector(library, posterior, 8, demoted).select(KNOWN).demonstrations)


def test_a_token_budget_keeps_it(tmp_path: Path) -> None:
    """Shorter demonstrations don't replace it, if it fits at all."""
    long = label(KNOWN, "an answer")
    with filled(tmp_path / "library.db", PAST) as library:
        posterior = posterior_of(library)
        library.add([long, label("short", "an answer")])
        selector = Selector(library, posterior, 8)
        for budget in (90, 100, 1000):
            shown = select_within(selector, KNOWN, budget, lambda one: 90 if one == long else 10).demonstrations
            assert shown[-1] == long
        assert long not in select_within(selector, KNOWN, 50, lambda one: 90 if one == long else 10).demonstrations


def test_where_answers_are_texts_others_are_shown_beside_it(tmp_path: Path) -> None:
    """The newest text stands next to the query; the others show how the institution writes."""
    written = note_writers(4, 8)
    name = written[-1].institution
    with filled(tmp_path / "library.db", written) as library:
        prior = learn(library)
        text = written[-1].input
        library.add([Demonstration(name, text, "a newer text of that institution")])
        selection = Selector(library, adapt(prior, library, name), 4).select(text)
        assert last(selection)[:2] == (name, "a newer text of that institution")
        assert len(selection.chosen) == 4


def test_chains_answer_with_it(tmp_path: Path) -> None:
    """A model that reads the demonstrations gives the institution's own answer, in words and as a label."""
    with filled(tmp_path / "library.db", PAST) as library:
        posterior = posterior_of(library)
        library.add([label(KNOWN, "its own")])
        selector = MetaExampleSelector(library, posterior, k=8)
        model = OfflineChatModel()
        for text in (KNOWN, f"{KNOWN}."):
            assert few_shot_chain(model, selector).invoke({"input": text}) == "its own"
            assert classification_chain(model, selector).invoke({"input": text}).label == "its own"


def test_every_public_call_shows_it_first(tmp_path: Path) -> None:
    """Retrievers and tools give the best first, selectors next to the query; the command line answers with it."""
    place, known, reason = learned_library(str(tmp_path / "h.db"), made := demonstrations()), made[0].input, OWN_WORD
    with Library.open(place, Tiny()) as library:
        library.add([Demonstration("new", known, "its own")])
        selector = Selector(library, adapt(load_prior(library), library, "new"))
        (document, *_) = DemonstrationRetriever(selector=selector).invoke(known)
        assert (document.metadata["output"], document.metadata["reason"]) == ("its own", reason)
        tools = {one.name: one for one in MetaChainToolkit(library=library, institutions=("new",)).get_tools()}
        found = tools["find_demonstrations"].invoke({"institution": "new", "text": known})
        (best, *_) = json.loads(found)["demonstrations"] if isinstance(found, str) else found["demonstrations"]
        assert (best["output"], best["reason"]) == ("its own", reason)
        examples = LibraryExampleSelector(library).select_examples({"input": known, "institution": "new"})
        assert examples[-1]["output"] == "its own"
    assert reason in metachain("select", place, "new", known, environment={"COLUMNS": "200"}).stdout
    assert "its own" in metachain("ask", place, "new", f"{known}.").stdout


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("Cast removal", "cast  removal.", True),
        ("(cast) removal", "cast removal!", True),
        ("«fièvre»", "Fièvre", True),
        ("肺炎。", "肺炎", True),
        ("0.5 mg", "5 mg", False),
        (".5 mg", "5 mg", False),
        ("1.5 mg", "15 mg", False),
        ("1,5 mg", "15 mg", False),
        ("-5", "5", False),
        ("hiv +", "hiv -", False),
        ("pneumonia?", "pneumonia", False),
        ("...", "!!!", False),
        ("x-ray", "x ray", False),
    ],
)
def test_which_texts_say_the_same(one: str, other: str, alike: bool) -> None:
    """Marks that end or enclose words make no difference; marks that carry meaning do."""
    assert (same_text(one) == same_text(other)) is alike
    assert same_text(one) == same_text(same_text(one))

"""Choosing for one institution from a real library."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import BagOfWords, filled, hospitals, note_writers, rarely

from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import hybrid_vectors, lexical_vectors, normalise_text
from metachain.errors import DataError
from metachain.learning.calibration import Calibration
from metachain.learning.gaussian_process import Settings
from metachain.learning.posterior import adapt
from metachain.learning.prior import learn
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE
from metachain.selection.selection import Selection
from metachain.selection.selector import Selector

MADE = hospitals(5, 16)
PAST, NEW = MADE[:-16], MADE[-16:]
QUERIES = [
    "mri brain ward b",
    "Blood  panel CLINIC east",
    f"{NEW[0].input} again",
    PAST[0].input,
    "nothing of the kind",
]
METHODS = {"metachain": Settings(0.3, 1.0, 0.05), "nearest": None}
both_methods = pytest.mark.parametrize("method", METHODS)


def selector_of(
    library: Library, method: str = "metachain", k: int = 8, name: str = "hospital 4", **learned: Any
) -> Selector:
    """A selector that is made to use one method, with labels and without, and other parts of a lesson."""
    prior = learn(library)
    lesson = replace(prior.lesson, settings=METHODS[method], trusts_consensus=method == "metachain", **learned)
    return Selector(library, adapt(replace(prior, lesson=lesson), library, name), k)


def seen(selection: Selection) -> list[tuple[str, str, str]]:
    """Whose input and output is shown, in order."""
    return [(one.institution, one.input, one.output) for one in selection.demonstrations]


@both_methods
def test_the_same_text_elsewhere_may_be_shown(tmp_path: Path, method: str) -> None:
    """A past institution's demonstration of the very text that is asked about is as good as any."""
    with filled(tmp_path / "library.db", MADE) as library:
        shown = selector_of(library, method, k=100).select(PAST[0].input)
    assert PAST[0].input in [one.input for one in shown.demonstrations]


@both_methods
def test_nothing_is_shown_twice(tmp_path: Path, method: str) -> None:
    """No two demonstrations of one institution have both input and output in common."""
    with filled(tmp_path / "library.db", MADE) as library:
        for selection in selector_of(library, method, k=100).select_many(QUERIES):
            shown = [(one.institution, one.input, one.output) for one in selection.demonstrations]
            assert len(set(shown)) == len(shown) > 0


@both_methods
def test_the_best_stands_last(tmp_path: Path, method: str) -> None:
    """The likeliest answer, and of it the nearest, is next to the query; without learning plainly the nearest."""
    with filled(tmp_path / "library.db", MADE) as library:
        for selection in selector_of(library, method).select_many(QUERIES):
            order = [(one.plausibility, one.similarity) for one in selection.chosen]
            assert selection.method == method
            if method == "nearest":
                order = [(one.similarity, one.score) for one in selection.chosen]
                assert all(near == score for near, score in order)
            else:
                assert selection.chosen[-1].score == max(one.score for one in selection.chosen)
            assert order == sorted(order)


@both_methods
@pytest.mark.parametrize("k", [0, 1, 3])
def test_at_most_k_are_shown(tmp_path: Path, method: str, k: int) -> None:
    """``k`` is the most, whether it is the selector's own or asked for with the query; 0 shows nothing."""
    with filled(tmp_path / "library.db", MADE) as library:
        own, asked = selector_of(library, method, k).select_many(QUERIES), selector_of(library, method)
    for query, selection in zip(QUERIES, own, strict=True):
        assert len(selection.chosen) <= k
        assert bool(selection.chosen) == bool(k)
        assert asked.select(query, k).demonstrations == selection.demonstrations


@both_methods
def test_what_is_left_out_gives_way_to_the_next(tmp_path: Path, method: str) -> None:
    """Without its best demonstration a selection keeps the order of the others; the next of its answer is best."""
    with filled(tmp_path / "library.db", MADE) as library:
        selector = selector_of(library, method, 3)
    for query in QUERIES:
        every = selector.select(query, 100)
        best = every.chosen[-1].demonstration
        without = selector.select(query, 100, [best]).demonstrations
        assert best not in without
        both = set(without) & set(every.demonstrations)
        assert [one for one in without if one in both] == [one for one in every.demonstrations if one in both]
        alike = method == "nearest"
        if following := [one for one in every.demonstrations[:-1] if alike or one.output == best.output]:
            assert without[-1] == following[-1]
        following = selector.select(query, 100, every.demonstrations).demonstrations
        assert not set(following) & set(every.demonstrations)
        assert selector.select(query, without=MADE).chosen == ()


@both_methods
def test_more_shots_than_demonstrations_shows_what_there_is(tmp_path: Path, method: str) -> None:
    """Three demonstrations can't become a thousand."""
    with filled(tmp_path / "library.db", [PAST[0], PAST[16], NEW[0]]) as library:
        (selection,) = selector_of(library, method, 1000).select_many(["xray chest"])
    assert 1 <= len(selection.chosen) <= 3


def test_nearest_neighbours_are_those_of_brute_force(place: str) -> None:
    """Without learning, the most similar demonstrations are shown, an institution's same text and answer once."""
    encoder = BagOfWords()
    with filled(place, MADE) as library:
        selections = selector_of(library, "nearest", 5).select_many(QUERIES)
    vectors = hybrid_vectors(encoder.encode([one.input for one in MADE]), lexical_vectors([one.input for one in MADE]))
    for query, selection in zip(QUERIES, selections, strict=True):
        text = normalise_text(query)
        asked = hybrid_vectors(encoder.encode([text]), lexical_vectors([text]))[0]
        similarity: dict[tuple[str, str, str], float] = {}
        for one, vector in zip(MADE, vectors, strict=True):
            if one.institution != "hospital 4" or one.input != text:
                similarity[one.institution, one.input, one.output] = sum(
                    float(a) * float(b) for a, b in zip(asked, vector, strict=True)
                )
        best = sorted(similarity.values())[-5:]
        assert [one.similarity for one in selection.chosen] == pytest.approx(best, abs=2e-5)


def test_numbers_and_reasons_go_together(tmp_path: Path) -> None:
    """A reason says whose it is, how similar and how probable, and a label that past institutions treat alike."""
    with filled(tmp_path / "library.db", MADE) as library:
        selections = [each for method in METHODS for each in selector_of(library, method).select_many(QUERIES)]
    chosen = [one for selection in selections for one in selection.chosen]
    for one in chosen:
        origin = one.demonstration.institution
        assert one.reason.startswith("your own label" if origin == "hospital 4" else f"from {origin}")
        assert f"input {one.similarity:.0%} similar, answer {one.plausibility:.0%} probable" in one.reason
        assert 0 < one.plausibility <= 1
    assert any("agrees with your label" in one.reason for one in chosen)
    assert any("differs from your label" in one.reason for one in chosen)


def test_a_selection_says_how_probable_each_answer_is(tmp_path: Path) -> None:
    """``answers`` are in order of probability, each once; a demonstration's reason gives the rank of its answer."""
    with filled(tmp_path / "library.db", MADE) as library:
        selections = selector_of(library).select_many(QUERIES)
    alternatives = 0
    for selection in selections:
        names = [one.answer for one in selection.answers]
        probable = [one.probability for one in selection.answers]
        assert len(set(names)) == len(names) > 1
        assert probable == sorted(probable, reverse=True)
        assert all(0 < one <= 1 for one in probable)
        assert selection.demonstrations[-1].output == names[0]
        for one in selection.chosen:
            rank = names.index(one.demonstration.output)
            assert one.plausibility == probable[rank]
            assert f"({['', '2nd ', '3rd ', '4th '][rank]}likeliest)" in one.reason
            alternatives += rank > 0
    assert alternatives


def test_alternatives_are_shown_in_proportion_to_their_probability(tmp_path: Path) -> None:
    """Flat, more answers are shown than sharp, where there is only the likeliest; it is always among them."""
    with filled(tmp_path / "library.db", MADE) as library:
        found = {sharp: selector_of(library, sharpness=sharp).select_many(QUERIES) for sharp in (0.5, 1.0, 20.0)}
    distinct = [sum(len({d.output for d in one.demonstrations}) for one in found[sharp]) for sharp in (0.5, 1.0, 20.0)]
    assert distinct == sorted(distinct, reverse=True)
    assert distinct[0] > distinct[2] == len(QUERIES)
    for one in found[1.0]:
        shown = [d.output for d in one.demonstrations]
        assert shown.count(one.answers[0].answer) >= 1


@given(made=st.permutations(MADE))
@rarely
def test_the_order_of_adding_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, made: list[Demonstration]
) -> None:
    """However demonstrations are ordered when added, the same are shown, in the same order, with the same numbers."""
    folder = tmp_path_factory.mktemp("order")
    with filled(folder / "one.db", made) as one, filled(folder / "other.db", MADE) as other:
        assert selector_of(one).select_many(QUERIES) == selector_of(other).select_many(QUERIES)


def test_names_of_institutions_are_only_names(new_place: Callable[[], str]) -> None:
    """Where two past institutions exchange their names the same texts and answers are shown, in some order."""
    exchanged = {"hospital 0": "hospital 2", "hospital 2": "hospital 0"}
    others = [replace(one, institution=exchanged.get(one.institution, one.institution)) for one in MADE]
    shown = []
    same = {"sharpness": 1.0, "labelled": Calibration()}  # the draws that teach these depend on names
    for made in (MADE, others):
        with filled(new_place(), made) as library:
            selections = selector_of(library, **same).select_many(QUERIES)
            shown.append([sorted((one.input, one.output) for one in each.demonstrations) for each in selections])
    assert shown[0] == shown[1]


def test_many_queries_are_chosen_for_as_each_alone(tmp_path: Path) -> None:
    """Asking together or one by one shows the same."""
    with filled(tmp_path / "library.db", MADE) as library:
        selector = selector_of(library)
    assert [seen(one) for one in selector.select_many(QUERIES)] == [seen(selector.select(text)) for text in QUERIES]
    assert selector.select_many([]) == []


def test_an_own_label_comes_before_a_past_twin_that_is_as_similar(tmp_path: Path) -> None:
    """Of two demonstrations of the same text the institution's own stands nearer the query, whatever last bits say."""
    labels = [Demonstration("new", f"{one.input} again", "own answer") for one in PAST[:16]]
    twins_elsewhere = [Demonstration("hospital 0", one.input, "their answer") for one in labels]
    with filled(tmp_path / "library.db", [*PAST, *labels, *twins_elsewhere]) as library:
        selector = selector_of(library, "nearest", name="new")
    for label in labels:
        asked = f"{label.input} today"
        ours = [one for one in seen(selector.select(asked)) if one[1] == label.input]
        assert [output for *_, output in ours] == ["their answer", "own answer"]


def test_an_institution_never_heard_of_is_served_from_the_past(place: str) -> None:
    """Without a single label past institutions' demonstrations are shown."""
    with filled(place, PAST) as library:
        selector = selector_of(library, name="never heard of")
        assert selector.institution == "never heard of"
        assert selector.labels() == ()
        assert {one[0] for one in seen(selector.select("mri brain"))} <= {f"hospital {number}" for number in range(4)}
        assert seen(selector.select("mri brain"))


def test_labels_are_the_institutions_own_outputs(tmp_path: Path) -> None:
    """Each known output of the institution is listed once, in alphabetical order."""
    with filled(tmp_path / "library.db", MADE) as library:
        assert selector_of(library).labels() == tuple(sorted({one.output for one in NEW}))


def test_listed_answers_are_labels_too(place: str) -> None:
    """Beside the outputs seen, those that the institution listed are known, whether anybody gives them or not."""
    with filled(place, [*PAST, NEW[0]]) as library:
        library.list_answers("hospital 4", ["code 99", NEW[0].output, "code 1"])
        library.list_answers("never heard of", ["code 7"])
        assert selector_of(library).labels() == tuple(sorted({"code 99", "code 1", NEW[0].output}))
        assert selector_of(library, name="never heard of").labels() == ("code 7",)


def test_answers_that_are_not_listed_give_way(place: str) -> None:
    """Where an institution lists its answers, demonstrations with other answers are not shown beside listed ones."""
    listed = sorted({one.output for one in hospitals(5, 48) if one.institution == "hospital 4"})
    with filled(place, hospitals(4, 48)) as library:
        unasked = selector_of(library).select_many(QUERIES[:4])
        library.list_answers("hospital 4", listed)
        asked = selector_of(library).select_many(QUERIES[:4])
    assert any(one.output not in listed for each in unasked for one in each.demonstrations)
    assert all(one.output in listed for each in asked for one in each.demonstrations)


@pytest.mark.parametrize("labels", [0, 16])
@both_methods
def test_probabilities_are_calibrated_after_the_choice(tmp_path: Path, method: str, labels: int) -> None:
    """Probabilities are given as the lesson's calibration says; plain nearest neighbours don't choose by them."""
    bent = {"unlabelled": Calibration(-0.5, 0.5), "labelled": Calibration(0.25, 1.5)}
    with filled(tmp_path / "library.db", [*PAST, *NEW[:labels]]) as library:
        prior = learn(library)
        found = []
        for calibrations in ({"unlabelled": Calibration(), "labelled": Calibration()}, bent):
            lesson = replace(prior.lesson, settings=METHODS[method], trusts_consensus=method == "metachain")
            taught = replace(prior, lesson=replace(lesson, **calibrations))
            found.append(Selector(library, adapt(taught, library, "hospital 4")).select_many(QUERIES))
    a, g = (0.25, 1.5) if labels else (-0.5, 0.5)
    for raw, calibrated in zip(*found, strict=True):
        before = {one.answer: one.probability for one in raw.answers}
        assert [one.answer for one in calibrated.answers] == list(before)
        for each in calibrated.answers:
            odds = np.exp(a) * (before[each.answer] / (1 - before[each.answer])) ** g
            assert each.probability == pytest.approx(odds / (1 + odds), rel=1e-4)
        probable = {one.answer: one.probability for one in calibrated.answers}
        for one in calibrated.chosen:
            assert one.plausibility == probable[one.demonstration.output]
            assert f"answer {one.plausibility:.0%} probable" in one.reason
        if method == "nearest":
            assert seen(raw) == seen(calibrated)
            assert [one.score for one in raw.chosen] == [one.score for one in calibrated.chosen]


def test_texts_are_chosen_by_what_their_answers_have_in_common(place: str) -> None:
    """Where answers are texts, an institution that labelled a few is shown answers in the words of its own system."""
    made = note_writers(5, 16)
    own = [one for one in made if one.institution == "hospital 4"]
    with filled(place, [*(one for one in made if one not in own), *own[:8]]) as library:
        selections = selector_of(library).select_many([one.input for one in own[8:]])
    shown = [one for each in selections for one in each.demonstrations]
    assert all(selection.chosen for selection in selections)
    assert {one.output.split()[0] for one in own} == {"please"}
    assert sum(one.output.startswith("please") for one in shown) > 0.9 * len(shown)


def test_labels_added_later_count(place: str) -> None:
    """A posterior made before a label was added is computed anew, and equals one made after."""
    with filled(place, [*PAST, *NEW[:4]]) as library:
        prior = replace(learn(library), lesson=replace(learn(library).lesson, settings=METHODS["metachain"]))
        old = adapt(prior, library, "hospital 4")
        library.add(NEW[4:], share=EVERYONE)
        selector, fresh = Selector(library, old), adapt(prior, library, "hospital 4")
        assert selector.posterior().labels == 16
        assert np.array_equal(selector.posterior().fit.weights, fresh.fit.weights)


def test_a_selector_is_a_snapshot(place: str) -> None:
    """What is added after a selector was made doesn't change what it shows."""
    with filled(place, MADE) as library:
        selector = selector_of(library)
        before = selector.select_many(QUERIES)
        library.add([Demonstration("hospital 1", QUERIES[0], "a later answer")], share=EVERYONE)
        assert selector.select_many(QUERIES) == before


def test_identical_texts_are_told_apart_by_their_answers(place: str) -> None:
    """Where every text of others is the same, an institution's answer is shown once."""
    made = [replace(one, input="the same text") for one in PAST]
    with filled(place, made) as library:
        shown = selector_of(library, k=100).select("The same  text").demonstrations
    assert shown
    assert len({(one.institution, one.output) for one in shown}) == len(shown)


@pytest.mark.parametrize("text", ["x" * 100_000, "שלום עולם", "🩺 💉", "e\u0301 ward"])
def test_any_text_can_be_asked_about(tmp_path: Path, text: str) -> None:
    """Very long texts, right-to-left scripts and emoji are chosen for like any other, and come back as given."""
    with filled(tmp_path / "library.db", MADE) as library:
        selection = selector_of(library).select(text)
    assert selection.query == text
    assert selection.chosen


@pytest.mark.parametrize("text", ["", " \n", None, 7])
def test_a_query_that_is_no_text_is_refused(tmp_path: Path, text: object) -> None:
    """Blank texts and other things are named in the error."""
    with filled(tmp_path / "library.db", MADE) as library, pytest.raises(DataError, match="query"):
        selector_of(library).select(text)  # type: ignore[arg-type]


@pytest.mark.parametrize("k", [-1, 2.5, True, "8"])
def test_a_number_of_shots_that_is_none_is_refused(tmp_path: Path, k: object) -> None:
    """Negative numbers, fractions and other things are no number of demonstrations, made so or asked so."""
    with filled(tmp_path / "library.db", MADE) as library:
        selector = selector_of(library)
        with pytest.raises(DataError, match="k must be a whole number"):
            Selector(library, selector.posterior(), k)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="k must be a whole number"):
        selector.select("mri", k)  # type: ignore[arg-type]

"""The offline reader votes, and answers from the demonstrations alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import briefly
from oracles import vote as slow_vote

from metachain.embedding.similarity import lexical_vectors
from metachain.scoring.extractive import extract_or_copy
from metachain.scoring.reader import answer, show_texts, vote
from metachain.scoring.spans import tag_spans

LONG = "Discharge to home with oxygen and a visit of the nurse"
CODES = st.lists(
    st.tuples(
        st.sampled_from(["xray chest", "mri brain", "mri spine", "visit", ""]),
        st.sampled_from(["0324", "0611", "", "none", "St. Mary ward", "Discharge to home with oxygen", "code 7"]),
    ),
    min_size=1,
    max_size=8,
)
NOTES = [
    ("Doctor: Any cough?\nPatient: I have a dry cough at night.", "I have a dry cough at night. No fever."),
    ("Doctor: And sleep?\nPatient: I sleep badly because of pain.", "I sleep badly because of pain."),
]


@given(
    st.integers(0, 9).flatmap(
        lambda m: st.lists(
            st.tuples(
                st.lists(st.sampled_from([-1.0, -0.3, 0.0, 0.25, 0.5, 0.9, 1.0]), min_size=m, max_size=m),
                st.lists(st.integers(-1, 3), min_size=m, max_size=m),
            ),
            min_size=1,
            max_size=5,
        )
    ),
    st.sampled_from([0.05, 0.2, 1.0]),
)
@briefly
def test_the_vote_weighs_each_answer_by_similarity(
    rows: list[tuple[list[float], list[int]]], temperature: float
) -> None:
    """Of each query the answer with the largest sum of ``exp(similarity / temperature)`` wins, the later of two."""
    similarity = np.array([one for one, _ in rows])
    answers = np.array([one for _, one in rows], int)
    expected = [slow_vote(h, y, temperature) for h, y in rows]
    assert vote(similarity, answers, temperature).tolist() == expected


def test_the_later_of_two_answers_that_tie_wins() -> None:
    """What stands nearer the question decides a tie."""
    assert vote(np.array([[0.5, 0.5]]), np.array([[1, 0]])).tolist() == [0]
    assert vote(np.array([[0.5, 0.5]]), np.array([[0, 1]])).tolist() == [1]


def test_many_weak_votes_beat_one_strong() -> None:
    """The vote sums: three demonstrations at 0.8 outweigh one at 0.9, one at 0.8 doesn't."""
    assert vote(np.array([[0.8, 0.8, 0.8, 0.9]]), np.array([[0, 0, 0, 1]])).tolist() == [0]
    assert vote(np.array([[0.8, 0.9]]), np.array([[0, 1]])).tolist() == [1]


@pytest.mark.parametrize("m", [0, 3])
def test_nothing_shown_is_no_answer(m: int) -> None:
    """A query to which nothing is shown gets answer -1, whatever similarity stands in the empty places."""
    assert vote(np.full((2, m), -np.inf), np.full((2, m), -1)).tolist() == [-1, -1]


def test_the_reader_answers_with_an_output_it_was_shown() -> None:
    """The answer is that of the most alike demonstrations."""
    shown = [("xray chest", "0324"), ("mri brain", "0611"), ("mri spine", "0612")]
    assert answer("MRI  of the brain", shown) == "0611"
    assert answer("chest xray 2 views", shown) == "0324"


def test_the_reader_knows_nothing_without_demonstrations() -> None:
    """Without demonstrations the answer is empty."""
    assert answer("mri brain", []) == ""


@given(st.permutations([("xray chest", "a"), ("mri brain", "b"), ("mri spine", "c"), ("visit", "a")]))
@briefly
def test_order_decides_nothing_but_ties(shown: list[tuple[str, str]]) -> None:
    """Where no two answers tie, the order in which demonstrations are shown doesn't change the answer."""
    assert answer("mri of the brain", shown) == "b"


@given(st.sampled_from(["mri of the brain", "a visit", "0324"]), CODES)
@briefly
def test_labels_are_voted_on(query: str, shown: list[tuple[str, str]]) -> None:
    """Short outputs, alone or many, are answered by the vote over lexical similarity and nothing else."""
    vectors = lexical_vectors([query, *(text for text, _ in shown)])
    names = sorted({output for _, output in shown})
    votes = [names.index(output) for _, output in shown]
    similarity = (vectors[:1] @ vectors[1:].T)[0]
    assert answer(query, shown) == names[slow_vote([float(one) for one in similarity], votes, 0.2)]


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        (["0324"], False),
        (["St. Mary ward"], False),
        (["Discharge to home with oxygen"], False),
        (["one two three four five six seven eight"], False),
        (["one two three four five six seven eight nine"], True),
        (["No cough. No fever."], True),
        (["No cough\nNo fever"], True),
        (["None.", "None.", "None.", "No cough. No fever."], False),
        (["None.", "None.", "Chest pain.", "No cough. No fever."], True),
        ([LONG] * 3 + ["Transfer"] * 2, False),
        ([LONG, "", ""], True),
        (["", " "], False),
        ([], False),
    ],
)
def test_texts_are_long_and_do_not_recur(outputs: list[str], expected: bool) -> None:
    """One output of more than 8 words or two sentences makes texts, unless half of the distinct ones recur."""
    assert show_texts(outputs) == expected


def test_a_long_label_that_recurs_is_voted_on() -> None:
    """Where a long output is shown twice and nothing else, it is the answer, whatever the query says."""
    assert answer("Anything. At all.", [("lung disease", LONG), ("weak lungs", LONG)]) == LONG


def test_texts_are_extracted_or_copied() -> None:
    """Long outputs, blank ones left out, are answered as ``extract_or_copy`` does."""
    query = "Doctor: Any pain?\nPatient: I have pain in the knee."
    assert answer(query, [*NOTES, ("Doctor: Well?", " ")]) == extract_or_copy(query, NOTES)
    assert answer(query, NOTES[:1]) == "Any pain? I have pain in the knee."


def test_span_lists_are_answered_by_tagging() -> None:
    """Span lists of the inputs' own words are answered with spans of the query."""
    shown = [("She takes atenolol .", "atenolol [Drug]"), ("Nothing .", "none"), ("He sleeps .", " ")]
    assert answer("They take Atenolol .", shown) == tag_spans("They take Atenolol .", shown) == "Atenolol [Drug]"


def test_labels_in_the_form_of_spans_are_voted_on() -> None:
    """What looks like a span but stands in no input is a label, and so is the word none alone."""
    assert answer("mri brain", [("brain scan", "imaging [Department]")]) == "imaging [Department]"
    assert answer("mri brain", [("brain scan", "none"), ("visit", "none")]) == "none"


@pytest.mark.parametrize("shown", [[("a", "b")], NOTES, [("zinc", "zinc [Drug]")]])
def test_a_blank_query_has_no_answer(shown: list[tuple[str, str]]) -> None:
    """Nothing asked, nothing answered."""
    assert answer(" \n", shown) == ""

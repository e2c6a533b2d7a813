"""Long answers come from the query's own sentences or from an output shown, as the demonstrations' pairs say."""

from math import exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import briefly

from metachain.embedding.similarity import lexical_vectors
from metachain.scoring.extractive import copy_output, extract, extract_or_copy, split_sentences

COMPLAINTS = ("a dry cough at night", "pain in the left knee", "a rash on both arms", "trouble with falling asleep")
QUERY = "Doctor: Good morning, how are you?\nPatient: I have had a sore throat since Friday.\nDoctor: Thanks, goodbye."
KEPT = [
    (
        f"Doctor: Good morning, how are you?\nPatient: I have had {what} since Monday.\nDoctor: Thanks, goodbye.",
        f"I have had {what} since Monday.",
    )
    for what in COMPLAINTS
]
COPIED = [(text, "Normal. Reviewed with the family as usual.") for text, _ in KEPT]
WORDS = st.lists(st.sampled_from(["knee", "cough", "the", "b12", "Is", "fine", "no"]), min_size=1, max_size=5)
SENTENCES = st.lists(WORDS.map(lambda words: " ".join(words) + "."), min_size=1, max_size=4).map(" ".join)
PAIRS = st.lists(st.tuples(SENTENCES, SENTENCES), min_size=1, max_size=4)


def words(text: str) -> list[str]:
    """Lower-case words of a text without punctuation."""
    return [one.strip(".,?!").lower() for one in text.split()]


def cosine(one: str, other: str) -> float:
    """Lexical similarity of two texts."""
    left, right = lexical_vectors([one, other])
    return float(left @ right)


def slow_extract(query: str, shown: list[tuple[str, str]]) -> str:
    """Extraction by loops, for texts of plain words and full stops without speakers and headings."""
    weight = [exp(cosine(query, text) / 0.2) for text, _ in shown]
    wanted = sum(w * len(words(output)) for w, (_, output) in zip(weight, shown, strict=True)) / sum(weight)
    wanted, scores = round(wanted, 6), []
    for asked in split_sentences(query):
        over, under = 0.0, 0.0
        for w, (text, output) in zip(weight, shown, strict=True):
            for sentence in split_sentences(text):
                near = w * exp((cosine(asked, sentence) - 1) / 0.05)
                over += near * float(np.mean([word in words(output) for word in words(sentence)]))
                under += near
        scores.append(round(over / under, 6))
    taken: list[int] = []
    sentences = split_sentences(query)
    for place in sorted(range(len(scores)), key=lambda one: (-scores[one], one)):
        size = sum(len(words(sentences[one])) for one in taken)
        room = size + len(words(sentences[place])) / 2 <= wanted
        if not taken or (room and scores[place] >= max(scores) / 4):
            taken.append(place)
    return " ".join(sentences[place] for place in sorted(taken))


def overlap(one: str, other: str) -> float:
    """F1 of two bags of words, by counting."""
    left, right = words(one), words(other)
    common = sum(min(left.count(word), right.count(word)) for word in set(left))
    return 2 * common / (len(left) + len(right))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One here. Two there!  Three? four", ["One here.", "Two there!", "Three?", "four"]),
        ("Doctor: Hello.\n[patient] hi . no pain .", ["Hello.", "hi .", "no pain ."]),
        ("Guest_family: He fell.\n\nDr: When?", ["He fell.", "When?"]),
        ("Temperature: 38.5 degrees\nPatient was seen.", ["Temperature: 38.5 degrees", "Patient was seen."]),
        ("... \n - \n", []),
        ("", []),
    ],
)
def test_sentences_end_at_signs_and_lines(text: str, expected: list[str]) -> None:
    """Speakers' tags and pieces without a word go; other headings, numbers and names stay."""
    assert split_sentences(text) == expected


@given(SENTENCES, PAIRS)
@briefly
def test_extraction_follows_its_formula(query: str, shown: list[tuple[str, str]]) -> None:
    """The sentences taken are those of a slow computation from the formula."""
    assert extract(query, shown) == slow_extract(query, shown)


@given(SENTENCES, PAIRS)
@briefly
def test_the_output_copied_agrees_most_with_the_others(query: str, shown: list[tuple[str, str]]) -> None:
    """No output shown has a higher mean overlap with all of them, weighed by similarity, than the one copied."""
    weight = [exp(cosine(query, text) / 0.2) for text, _ in shown]

    def expected(output: str) -> float:
        return sum(w * overlap(output, other) for w, (_, other) in zip(weight, shown, strict=True)) / sum(weight)

    copied = copy_output(query, shown)
    assert expected(copied) == pytest.approx(max(expected(output) for _, output in shown), abs=1e-5)


def test_what_the_demonstrations_keep_is_kept() -> None:
    """Greetings go and the complaint stays where the outputs shown do so."""
    assert extract(QUERY, KEPT) == "I have had a sore throat since Friday."
    assert extract_or_copy(QUERY, KEPT) == "I have had a sore throat since Friday."


def test_what_the_demonstrations_repeat_is_copied() -> None:
    """Where all outputs say the same, the same is said again."""
    assert extract_or_copy(QUERY, COPIED) == "Normal. Reviewed with the family as usual."


def test_longer_outputs_make_longer_answers() -> None:
    """As many words are taken as the outputs shown have; sentences stand in the query's order and wording."""
    query = "The knee hurts. The ankle is swollen. The hip is fine."
    short = [("The knee hurts. The hip is fine.", "The hip is fine.")]
    long = [("The knee hurts. The hip is fine.", "The knee hurts and the ankle is swollen and the hip is fine.")]
    assert extract(query, short) == "The hip is fine."
    assert extract(query, long) == query


def test_no_word_of_a_sentence_is_left_out() -> None:
    """A negation is never dropped, even where no output shown has one."""
    shown = [("I do see a swelling in the ankle.", "A swelling in the ankle is to be seen.")]
    assert extract("I do not see a swelling in the knee.", shown) == "I do not see a swelling in the knee."


def test_a_shared_first_line_goes_before() -> None:
    """A heading that most outputs of several lines share is set over the sentences; one of a single output isn't."""
    headed = [(text, f"COMPLAINT\n\n{output}") for text, output in KEPT]
    assert extract(QUERY, headed) == "COMPLAINT\n\nI have had a sore throat since Friday."
    assert extract(QUERY, headed[:1]) == "I have had a sore throat since Friday."
    assert extract(QUERY, [headed[0], *KEPT[1:]]) == "I have had a sore throat since Friday."


def test_a_single_demonstration_is_not_copied() -> None:
    """One demonstration can't check which way is better: its output, another patient's, isn't copied."""
    assert extract_or_copy(QUERY, KEPT[:1]) == "I have had a sore throat since Friday."


@pytest.mark.parametrize("query", ["", " \n", "... !"])
def test_a_query_without_sentences_is_copied_for(query: str) -> None:
    """With nothing to extract from, extraction is empty and the most agreed output is left."""
    assert extract(query, COPIED) == ""
    assert extract_or_copy(query, COPIED) == COPIED[0][1]


def test_nothing_shown_gives_nothing() -> None:
    """Without demonstrations all three answer with the empty string."""
    assert [way(QUERY, []) for way in (extract, copy_output, extract_or_copy)] == ["", "", ""]


def test_inputs_without_sentences_say_nothing() -> None:
    """Where no input shown has a sentence the query's first ones are taken."""
    assert extract("The knee hurts. The hip is fine.", [("", "Three words here."), ("...", "And three more.")]) == (
        "The knee hurts."
    )


@given(SENTENCES, PAIRS.flatmap(lambda shown: st.tuples(st.just(shown), st.permutations(shown))))
@briefly
def test_the_order_of_demonstrations_does_not_matter(
    query: str, orders: tuple[list[tuple[str, str]], list[tuple[str, str]]]
) -> None:
    """The answer is the same in whatever order demonstrations are shown."""
    one, other = orders
    assert extract_or_copy(query, one) == extract_or_copy(query, other)


@given(SENTENCES, PAIRS)
@briefly
def test_an_answer_is_an_output_or_sentences_of_the_query(query: str, shown: list[tuple[str, str]]) -> None:
    """Nothing is made up: the answer is an output shown, or sentences of the query in its order."""
    answered = extract_or_copy(query, shown)
    left = iter(split_sentences(query))
    assert answered in [output for _, output in shown] or all(one in left for one in split_sentences(answered))

"""Sets of labels: one canonical form, whatever the order, the separator, duplicates and blanks."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metachain.errors import DataError
from metachain.label_sets import LabelSets, label_sets, proposed_separator

LABELS = st.lists(st.text("abcXYZ019.-é", min_size=1, max_size=6), min_size=1, max_size=6)
BLANKS = st.sampled_from(["", " ", "  ", "\u00a0", "\u200b"])


@pytest.mark.parametrize("separators", [";", "|", ",", "newline", "/", ";,\n", "||", "; ", "tab"])
@given(data=st.data(), labels=LABELS)
def test_the_form_knows_no_order_duplicates_blanks_or_empty_parts(
    separators: str, data: st.DataObject, labels: list[str]
) -> None:
    """Any order, repetition and spacing of the same labels has one form, which is its own form."""
    sets = LabelSets(separators)
    parts = data.draw(st.permutations([*labels, *data.draw(st.lists(st.sampled_from([*labels, ""])))]))
    sign = sets.separators[-1]
    text = sign.join(data.draw(BLANKS) + part + data.draw(BLANKS) for part in parts)
    assert sets.labels(text) == tuple(sorted(set(map(sets.form, labels))))
    assert sets.form(text) == sets.form(sets.form(text)) == sets.join(labels)


@given(text=st.text('ab;,"[]() \n', max_size=14))
def test_the_form_of_any_text_is_its_own_form(text: str) -> None:
    """Also with brackets and quotes, balanced or not."""
    sets = LabelSets(";,\n")
    assert sets.form(sets.form(text)) == sets.form(text)


def test_quotes_and_brackets_keep_a_separator_in_its_label() -> None:
    """A label that holds the separator is quoted or bracketed; a list in JSON is a set."""
    sets = LabelSets(",")
    assert sets.labels('cough, "pneumonia, other"') == ('"pneumonia, other"', "cough")
    assert sets.labels("burn (hand, left), fall") == ("burn (hand, left)", "fall")
    assert sets.form('["R05", "A01"]') == "A01, R05"
    assert sets.labels(" , ,, ") == ()


@pytest.mark.parametrize("separators", ["", "a", "and", '"', "(", 3])
def test_what_cannot_separate_is_refused(separators: object) -> None:
    """Letters, digits, quotes and brackets stand in labels."""
    with pytest.raises(DataError, match="separat"):
        LabelSets(separators)  # type: ignore[arg-type]
    assert label_sets("") is None


@pytest.mark.parametrize("sign", [";", "|", ",", "\n", " / "])
def test_a_separator_is_proposed_where_parts_recur(sign: str) -> None:
    """Parts stand alone, and in other company."""
    outputs = Counter([f"J10{sign}R05", f"R05{sign}R50", "R05", f"R50{sign}J10", "K21"])
    assert proposed_separator(outputs)[0] == sign.strip(" ")


@pytest.mark.parametrize(
    "outputs",
    [
        ["1,5", "1,7", "2,5", "5,1"],
        ["03/04/2024", "04/03/2024", "03/03/2024"],
        ["pt seen, doing well today and ready to go, no pain", "no pain, patient doing well and eager to leave"],
        ["A00-A09", "A09-B99", "A00-B99"],
        ["hip; left", "knee", "hand; right"],
        ["0320", "0250"],
        [],
    ],
)
def test_no_separator_is_proposed_for_numbers_dates_sentences_and_ranges(outputs: list[str]) -> None:
    """Their parts are no labels, or don't recur."""
    assert proposed_separator(Counter(outputs)) == ("", "")

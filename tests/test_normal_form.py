"""The form in which names, ids and labels are compared."""

from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metachain.normal_form import label_form, normal_form

SPELLINGS = {
    "a blank at the end": "clínica sur ",
    "blanks of a fixed width": "clínica sur".ljust(20),
    "a blank in front": " clínica sur",
    "a no-break space": "clínica\u00a0sur",
    "a narrow no-break space": "clínica\u202fsur",
    "an ideographic space": "clínica\u3000sur",
    "two blanks": "clínica  sur",
    "a tab and a line break": "clínica\t\r\nsur",
    "decomposed letters": normalize("NFD", "clínica sur"),
    "a zero-width space": "clín\u200bica sur",
    "a byte order mark": "\ufeffclínica sur",
    "a soft hyphen": "clí\u00adnica sur",
    "a joiner": "clinica sur".replace("i", "i\u200d", 1).replace("i\u200d", "í\u200d", 1),
    "a mark of direction": "clínica sur\u200e",
    "an accent behind a zero-width space": "cli\u200b\u0301nica sur",
    "a word joiner": "clínica \u2060sur",
}


@pytest.mark.parametrize("spelled", SPELLINGS.values(), ids=SPELLINGS)
def test_what_looks_the_same_is_the_same(spelled: str) -> None:
    """Spellings that nobody can tell apart have one normal form."""
    assert normal_form(spelled) == label_form(spelled).replace("\n", " ") == "clínica sur"


@pytest.mark.parametrize(
    "other", ["Clínica sur", "clinica sur", "clínicasur", "clínica-sur", "clínica sur 0", ".5", "05"]
)
def test_what_looks_different_stays_different(other: str) -> None:
    """Case, accents, punctuation and zeros count."""
    assert normal_form(other) == other


def test_joiners_stay_where_they_change_what_is_read() -> None:
    """A joined emoji and a Persian word keep their joiners."""
    for text in ("👩\u200d🔬", "می\u200cخواهم"):
        assert normal_form(text) == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_the_form_of_a_form_is_itself(text: str) -> None:
    """Both forms are stable, and the same for a text however its letters are composed."""
    for form in (normal_form, label_form):
        assert form(form(text)) == form(text)
        assert form(normalize("NFD", text)) == form(normalize("NFC", text))


def test_lines_of_an_output_stay_lines() -> None:
    """An output of several lines is compared line by line, without blanks around each, or empty lines at the ends."""
    assert label_form("\n  one \u00a0 two \r\n three\n\n") == "one two\nthree"

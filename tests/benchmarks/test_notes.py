"""How much of what identifies patients is found in synthetic notes: what docs/deidentification.md says."""

import pytest

from benchmarks.deidentification.note_templates import DEVELOPMENT, HELD_OUT
from benchmarks.deidentification.notes import notes
from benchmarks.deidentification.recall import NOTES, SEED, shares, wilson

pytest.importorskip("presidio_analyzer", reason="needs the extra 'deidentify'")

LEAST = {
    False: {"PERSON": 0.98, "all": 0.99},
    True: {
        "AGE": 0.79,
        "DATE_TIME": 0.94,
        "LICENSE_NUMBER": 0.66,
        "LOCATION": 0.84,
        "PERSON": 0.81,
        "US_SSN": 0.5,
        "all": 0.88,
    },
}
"""Recall of development and held-out notes; of every other kind nothing is missed."""


def test_notes_know_their_identifiers() -> None:
    """Every identifier is where the note says, in order, and the same seed gives the same notes."""
    for held_out in (False, True):
        several = notes(20, 3, held_out)
        assert several == notes(20, 3, held_out)
        for note in several:
            edges = [edge for one in note.known for edge in (one.start, one.end)]
            assert edges == sorted(edges)
            assert all(note.text[one.start : one.end].strip() for one in note.known)


def test_held_out_notes_share_nothing_with_development() -> None:
    """Neither templates nor names nor places, so that what is found in them was not tuned on."""
    for field in ("heads", "lines", "given", "surnames", "towns", "streets"):
        assert not set(getattr(DEVELOPMENT, field)) & set(getattr(HELD_OUT, field))


@pytest.mark.parametrize("held_out", [False, True])
def test_as_much_is_found_as_the_docs_say(held_out: bool) -> None:
    """Of the notes of one seed, so that the figures are the same wherever they are measured."""
    for kind, (recall, _, _, precision, _) in shares(notes(NOTES, SEED, held_out)).items():
        assert recall >= LEAST[held_out].get(kind, 1.0), kind
        assert precision >= 0.98, kind


def test_wilson_intervals() -> None:
    """Against a textbook case: 8 of 10 are between 0.49 and 0.94; and nothing missed is not certainty."""
    assert wilson(0.8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(1.0, 4) == pytest.approx((0.5101, 1.0), abs=1e-4)

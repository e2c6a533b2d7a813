"""Synthetic notes with known identifiers, drawn from lists and templates; none belongs to a person.

The recognisers of ``metachain.deidentification.identifiers`` were tuned on notes of the development templates and
names. The held-out ones (``note_templates``) share neither templates nor names with them, and no rule was changed after
their measurement.
"""

import re
from dataclasses import dataclass

import numpy as np

from benchmarks.deidentification.note_templates import DEVELOPMENT, HELD_OUT
from benchmarks.deidentification.note_values import pick, value

__all__ = ["Known", "Note", "notes"]

SLOT = re.compile(r"\{(?:([A-Z_]+):)?(\w+)\}")


@dataclass(frozen=True, slots=True)
class Known:
    """A known identifier of a note, ``text[start:end]``, and its place in a template."""

    kind: str
    start: int
    end: int
    slot: str


@dataclass(frozen=True, slots=True)
class Note:
    """A synthetic note and its identifiers, in order."""

    text: str
    known: tuple[Known, ...]


def notes(count: int, seed: int, held_out: bool = False) -> list[Note]:
    """Draw notes from the development or the held-out templates; the same seed gives the same notes."""
    rng = np.random.default_rng([seed, held_out])
    return [_note(rng, HELD_OUT if held_out else DEVELOPMENT) for _ in range(count)]


def _note(rng, source):
    patient = (pick(rng, source.given), pick(rng, source.surnames))
    drawn = rng.permutation(len(source.lines))[: rng.integers(5, 10)]
    chosen = [pick(rng, source.heads), *(source.lines[place] for place in drawn), pick(rng, source.ends)]
    text, known = "", []
    for template in chosen:
        place = 0
        for match in SLOT.finditer(template):
            text += template[place : match.start()]
            written = value(rng, source, patient, match[2])
            if match[1]:
                known.append(Known(match[1], len(text), len(text) + len(written), f"{template}@{match.start()}"))
            text += written
            place = match.end()
        text += template[place:] + ("\n" if rng.random() < 0.7 else " ")
    return Note(text, tuple(known))

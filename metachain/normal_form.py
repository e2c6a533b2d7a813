"""Normal form: how names, ids and labels are compared, so that two spellings of one thing are one thing.

Two texts that look the same are the same here: composed and decomposed letters (Unicode's form NFC), no-break and other
blanks, zero-width characters and soft hyphens, blanks at the ends, and runs of blanks. Letter case, punctuation and
leading zeros count; ``metachain.data.look_alikes`` tells of names that differ only in these.

Names of institutions and groups, ids and keys of patients are identifiers. They are stored in normal form, so that a
database compares them byte by byte, and every entry brings what it is given into that form. Inputs and outputs are
texts: they are stored and shown as they were given, and compared by their normal form. An output's is its ``label``.
"""

import re
from unicodedata import normalize

__all__ = ["label_form", "normal_form", "visible"]

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
    "|(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
)
"""Soft hyphens, zero-width characters and marks of direction. Joiners between two letters, or emoji, beyond ASCII stay:
in some scripts they change what is read."""


def normal_form(text: str) -> str:
    """The form in which names, ids and labels are compared; empty for a text that shows nothing."""
    return " ".join(visible(text).split())


def label_form(text: str) -> str:
    """The form in which outputs are compared: the normal form of each line, without empty lines at the ends."""
    shown = visible(text).strip()
    return "\n".join(" ".join(line.split()) for line in shown.split("\n")) if "\n" in shown else " ".join(shown.split())


def visible(text: str) -> str:
    """The text in Unicode's form NFC, without characters that show nothing. Blanks stay as they are."""
    if text.isascii():
        return text
    composed = normalize("NFC", text)
    # What an invisible character kept apart may be composed now, and a joiner may have another neighbour.
    while (shown := normalize("NFC", _INVISIBLE.sub("", composed))) != composed:
        composed = shown
    return composed

"""Look-alikes: names or labels that differ only in what a person, or a program on the way, easily changes.

They differ in letter case, blanks, punctuation, leading zeros or letters of other scripts that look the same. They may
be two things, so nothing joins them by itself: they are told, and ``metachain rename`` joins them.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from unicodedata import combining, normalize

from metachain.normal_form import normal_form

__all__ = ["look_alike_groups", "look_alike_key", "look_alikes_of"]

SAME_LETTERS = str.maketrans(
    "авекмнорстухіјѕҽԁһӏԛԝαβεηικμνορτυχγω",
    "abekmhopctyxijsedhlqwabenikmvoptuxyw",
)
"""Small letters of Cyrillic and Greek, each with the Latin one that it, or its capital, looks like."""
SIGNS = "+<>=≤≥±%~^"
"""Signs that say something else: a blood group A+ is not A."""
_DROPPED = re.compile(rf"(?<=\w)-(?=\w)|[^\w{re.escape(SIGNS)}-]|_")
_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")


def look_alike_key(text: str) -> str:
    """The part that look-alikes have in common; empty for a text of punctuation alone."""
    letters = normalize("NFKD", normal_form(text)).casefold()
    plain = "".join(one for one in letters if not combining(one)).translate(SAME_LETTERS)
    return _DROPPED.sub("", _ZEROS.sub("", plain))


def look_alike_groups(names: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Groups of two or more distinct names that look alike, each and all in alphabetical order."""
    groups: defaultdict[str, set[str]] = defaultdict(set)
    for name in names:
        if key := look_alike_key(name):
            groups[key].add(normal_form(name))
    return tuple(sorted(tuple(sorted(group)) for group in groups.values() if len(group) > 1))


def look_alikes_of(name: str, names: Iterable[str]) -> tuple[str, ...]:
    """Other names that look like one, in alphabetical order."""
    key, own = look_alike_key(name), normal_form(name)
    others = {normal_form(one) for one in names if key and look_alike_key(one) == key}
    return tuple(sorted(others - {own}))

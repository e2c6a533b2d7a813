"""Own labels of an institution: of several answers to one text the newest counts."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import same_text
from metachain.errors import NotFoundError
from metachain.library.library import Library

__all__ = ["Conflict", "conflicts", "current_labels", "newest_first", "order_of_time", "read_current_labels"]
__all__ += ["read_own_labels"]

ENOUGH = 16
"""Number of labels from which their order in time may show a change."""

Age = tuple[float, int]
"""Moment at which an answer was given, in seconds, 0 where that isn't known; number of the change it came in with."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """A text to which one institution has given several answers."""

    newest: Demonstration
    """The one that counts for this text."""
    others: tuple[Demonstration, ...]
    """Those with another answer, the newest first."""


def conflicts(library: Library, institution: str) -> tuple[Conflict, ...]:
    """Conflicts among an institution's demonstrations, in the order of their texts, without those to be kept both."""
    labels, numbers = read_own_labels(library, institution)
    found = []
    for _, (first, *others) in sorted(newest_first(labels, numbers).items()) if numbers else ():
        newest = labels[first]
        differing = tuple(labels[place] for place in others if _contradict(newest, labels[place]))
        if differing:
            found.append(Conflict(newest, differing))
    return tuple(found)


def read_own_labels(library: Library, institution: str) -> tuple[Sequence[Demonstration], Mapping[str, int]]:
    """Read an institution's labels, and for each id the number of the change with which it came in.

    The numbers are empty for fewer than 16 labels, if no text has two answers: then their order decides nothing.
    """
    try:
        labels = library.demonstrations(institution)
    except NotFoundError:
        return (), {}
    answers: dict[str, str] = {}
    if len(labels) < ENOUGH and all(
        answers.setdefault(same_text(one.input), one.output) == one.output for one in labels
    ):
        return labels, {}
    return labels, library.change_numbers(institution)


def read_current_labels(
    library: Library, institution: str, *, exclusive: bool
) -> tuple[Sequence[Demonstration], Mapping[str, int]]:
    """``read_own_labels``, where answers are ``exclusive``, as labels are, without the superseded ones."""
    labels, numbers = read_own_labels(library, institution)
    return current_labels(labels, numbers) if exclusive else labels, numbers


def newest_first(labels: Sequence[Demonstration], numbers: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """Places of the labels of each text (``similarity.same_text``), the newest first.

    Where all labels of a text have a date (``Demonstration.date``), the latest is the newest, else the one that came in
    last. Of equally new ones, those whose answer more of them have come first, then the last id.
    """
    return {text: tuple(place for place, _ in found) for text, found in _ranked(labels, numbers).items()}


def current_labels(labels: Sequence[Demonstration], numbers: Mapping[str, int]) -> Sequence[Demonstration]:
    """Labels without the superseded ones: those of a text that was later answered differently."""
    if not numbers:
        return labels
    superseded: set[int] = set()
    for (first, newest), *others in _ranked(labels, numbers).values():
        older = (place for place, age in others if age < newest)
        superseded.update(place for place in older if _contradict(labels[first], labels[place]))
    return [one for place, one in enumerate(labels) if place not in superseded]


def order_of_time(labels: Sequence[Demonstration], numbers: Mapping[str, int]) -> NDArray[np.int64]:
    """Place (k,) of each label in the order of time, equal for those that came in together.

    Where all labels have a date, the order is that of their dates, else that in which they came in.
    """
    dates = [one.date for one in labels]
    known = [one.timestamp() for one in dates if one is not None]
    moments = known if len(known) == len(labels) else [numbers.get(one.id, 0) for one in labels]
    return np.unique(np.array(moments, float), return_inverse=True)[1].astype(np.int64)


def _contradict(one: Demonstration, other: Demonstration) -> bool:
    return one.output != other.output and not one.keeps_both and not other.keeps_both


def _ranked(labels: Sequence[Demonstration], numbers: Mapping[str, int]) -> dict[str, list[tuple[int, Age]]]:
    """Places and ages of the labels of each text, the newest first."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(labels):
        places[same_text(one.input)].append(place)
    return {text: _newest_first(labels, found, numbers) for text, found in places.items()}


def _newest_first(
    labels: Sequence[Demonstration], places: Sequence[int], numbers: Mapping[str, int]
) -> list[tuple[int, Age]]:
    dates = [labels[place].date for place in places]
    by_date = [one.timestamp() for one in dates if one is not None]
    first = by_date if len(by_date) == len(places) else [0.0] * len(places)
    ages = [(moment, numbers.get(labels[place].id, 0)) for moment, place in zip(first, places, strict=True)]
    said = {place: (age, labels[place].output) for place, age in zip(places, ages, strict=True)}
    votes = Counter(said.values())
    order = sorted(places, key=lambda place: (said[place][0], votes[said[place]], place), reverse=True)
    return [(place, said[place][0]) for place in order]

"""Own word of an institution: its labels, of which the newest counts for a text, and its scored answers."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import normalise_text, same_text
from metachain.errors import NotFoundError
from metachain.label_sets import LabelSets
from metachain.library.library import Library
from metachain.library.outcomes import Outcome
from metachain.normal_form import label_form

__all__ = ["MOST_SCORED", "Conflict", "ScoredAnswer", "conflicts", "current_labels", "newest_first", "order_of_time"]
__all__ += ["read_current_labels", "read_own_labels", "scored_answers"]

ENOUGH = 16
"""Number of labels from which their order in time may show a change."""

MOST_SCORED = 400
"""Maximum number of scored answers; with more, the posterior would take more than some milliseconds."""

MOST_READ = 4000
"""Maximum number of outcomes that are read for them."""

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
    if len(labels) < ENOUGH and all(answers.setdefault(same_text(one.input), one.label) == one.label for one in labels):
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
    return one.label != other.label and not one.keeps_both and not other.keeps_both


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
    said = {place: (age, labels[place].label) for place, age in zip(places, ages, strict=True)}
    votes = Counter(said.values())
    order = sorted(places, key=lambda place: (said[place][0], votes[said[place]], place), reverse=True)
    return [(place, said[place][0]) for place in order]


@dataclass(frozen=True, slots=True)
class ScoredAnswer:
    """An answer to a normalised text, with the probability, in [0, 1], that the institution would give it."""

    input: str
    answer: str
    score: float


def scored_answers(
    outcomes: Iterable[Outcome], labelled: Iterable[str], known: Collection[str] | None, sets: LabelSets | None = None
) -> tuple[ScoredAnswer, ...]:
    """Scored answers from an institution's outcomes, which come newest score first; ordered by input and answer.

    Left out are answers with a correction, as the correction is a label; answers to an input that is ``labelled``; and
    answers that are not ``known``, in the form in which labels are compared. With ``known`` None, as where
    answers are texts, any answer that isn't blank is taken. An answer given several times to the same input counts
    once, with its mean score: repetition is no further evidence. The latest 400 are kept, of the latest 4,000 outcomes.
    """
    labelled_texts = {normalise_text(one) for one in labelled}
    scores: dict[tuple[str, str], list[float]] = {}
    for one in islice(outcomes, MOST_READ):
        text = normalise_text(one.input)
        answer = sets.form(one.answer) if sets else label_form(one.answer)
        if one.score is None or one.correction is not None or text in labelled_texts:
            continue
        if not answer or (known is not None and answer not in known):
            continue
        if (text, answer) not in scores and len(scores) == MOST_SCORED:
            break
        scores.setdefault((text, answer), []).append(one.score)
    return tuple(ScoredAnswer(text, answer, fmean(given)) for (text, answer), given in sorted(scores.items()))

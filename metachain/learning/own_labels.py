"""Own labels of an institution: of several answers to one text the newest counts."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import same_text
from metachain.errors import NotFoundError
from metachain.library.library import Library

__all__ = ["Conflict", "conflicts", "current_labels", "keeps_both", "newest_first"]
__all__ += ["read_current_labels", "read_own_labels"]


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


def keeps_both(one: Demonstration) -> bool:
    """True if ``metadata.keep_both`` says that its answer is right beside others to the same text."""
    return one.metadata.get("keep_both") is True


def read_own_labels(library: Library, institution: str) -> tuple[Sequence[Demonstration], Mapping[str, int]]:
    """Read an institution's labels, and for each id the number of the change with which it came in.

    The numbers are empty where no text has two answers: then their order decides nothing.
    """
    try:
        labels = library.demonstrations(institution)
    except NotFoundError:
        return (), {}
    answers: dict[str, str] = {}
    if all(answers.setdefault(same_text(one.input), one.output) == one.output for one in labels):
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

    Of labels that came in with one change, those whose answer more of them have come first, then the last id.
    """
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(labels):
        places[same_text(one.input)].append(place)
    return {text: _ranked(labels, found, numbers) for text, found in places.items()}


def current_labels(labels: Sequence[Demonstration], numbers: Mapping[str, int]) -> Sequence[Demonstration]:
    """Labels without the superseded ones: those of a text that a later change answered differently."""
    if not numbers:
        return labels
    superseded: set[int] = set()
    for first, *others in newest_first(labels, numbers).values():
        newest = labels[first]
        older = (place for place in others if numbers[labels[place].id] < numbers[newest.id])
        superseded.update(place for place in older if _contradict(newest, labels[place]))
    return [one for place, one in enumerate(labels) if place not in superseded]


def _contradict(one: Demonstration, other: Demonstration) -> bool:
    return one.output != other.output and not keeps_both(one) and not keeps_both(other)


def _ranked(labels: Sequence[Demonstration], places: Sequence[int], numbers: Mapping[str, int]) -> tuple[int, ...]:
    said = {place: (numbers.get(labels[place].id, 0), labels[place].output) for place in places}
    votes = Counter(said.values())
    return tuple(sorted(places, key=lambda place: (said[place][0], votes[said[place]], place), reverse=True))

"""What the target institution itself said of each text: the newest of its labels counts."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import same_text
from metachain.errors import NotFoundError
from metachain.library.library import Library

__all__ = ["current_labels", "newest_first", "read_own_labels"]


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
        superseded.update(place for place in older if labels[place].output != newest.output)
    return [one for place, one in enumerate(labels) if place not in superseded]


def _ranked(labels: Sequence[Demonstration], places: Sequence[int], numbers: Mapping[str, int]) -> tuple[int, ...]:
    said = {place: (numbers.get(labels[place].id, 0), labels[place].output) for place in places}
    votes = Counter(said.values())
    return tuple(sorted(places, key=lambda place: (said[place][0], votes[said[place]], place), reverse=True))

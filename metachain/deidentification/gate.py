"""The gate on the way into a library: what identifies a patient is flagged, replaced or refused."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast, get_args

from metachain.data.demonstration import Demonstration
from metachain.deidentification.identifiers import identifiers_of, replaced
from metachain.errors import DataError

__all__ = ["Action", "Gate", "gate_named"]

Action = Literal["off", "flag", "redact", "refuse"]


@dataclass(frozen=True, slots=True)
class Gate:
    """What is done with demonstrations that hold identifiers: an aid, no guarantee.

    ``off`` lets all pass as they are; ``flag`` counts the identifiers by kind in ``metadata["identifiers"]``;
    ``redact`` also replaces each by its kind, ``<KIND>``, in input and output; ``refuse`` raises. ``analyzer`` is a
    Presidio ``AnalyzerEngine`` that is asked besides our own recognisers. Institution, id and metadata are not read.
    Presidio is loaded when the first demonstration comes. Raises DataError for another action.
    """

    action: Action
    analyzer: Any = None

    def __post_init__(self) -> None:
        if self.action not in get_args(Action):
            raise DataError(f"a gate's action must be one of {', '.join(get_args(Action))}, got {self.action!r}")

    def passed(self, demonstration: Demonstration) -> Demonstration:
        """What may be stored of a demonstration: itself where nothing is found, or what the action makes of it.

        An id that was derived from the texts is derived anew from the redacted ones; an id that was given stays.
        Raises DataError that names the kinds and how many (``refuse``), or the extra to install for Presidio; never
        the text.
        """
        if self.action == "off":
            return demonstration
        texts, counts = _redacted((demonstration.input, demonstration.output), self.analyzer, self.action == "redact")
        if not counts:
            return demonstration
        if self.action == "refuse":
            raise DataError(_refusal(demonstration, counts))
        metadata = {**demonstration.metadata, "identifiers": counts}
        if self.action == "flag":
            return replace(demonstration, metadata=metadata)
        given = demonstration.id if _is_given(demonstration) else ""
        return Demonstration(demonstration.institution, *texts, id=given, metadata=metadata)


def gate_named(action: str) -> Gate | None:
    """The gate of a word of the command line; None for "off". Raises DataError for any word but the four."""
    if action not in get_args(Action):
        raise DataError(f"de-identification must be one of {', '.join(get_args(Action))}, got {action!r}")
    return None if action == "off" else Gate(cast(Action, action))


def _redacted(texts: tuple[str, str], analyzer: Any, again: bool) -> tuple[tuple[str, str], dict[str, int]]:
    """The texts with identifiers replaced, and counts by kind; ``again`` until nothing new shows."""
    counts: Counter[str] = Counter()
    while True:
        found = identifiers_of(texts, analyzer)
        if not any(found):
            return texts, dict(sorted(counts.items()))
        counts.update(one.kind for several in found for one in several)
        texts = (replaced(texts[0], found[0]), replaced(texts[1], found[1]))
        if not again:
            return texts, dict(sorted(counts.items()))


def _is_given(demonstration: Demonstration) -> bool:
    return demonstration.id != Demonstration(demonstration.institution, demonstration.input, demonstration.output).id


def _refusal(demonstration: Demonstration, counts: Mapping[str, int]) -> str:
    kinds = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    return (
        f"demonstration {demonstration.id!r} of {demonstration.institution!r} holds what may identify patients: {kinds}"
        '; remove it, or let it be replaced: Gate("redact")'
    )

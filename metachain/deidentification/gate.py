"""Gate of a library: flags, redacts or refuses patient identifiers in new demonstrations."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Literal, cast, get_args

from metachain.data.demonstration import Demonstration
from metachain.deidentification.identifiers import identifiers_of, replaced
from metachain.errors import DataError

__all__ = ["Action", "Gate", "gate_named"]

Action = Literal["off", "flag", "redact", "refuse"]


@dataclass(frozen=True, slots=True)
class Gate:
    """Handling of demonstrations that contain patient identifiers; an aid, not a guarantee.

    ``off`` lets all demonstrations pass unchanged. ``flag`` counts the identifiers by kind in
    ``metadata["identifiers"]``. ``redact`` also replaces each identifier in input and output by its kind, ``<KIND>``.
    ``refuse`` raises DataError. ``analyzer`` is a Presidio ``AnalyzerEngine`` that runs in addition to our recognisers.
    Institution, id and metadata are not checked. Presidio is loaded with the first demonstration. Raises DataError for
    another action.
    """

    action: Action
    analyzer: Any = None

    def __post_init__(self) -> None:
        if self.action not in get_args(Action):
            raise DataError(f"a gate's action must be one of {', '.join(get_args(Action))}, got {self.action!r}")

    def passed(self, demonstration: Demonstration) -> Demonstration:
        """The demonstration as it may be stored: unchanged without identifiers, else as the action says.

        With ``redact``, a derived id is derived again from the redacted texts; a given id stays. Raises DataError with
        the kinds and their counts (``refuse``), or with the extra to install for Presidio; the message never contains
        the text.
        """
        if self.action == "off":
            return demonstration
        texts, counts = _redacted((demonstration.input, demonstration.output), self.analyzer, self.action == "redact")
        if not counts:
            return demonstration
        if self.action == "refuse":
            kinds = ", ".join(f"{count} {kind}" for kind, count in counts.items())
            raise DataError(
                f"demonstration {demonstration.id!r} of {demonstration.institution!r} holds possible patient "
                f'identifiers: {kinds}; remove them, or redact them with Gate("redact")'
            )
        metadata = {**demonstration.metadata, "identifiers": counts}
        if self.action == "flag":
            return replace(demonstration, metadata=metadata)
        derived = Demonstration(demonstration.institution, demonstration.input, demonstration.output).id
        given = "" if demonstration.id == derived else demonstration.id
        return Demonstration(demonstration.institution, *texts, id=given, metadata=metadata)


def gate_named(action: str) -> Gate | None:
    """Gate of an action of the command line; None for "off". Raises DataError for an unknown action."""
    if action not in get_args(Action):
        raise DataError(f"de-identification must be one of {', '.join(get_args(Action))}, got {action!r}")
    return None if action == "off" else Gate(cast(Action, action))


def _redacted(texts: tuple[str, str], analyzer: Any, again: bool) -> tuple[tuple[str, str], dict[str, int]]:
    """Texts with identifiers replaced, and counts by kind; with ``again``, until no identifier is found any more."""
    counts: Counter[str] = Counter()
    while any(found := identifiers_of(texts, analyzer)):
        counts.update(one.kind for several in found for one in several)
        texts = (replaced(texts[0], found[0]), replaced(texts[1], found[1]))
        if not again:
            break
    return texts, dict(sorted(counts.items()))

"""How demonstrations come into a library: past its gate, then beside those that are there."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection

from metachain.bulk import insert_new, upsert
from metachain.demonstration import Demonstration
from metachain.errors import DataError
from metachain.outcomes import Outcome
from metachain.placing import place, place_again
from metachain.records import ROWS_A_QUERY, Refused, chunks, row_of, sorted_out
from metachain.revisions import moved_on
from metachain.schema import demonstrations as table
from metachain.sharing import Grant, stated
from metachain.similarity import text_sha256

__all__ = ["Added", "Gate", "admitted", "take_correction", "take_in"]


class Gate(Protocol):
    """What demonstrations pass on their way in, such as ``metachain.deidentification.Gate``."""

    def passed(self, demonstration: Demonstration) -> Demonstration:
        """What may be stored of one. Raises DataError where that is nothing."""


@dataclass(frozen=True, slots=True)
class Added:
    """What became of the demonstrations handed to ``Library.add``."""

    stored: int
    duplicates: int
    """Already there (or twice in the same call), and so left as they were."""


def admitted(gate: Gate | None, demonstration: Demonstration) -> Demonstration:
    """What a gate lets in of one; all of it where there is no gate."""
    return gate.passed(demonstration) if gate else demonstration


def take_in(
    connection: Connection,
    gate: Gate | None,
    demonstrations: Iterable[Demonstration],
    share: Grant | None,
    refused: Refused | None,
) -> Added:
    """Store demonstrations within a transaction of the keeper, who writes alone; see ``Library.add``."""
    stored = duplicates = 0
    institutions: set[str] = set()
    changed: set[str] = set()
    for chunk in chunks(_passing(gate, demonstrations, refused), ROWS_A_QUERY):
        found = sorted_out(connection, chunk, refused)
        insert_new(connection, table, [row_of(one) for one in found.fresh])
        place(connection, [text_sha256(one.input) for one in found.fresh])
        changed.update(one.institution for one in found.fresh)
        institutions.update(one.institution for _, one in chunk)
        stored, duplicates = stored + len(found.fresh), duplicates + found.duplicates
    moved_on(connection, changed)
    if share is not None:
        stated(connection, institutions, share)
    return Added(stored, duplicates)


def take_correction(connection: Connection, gate: Gate | None, outcome: Outcome, correction: str) -> None:
    """Store what an institution says instead of an answer as one of its demonstrations, or in place of an earlier one.

    The transaction is as for ``take_in``.
    """
    metadata = {"feedback": outcome.id}
    one = Demonstration(outcome.institution, outcome.input, correction, f"feedback {outcome.id}", metadata)
    row = row_of(admitted(gate, one))
    upsert(connection, table, [row])
    place_again(connection, row)


def _passing(
    gate: Gate | None, demonstrations: Iterable[Demonstration], refused: Refused | None
) -> Iterator[tuple[int, Demonstration]]:
    for position, one in enumerate(demonstrations):
        try:
            yield position, admitted(gate, one)
        except DataError as error:
            if refused is None:
                raise
            refused(position, str(error))

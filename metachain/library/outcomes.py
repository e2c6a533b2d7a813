"""Outcomes: answers of models for a query, with the demonstrations shown and the score."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from numbers import Real
from typing import Literal

from sqlalchemy import Connection, Engine, RowMapping, select, update

from metachain.data.demonstration import check_text, storable
from metachain.errors import DataError, NotFoundError
from metachain.library.bulk import batched, upsert
from metachain.library.engine import KEEPER, reading, writing
from metachain.library.revisions import bump_revision
from metachain.library.schema import outcomes as table

__all__ = ["Outcome", "Outcomes", "apply_feedback"]

IDS_A_QUERY = 500


@dataclass(frozen=True, slots=True)
class Outcome:
    """One answer of a model, the demonstrations shown for it, and its score."""

    id: str
    """Id of the chain's run (a selection's id), or of the call during policy learning."""
    origin: Literal["chain", "collected"]
    """``chain`` for a question of an application, ``collected`` for a held-out episode during policy learning."""
    institution: str
    input: str
    model: str
    shown: tuple[tuple[str, str], ...]
    """Institution and id of each demonstration, in prompt order."""
    answer: str
    metric: str = ""
    """Name of the metric behind the score; empty without a score, or if a person gave it."""
    score: float | None = None
    """Score in [0, 1]; None if the answer has not been scored."""
    correction: str | None = None
    """Correct answer; None if nobody gave one."""
    input_tokens: int = 0
    output_tokens: int = 0

    def __post_init__(self) -> None:
        """Raise DataError for a blank name or a score outside [0, 1]; unstorable characters of an answer become "?"."""
        for name in ("id", "institution", "input", "model"):
            check_text(name, getattr(self, name))
        for name in ("answer", "metric"):
            object.__setattr__(self, name, storable(getattr(self, name)))
        score: object = self.score
        if score is not None:
            if not isinstance(score, Real) or not 0 <= float(score) <= 1:
                raise DataError(f"a score must be a number from 0 to 1, got {score!r}; scale it, or leave it out")
            object.__setattr__(self, "score", float(score))
        if self.correction is not None:
            check_text("correction", self.correction)


class Outcomes:
    """Outcomes of one library."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, outcomes: Iterable[Outcome]) -> None:
        """Store outcomes in one transaction, on disk on return; an outcome with a known id replaces the one before."""
        rows = [asdict(one) for one in outcomes]
        if not rows:
            return
        with writing(self._engine, KEEPER) as connection:
            upsert(connection, table, rows)
            bump_revision(connection, {one["institution"] for one in rows if one["origin"] == "chain"})

    def get(self, id: str) -> Outcome:
        """Read one outcome. Raises NotFoundError if none has this id."""
        if found := self.by_id([id]):
            return found[id]
        raise _absent(id)

    def by_id(self, ids: Sequence[str]) -> dict[str, Outcome]:
        """Outcomes with these ids, by id; unknown ids are left out."""
        ids = [id for id in ids if id == storable(id)]
        with reading(self._engine, KEEPER) as connection:
            return {
                row.id: _outcome(row._mapping)
                for batch in batched(ids, IDS_A_QUERY)
                for row in connection.execute(select(table).where(table.c.id.in_(batch)))
            }

    def of(
        self, *, origin: Literal["chain", "collected"], institution: str | None = None, model: str | None = None
    ) -> tuple[Outcome, ...]:
        """All outcomes of one origin, ordered by id; limited to an institution or a model if these are given.

        Raises DataError for a blank name.
        """
        given = {"institution": institution, "model": model}
        named = {name: value for name, value in given.items() if value is not None}
        for name, value in named.items():
            check_text(name, value)
        query = select(table).filter_by(origin=origin, **named).order_by(table.c.id)
        with reading(self._engine, KEEPER) as connection:
            return tuple(_outcome(row._mapping) for row in connection.execute(query))

    def score(self, id: str, score: float | None, *, metric: str = "", correction: str | None = None) -> Outcome:
        """Store the score of an answer, and the correct answer if it is known; returns the outcome.

        Raises NotFoundError for an unknown id, DataError for a score that is not a number in [0, 1].
        """
        scored = replace(self.get(id), score=score, metric=metric, correction=correction)
        with writing(self._engine, KEEPER) as connection:
            _update_score(connection, scored)
        return scored


def apply_feedback(connection: Connection, id: str, score: float | None, correction: str | None) -> Outcome | None:
    """Change the outcome of a chain within a transaction; returns the new outcome, None if nothing changed.

    Raises NotFoundError if no run of a chain has this id, DataError for a bad score or correction.
    """
    query = select(table).where(table.c.id == id, table.c.origin == "chain")
    found = connection.execute(query).one_or_none() if id == storable(id) else None
    if found is None:
        raise _absent(id)
    before = _outcome(found._mapping)
    after = before if score is None else replace(before, score=score, metric="")
    after = after if correction is None else replace(after, correction=correction)
    if after == before:
        return None
    _update_score(connection, after)
    return after


def _update_score(connection: Connection, scored: Outcome) -> None:
    changed = {name: getattr(scored, name) for name in ("score", "metric", "correction")}
    connection.execute(update(table).where(table.c.id == scored.id).values(changed))
    bump_revision(connection, [scored.institution])


def _absent(id: str) -> NotFoundError:
    return NotFoundError(f"no outcome {id!r} is in the library; check the id, and that the run was recorded")


def _outcome(row: RowMapping) -> Outcome:
    return Outcome(**{**row, "shown": tuple(map(tuple, row["shown"]))})

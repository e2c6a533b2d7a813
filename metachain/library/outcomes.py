"""Outcomes: answers of models for a query, with the demonstrations shown and the score."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from numbers import Real
from typing import Literal

from sqlalchemy import Connection, Engine, RowMapping, case, delete, func, or_, select, true, tuple_, update

from metachain.data.demonstration import check_text, checked_name, storable
from metachain.errors import DataError, NotFoundError
from metachain.library.database.bulk import batched, upsert
from metachain.library.database.engine import KEEPER, reading, writing
from metachain.library.database.schema import outcomes as table
from metachain.library.revisions import bump_revision
from metachain.normal_form import normal_form
from metachain.timestamps import checked_moment, now

__all__ = ["AnswerCount", "Outcome", "Outcomes", "apply_feedback", "store_outcomes"]

IDS_A_QUERY = 500
OUTCOMES_A_PAGE = 1000
MOST_CHARACTERS = 100_000
"""Maximum length of a stored answer; the rest of a longer one is left out."""


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
    at: str = field(default="", compare=False)
    """Time of the answer, UTC, ISO 8601; the time of recording if it is not given."""
    scored_at: int | None = field(default=None, compare=False)
    """Time of the score in microseconds since 1970; None for an answer without a score."""

    def __post_init__(self) -> None:
        """Raise DataError for a blank name or a score outside [0, 1]; unstorable characters of an answer become "?"."""
        for name in ("id", "institution", "input", "model"):
            check_text(name, getattr(self, name))
        for name in ("id", "institution"):
            object.__setattr__(self, name, normal_form(getattr(self, name)))
        shown = ((normal_form(institution), normal_form(id)) for institution, id in self.shown)
        object.__setattr__(self, "shown", tuple(shown))
        for name in ("answer", "metric"):
            object.__setattr__(self, name, storable(getattr(self, name)))
        score: object = self.score
        if score is not None:
            if not isinstance(score, Real) or not 0 <= float(score) <= 1:
                raise DataError(f"a score must be a number from 0 to 1, got {score!r}; scale it, or leave it out")
            object.__setattr__(self, "score", float(score))
        if self.correction is not None:
            check_text("correction", self.correction)


@dataclass(frozen=True, slots=True)
class AnswerCount:
    """Number of an institution's recorded answers."""

    institution: str
    answers: int
    judged: int
    """Number of those with a score or a correction."""
    oldest: str
    """Time of the oldest answer, UTC, ISO 8601."""
    newest: str


class Outcomes:
    """Outcomes of one library."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, outcomes: Iterable[Outcome]) -> None:
        """Store outcomes in one transaction, on disk on return; an outcome with a known id replaces the one before."""
        given = list(outcomes)
        if given:
            with writing(self._engine, KEEPER) as connection:
                store_outcomes(connection, given)

    def get(self, id: str) -> Outcome:
        """Read one outcome. Raises NotFoundError if none has this id."""
        if found := self.by_id([id]):
            return found[normal_form(id)]
        raise _absent(id)

    def by_id(self, ids: Sequence[str]) -> dict[str, Outcome]:
        """Outcomes with these ids, by id; unknown ids are left out."""
        ids = [normal_form(id) for id in ids if id == storable(id)]
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
        if institution is not None:
            named["institution"] = normal_form(institution)
        query = select(table).filter_by(origin=origin, **named).order_by(table.c.id)
        with reading(self._engine, KEEPER) as connection:
            return tuple(_outcome(row._mapping) for row in connection.execute(query))

    def latest_scored(self, institution: str) -> Iterator[Outcome]:
        """Answers of chains to an institution that have a score and no correction, the latest score first.

        They are read page by page. Of scores of the same time, those with greater ids come first.
        """
        institution = checked_name("institution", institution)
        query = select(table).where(
            table.c.institution == institution,
            table.c.scored_at.is_not(None),
            table.c.origin == "chain",
            table.c.correction.is_(None),
        )
        query = query.order_by(table.c.scored_at.desc(), table.c.id.desc()).limit(OUTCOMES_A_PAGE)
        page: Sequence[Outcome] = ()
        while not page or len(page) == OUTCOMES_A_PAGE:
            later = tuple_(table.c.scored_at, table.c.id) < tuple_(page[-1].scored_at, page[-1].id) if page else true()
            with reading(self._engine, KEEPER) as connection:
                page = [_outcome(row._mapping) for row in connection.execute(query.where(later))]
            yield from page
            if not page:
                return

    def counts(self) -> tuple[AnswerCount, ...]:
        """Numbers of chains' answers by institution, in alphabetical order."""
        judged = or_(table.c.score.is_not(None), table.c.correction.is_not(None))
        numbers = func.count(), func.count(case((judged, 1))), func.min(table.c.at), func.max(table.c.at)
        query = select(table.c.institution, *numbers).where(table.c.origin == "chain")
        query = query.group_by(table.c.institution).order_by(table.c.institution)
        with reading(self._engine, KEEPER) as connection:
            return tuple(AnswerCount(*row) for row in connection.execute(query))

    def prune(self, before: datetime) -> int:
        """Delete the answers of chains from before a time that have neither score nor correction; returns their number.

        Raises DataError for a time without a time zone.
        """
        forgettable = table.c.origin == "chain", table.c.score.is_(None), table.c.correction.is_(None)
        query = delete(table).where(table.c.at < checked_moment("before", before), *forgettable)
        with writing(self._engine, KEEPER) as connection:
            return connection.execute(query).rowcount

    def score(self, id: str, score: float | None, *, metric: str = "", correction: str | None = None) -> Outcome:
        """Store the score of an answer, and the correct answer if it is known; returns the outcome.

        Raises NotFoundError for an unknown id, DataError for a score that is not a number in [0, 1].
        """
        scored = replace(self.get(id), score=score, metric=metric, correction=correction)
        with writing(self._engine, KEEPER) as connection:
            _update_score(connection, scored)
        return scored


def store_outcomes(connection: Connection, outcomes: Iterable[Outcome]) -> None:
    """Store one outcome or more within a transaction; one with a known id replaces the one before."""
    rows = [asdict(_dated(one)) for one in outcomes]
    upsert(connection, table, rows)
    scored = (one for one in rows if one["origin"] == "chain" and one["score"] is not None)
    bump_revision(connection, {one["institution"] for one in scored})


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


def _dated(one: Outcome) -> Outcome:
    """An outcome as it is stored: with its times, and an answer that is not endless."""
    scored_at = one.scored_at if one.scored_at is not None or one.score is None else _microseconds()
    return replace(one, at=one.at or now(), scored_at=scored_at, answer=one.answer[:MOST_CHARACTERS])


def _microseconds() -> int:
    return time.time_ns() // 1000


def _update_score(connection: Connection, scored: Outcome) -> None:
    changed = {name: getattr(scored, name) for name in ("score", "metric", "correction")}
    changed["scored_at"] = None if scored.score is None else _microseconds()
    connection.execute(update(table).where(table.c.id == scored.id).values(changed))
    bump_revision(connection, [scored.institution])


def _absent(id: str) -> NotFoundError:
    return NotFoundError(f"no outcome {id!r} is in the library; check the id, and that the run was recorded")


def _outcome(row: RowMapping) -> Outcome:
    return Outcome(**{**row, "shown": tuple(map(tuple, row["shown"]))})

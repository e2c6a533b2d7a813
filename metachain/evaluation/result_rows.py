"""Rows of an evaluation's result: frozen typed parts, each with the JSON object that it is stored as."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Self, TypeVar

from pydantic import TypeAdapter, ValidationError, model_validator
from pydantic_core import to_jsonable_python

from metachain.errors import DataError
from metachain.evaluation.bootstrap import Interval
from metachain.learning.calibration import Bin

__all__ = ["CalibrationRow", "Harm", "Part", "PartWorth", "Score", "ShownShares", "SummaryRow", "TransferMatrix"]
__all__ += ["at_skill", "read_scores"]

ABSENT: Mapping[str, float | None] = {"recall": None, "distinct": None, "shots": None, "skill": 0.0}
"""Values that rows of scores and of the summary leave out of their JSON object."""
Row = TypeVar("Row", "Score", "SummaryRow")


class Part:
    """A part of the result; its JSON object has the dataclass's fields, in order."""

    __slots__ = ()

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Read the JSON object and ignore names that the part does not have. Raises DataError where one is missing."""
        try:
            read: Self = _adapter(cls).validate_python(row)  # type: ignore[arg-type]  # a class is hashable
            return read
        except ValidationError as error:
            raise DataError(f"not an evaluation result: {_fault(error)}; see metachain evaluate --json") from None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of the part."""
        return {one.name: _json(getattr(self, one.name)) for one in fields(self)}  # type: ignore[arg-type]


class _Measured(Part):
    """A row with the measures of what was shown; its JSON object has those that are known, and a skill over 0."""

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of the row."""
        row = Part.to_json(self)
        return {name: one for name, one in row.items() if name not in ABSENT or one != ABSENT[name]}


@dataclass(frozen=True, slots=True)
class Score(_Measured):
    """Mean score in [0, 1] over ``n`` queries of one institution: by selector, number of labels, seed, and metric."""

    selector: str
    labels: int
    institution: str
    seed: int
    """Seed of the random support."""
    metric: str
    score: float
    n: int
    recall: float | None = None
    """Best score by the metric among the outputs shown, mean over the queries: for labels, the share of queries whose
    right answer is shown."""
    distinct: float | None = None
    """Mean number of distinct outputs shown."""
    shots: float | None = None
    """Mean number of demonstrations shown."""
    skill: float = 0.0
    """Skill of the reader, in [0, 1] (``Plan.skill``)."""

    @model_validator(mode="before")
    @classmethod
    def _completed(cls, row: Any) -> Any:
        """Rows without a metric share one that has no name."""
        return {"metric": "", "n": 0, **row} if isinstance(row, Mapping) else row


@dataclass(frozen=True, slots=True)
class SummaryRow(_Measured):
    """Means of one selector at one label count, over all institutions and over the worst tenth of them, in [0, 1]."""

    selector: str
    labels: int
    mean: float
    worst_decile: float
    gain: float | None
    """Relative gain of the mean over ``semantic``; None without ``semantic``, or where it scores 0."""
    ci95: Interval | None
    """Paired bootstrap interval of the gain, over institutions."""
    recall: float | None = None
    """Means of the measures of ``Score``, over institutions; None in results of before they were taken."""
    distinct: float | None = None
    shots: float | None = None
    skill: float = 0.0


@dataclass(frozen=True, slots=True)
class Harm(Part):
    """Number of runs (an institution with one random support) that ``lost`` more than one point to the baseline."""

    labels: int
    share: float
    """``lost / draws``, in [0, 1]."""
    lost: int
    draws: int
    """Number of runs that both selectors were scored at."""


@dataclass(frozen=True, slots=True)
class PartWorth(Part):
    """Loss without one part of the method, at one label count."""

    part: str
    labels: int
    points: float
    """Mean with the part minus the mean without it, in points (0.01)."""
    ci95: Interval | None
    """Paired bootstrap interval over institutions, in points; None for a single institution."""


@dataclass(frozen=True, slots=True)
class TransferMatrix(Part):
    """(S, S) transfer in [0, 1]: how well the demonstrations of column s answer the inputs of row u."""

    institutions: tuple[str, ...]
    rows: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class ShownShares(Part):
    """Owners of the demonstrations that metachain showed to one institution at one label count."""

    institution: str
    labels: int
    shares: Mapping[str, float]
    """Share of the demonstrations by the institution that owns them, in (0, 1]."""


@dataclass(frozen=True, slots=True)
class CalibrationRow(Part):
    """Reliability of the ``n`` probabilities given at one label count."""

    labels: int
    ece: float
    """Expected calibration error, in [0, 1]."""
    n: int
    bins: tuple[Bin, ...]
    """Bins of the reliability diagram, without the empty ones."""


def read_scores(rows: Iterable[Score | Mapping[str, Any]]) -> tuple[Score, ...]:
    """Read the scores of a stored result; rows that are read already stay as they are."""
    return tuple(row if isinstance(row, Score) else Score.from_json(row) for row in rows)


def _json(value: Any) -> Any:
    if isinstance(value, Part):
        return value.to_json()
    if isinstance(value, tuple):
        return list(map(_json, value))
    if isinstance(value, Mapping):
        return {name: _json(one) for name, one in value.items()}
    return to_jsonable_python(value)


def at_skill(rows: Iterable[Row], skill: float = 0.0) -> tuple[Row, ...]:
    """Return the rows of one skill, in order; 0 is the reader itself, which the main scores are of."""
    return tuple(row for row in rows if row.skill == skill)


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _fault(error: ValidationError) -> str:
    faults = [(".".join(map(str, one["loc"])), one) for one in error.errors()]
    missing = [place for place, one in faults if one["type"] == "missing"]
    return f"it lacks {' and '.join(missing)}" if missing else f"{faults[0][0]}: {faults[0][1]['msg']}"

"""Result of an evaluation: frozen typed parts, and the JSON object that ``metachain evaluate --json`` writes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError, model_validator
from pydantic_core import to_jsonable_python

from metachain.errors import DataError
from metachain.evaluation.bootstrap import Interval
from metachain.learning.calibration import Bin

__all__ = [
    "CalibrationRow",
    "Cost",
    "Evaluation",
    "GuardChoice",
    "Harm",
    "MetricResult",
    "PartWorth",
    "PastResult",
    "ReaderResult",
    "RunSettings",
    "Score",
    "ShownShares",
    "SummaryRow",
    "TransferMatrix",
    "read_scores",
]

OPTIONAL = ("transfer", "origins", "calibration", "ablation", "metrics", "readers", "past")
"""Names that the JSON object has only where their part is not empty."""


class _Part:
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
        found: dict[str, Any] = to_jsonable_python(self)
        return found


@dataclass(frozen=True, slots=True)
class Score(_Part):
    """Mean score in [0, 1] over ``n`` queries of one institution: by selector, number of labels, seed, and metric."""

    selector: str
    labels: int
    institution: str
    seed: int
    """Seed of the random support."""
    metric: str
    score: float
    n: int

    @model_validator(mode="before")
    @classmethod
    def _completed(cls, row: Any) -> Any:
        """Rows without a metric share one that has no name."""
        return {"metric": "", "n": 0, **row} if isinstance(row, Mapping) else row


@dataclass(frozen=True, slots=True)
class SummaryRow(_Part):
    """Means of one selector at one label count, over all institutions and over the worst tenth of them, in [0, 1]."""

    selector: str
    labels: int
    mean: float
    worst_decile: float
    gain: float | None
    """Relative gain of the mean over ``semantic``; None without ``semantic``, or where it scores 0."""
    ci95: Interval | None
    """Paired bootstrap interval of the gain, over institutions."""


@dataclass(frozen=True, slots=True)
class Cost(_Part):
    """Cost of an evaluation; None where it is unknown."""

    seconds: float | None = None
    model_calls: int | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Harm(_Part):
    """Number of runs (an institution with one random support) that ``lost`` more than one point to the baseline."""

    labels: int
    share: float
    """``lost / draws``, in [0, 1]."""
    lost: int
    draws: int
    """Number of runs that both selectors were scored at."""


@dataclass(frozen=True, slots=True)
class PartWorth(_Part):
    """Loss without one part of the method, at one label count."""

    part: str
    labels: int
    points: float
    """Mean with the part minus the mean without it, in points (0.01)."""
    ci95: Interval | None
    """Paired bootstrap interval over institutions, in points; None for a single institution."""


@dataclass(frozen=True, slots=True)
class TransferMatrix(_Part):
    """(S, S) transfer in [0, 1]: how well the demonstrations of column s answer the inputs of row u."""

    institutions: tuple[str, ...]
    rows: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class ShownShares(_Part):
    """Owners of the demonstrations that metachain showed to one institution at one label count."""

    institution: str
    labels: int
    shares: Mapping[str, float]
    """Share of the demonstrations by the institution that owns them, in (0, 1]."""


@dataclass(frozen=True, slots=True)
class CalibrationRow(_Part):
    """Reliability of the ``n`` probabilities given at one label count."""

    labels: int
    ece: float
    """Expected calibration error, in [0, 1]."""
    n: int
    bins: tuple[Bin, ...]
    """Bins of the reliability diagram, without the empty ones."""


@dataclass(frozen=True, slots=True)
class MetricResult(_Part):
    """Summary by a further metric."""

    summary: tuple[SummaryRow, ...]


@dataclass(frozen=True, slots=True)
class ReaderResult(_Part):
    """Scores with a further reader."""

    summary: tuple[SummaryRow, ...]
    scores: tuple[Score, ...] = ()


@dataclass(frozen=True, slots=True)
class PastResult(_Part):
    """Scores with a smaller number of past institutions."""

    past: int
    summary: tuple[SummaryRow, ...]
    scores: tuple[Score, ...] = ()


@dataclass(frozen=True, slots=True)
class GuardChoice(_Part):
    """Choice of the guard with one institution held out."""

    settings: Mapping[str, float] | None
    """Learned settings by name; None where plain nearest neighbours did best with labels."""
    trusts_consensus: bool
    """False where plain nearest neighbours did best without labels."""


@dataclass(frozen=True, slots=True)
class RunSettings(_Part):
    """Settings of the run and choices of the guard; an empty one is unknown and is left out of the JSON object."""

    version: str | None = None
    labels: tuple[int, ...] = ()
    queries: int | None = None
    """Most queries of an institution."""
    selectors: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    """Names of the metrics, the main one first."""
    readers: tuple[str, ...] = ()
    """Names of the readers, the main one first; or the model."""
    answers_by: str | None = None
    """``generate`` where a model answered in its words, ``score`` where the best-scored label was its answer."""
    past: tuple[int | str, ...] = ()
    """Numbers of past institutions, then ``all``."""
    reader_temperature: float | None = None
    synthetic: bool | None = None
    """True for generated data."""
    lessons: Mapping[str, GuardChoice] = field(default_factory=dict)
    """Choice of the guard by held-out institution."""
    command: str | None = None
    further: Mapping[str, Any] = field(default_factory=dict)
    """Settings that only other versions know, as JSON."""

    @model_validator(mode="before")
    @classmethod
    def _gathered(cls, row: Any) -> Any:
        if not isinstance(row, Mapping):
            return row
        known = {one.name: row[one.name] for one in fields(cls) if one.name in row and one.name != "further"}
        return known | {"further": {name: one for name, one in row.items() if name not in known}}

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of the settings that are known."""
        found = _Part.to_json(self)
        further: dict[str, Any] = found.pop("further")
        return {name: one for name, one in found.items() if one not in (None, [], {})} | further


@dataclass(frozen=True, slots=True)
class Evaluation(_Part):
    """Result of an evaluation. Made by ``evaluate``."""

    dataset: str
    protocol: str
    """``institution`` or ``group``."""
    model: str
    """``offline``, or the chat model that answered."""
    shots: int
    """Demonstrations for each query."""
    seeds: tuple[int, ...]
    settings: RunSettings
    scores: tuple[Score, ...]
    """Scores by all metrics, with the main reader and all past institutions."""
    summary: tuple[SummaryRow, ...]
    """Summary by the main metric."""
    cost: Cost
    harm: tuple[Harm, ...] = ()
    """Runs of metachain more than one point worse than ``semantic``; one row a label count."""
    transfer: TransferMatrix | None = None
    """None for more than 200 institutions."""
    origins: tuple[ShownShares, ...] = ()
    calibration: tuple[CalibrationRow, ...] = ()
    """Reliability of metachain's probabilities, one row a label count; empty for texts."""
    ablation: tuple[PartWorth, ...] = ()
    metrics: Mapping[str, MetricResult] = field(default_factory=dict)
    readers: Mapping[str, ReaderResult] = field(default_factory=dict)
    past: tuple[PastResult, ...] = ()
    """In ascending order of the number of past institutions."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that ``metachain evaluate --json`` writes; parts that are empty are left out."""
        parts = _Part.to_json(self) | {"settings": self.settings.to_json()}
        return {name: part for name, part in parts.items() if part or name not in OPTIONAL}

    def __getitem__(self, name: str) -> Any:
        """Return one part as JSON, ``result["summary"]``: the documentation showed results as dictionaries.

        Raises KeyError for a part that the JSON object does not have.
        """
        return self.to_json()[name]

    def with_command(self, command: str) -> Self:
        """Return the result with the command line that made it among its settings."""
        return replace(self, settings=replace(self.settings, command=command))


def read_scores(rows: Iterable[Score | Mapping[str, Any]]) -> tuple[Score, ...]:
    """Read the scores of a stored result; rows that are read already stay as they are."""
    return tuple(row if isinstance(row, Score) else Score.from_json(row) for row in rows)


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _fault(error: ValidationError) -> str:
    faults = [(".".join(map(str, one["loc"])), one) for one in error.errors()]
    missing = [place for place, one in faults if one["type"] == "missing"]
    return f"it lacks {' and '.join(missing)}" if missing else f"{faults[0][0]}: {faults[0][1]['msg']}"

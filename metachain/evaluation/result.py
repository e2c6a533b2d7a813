# Longer than 300 lines: one short class for each part of the JSON object, in the object's order.
"""Result of an evaluation: frozen typed parts, and the JSON object that ``metachain evaluate --json`` writes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Self, TypeVar

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

CONTRACT = ("dataset", "protocol", "model", "shots", "seeds", "settings", "scores", "summary", "cost")
"""Names that every stored result has."""
OPTIONAL = ("transfer", "origins", "calibration", "ablation", "metrics", "readers", "past")
"""Names that the JSON object has only where their part is not empty."""


class _Part:
    """A part of the result; its JSON object has the dataclass's fields, in order."""

    __slots__ = ()

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Read the JSON object; names that the part does not have are ignored."""
        return cls(**{name: _frozen(row[name]) for name in _names(cls) if name in row})

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of the part."""
        return {name: _json(getattr(self, name)) for name in _names(type(self))}


_Kind = TypeVar("_Kind", bound=_Part)


@dataclass(frozen=True, slots=True)
class Score(_Part):
    """Mean score of one selector at one institution, with one random support, by one metric."""

    selector: str
    labels: int
    """Number of labels."""
    institution: str
    seed: int
    """Seed of the support."""
    metric: str
    score: float
    """Mean over the queries, in [0, 1]."""
    n: int
    """Number of queries."""

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Read the JSON object; rows without a metric share one that has no name."""
        head = row["selector"], row["labels"], row["institution"], row["seed"]
        return cls(*head, row.get("metric", ""), row["score"], row.get("n", 0))


@dataclass(frozen=True, slots=True)
class SummaryRow(_Part):
    """Summary of one selector at one label count, over institutions."""

    selector: str
    labels: int
    mean: float
    """Mean over institutions, in [0, 1]."""
    worst_decile: float
    """Mean of the worst tenth of the institutions, in [0, 1]."""
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
    """Number of runs (an institution with one random support) more than one point worse than the baseline."""

    labels: int
    share: float
    """``lost / draws``, in [0, 1]."""
    lost: int
    """Number of runs more than one point worse."""
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
    """Transfer between institutions."""

    institutions: tuple[str, ...]
    rows: tuple[tuple[float, ...], ...]
    """(S, S) in [0, 1]: how well the demonstrations of column s answer the inputs of row u."""

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Read the JSON object."""
        return cls(tuple(row["institutions"]), tuple(map(tuple, row["rows"])))


@dataclass(frozen=True, slots=True)
class ShownShares(_Part):
    """Owners of the demonstrations shown to one institution at one label count."""

    institution: str
    labels: int
    shares: Mapping[str, float]
    """Share of the demonstrations by the institution that owns them, in (0, 1]."""


@dataclass(frozen=True, slots=True)
class CalibrationRow(_Part):
    """Reliability of the probabilities given at one label count."""

    labels: int
    ece: float
    """Expected calibration error, in [0, 1]."""
    n: int
    """Number of probabilities."""
    bins: tuple[Bin, ...]
    """Bins of the reliability diagram, without the empty ones."""

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Read the JSON object."""
        return cls(row["labels"], row["ece"], row["n"], tuple(Bin(**one) for one in row["bins"]))


@dataclass(frozen=True, slots=True)
class MetricResult(_Part):
    """Summary by a further metric."""

    summary: tuple[SummaryRow, ...]

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Read the JSON object."""
        return cls(_read(SummaryRow, row["summary"]))


@dataclass(frozen=True, slots=True)
class ReaderResult(_Part):
    """Scores with a further reader."""

    summary: tuple[SummaryRow, ...]
    scores: tuple[Score, ...]

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Read the JSON object."""
        return cls(_read(SummaryRow, row["summary"]), read_scores(row.get("scores", ())))


@dataclass(frozen=True, slots=True)
class PastResult(_Part):
    """Scores with fewer past institutions."""

    past: int
    """Number of past institutions."""
    summary: tuple[SummaryRow, ...]
    scores: tuple[Score, ...]

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Read the JSON object."""
        return cls(row["past"], _read(SummaryRow, row["summary"]), read_scores(row.get("scores", ())))


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
    """Version of metachain."""
    labels: tuple[int, ...] = ()
    """Label counts."""
    queries: int | None = None
    """Most queries of an institution."""
    selectors: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    """Names of the metrics, the main one first."""
    readers: tuple[str, ...] = ()
    """Names of the readers, the main one first; or the model."""
    past: tuple[int | str, ...] = ()
    """Numbers of past institutions, then ``all``."""
    reader_temperature: float | None = None
    synthetic: bool | None = None
    """True for generated data."""
    lessons: Mapping[str, GuardChoice] = field(default_factory=dict)
    """Choice of the guard by held-out institution."""
    command: str | None = None
    """Command line of the run."""
    further: Mapping[str, Any] = field(default_factory=dict)
    """Settings that only other versions know, as JSON."""

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Read the JSON object."""
        lessons = {name: GuardChoice.from_json(one) for name, one in row.get("lessons", {}).items()}
        names = set(_names(cls)) - {"lessons", "further"}
        known: dict[str, Any] = {name: _frozen(one) for name, one in row.items() if name in names}
        further = {name: one for name, one in row.items() if name not in {*names, "lessons"}}
        return cls(**known, lessons=lessons, further=further)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of the settings that are known."""
        known = {name: getattr(self, name) for name in _names(type(self)) if name != "further"}
        return {name: _json(one) for name, one in known.items() if one not in (None, (), {})} | dict(self.further)


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
    """Owners of the demonstrations that metachain showed."""
    calibration: tuple[CalibrationRow, ...] = ()
    """Reliability of metachain's probabilities, one row a label count; empty for texts."""
    ablation: tuple[PartWorth, ...] = ()
    """Worth of each part that was left out."""
    metrics: Mapping[str, MetricResult] = field(default_factory=dict)
    """Results of further metrics, by name."""
    readers: Mapping[str, ReaderResult] = field(default_factory=dict)
    """Results with further readers, by name."""
    past: tuple[PastResult, ...] = ()
    """Results with fewer past institutions, in ascending order of their number."""

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Read what ``to_json`` returned. Raises DataError where a name of the contract is missing."""
        missing = [name for name in CONTRACT if name not in row]
        if missing:
            text = " and ".join(missing)
            raise DataError(f"not an evaluation result: it lacks {text}; see metachain evaluate --json")
        return cls(
            **{name: row[name] for name in ("dataset", "protocol", "model", "shots")},
            seeds=tuple(row["seeds"]),
            settings=RunSettings.from_json(row["settings"]),
            scores=read_scores(row["scores"]),
            summary=_read(SummaryRow, row["summary"]),
            cost=Cost.from_json(row["cost"]),
            harm=_read(Harm, row.get("harm", ())),
            transfer=TransferMatrix.from_json(row["transfer"]) if "transfer" in row else None,
            origins=_read(ShownShares, row.get("origins", ())),
            calibration=_read(CalibrationRow, row.get("calibration", ())),
            ablation=_read(PartWorth, row.get("ablation", ())),
            metrics={name: MetricResult.from_json(one) for name, one in row.get("metrics", {}).items()},
            readers={name: ReaderResult.from_json(one) for name, one in row.get("readers", {}).items()},
            past=_read(PastResult, row.get("past", ())),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that ``metachain evaluate --json`` writes; parts that are empty are left out."""
        parts = {name: getattr(self, name) for name in _names(type(self))}
        return {name: _json(part) for name, part in parts.items() if part or name not in OPTIONAL}

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


def _read(kind: type[_Kind], rows: Iterable[Mapping[str, Any]]) -> tuple[_Kind, ...]:
    return tuple(kind.from_json(row) for row in rows)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _names(kind: Any) -> tuple[str, ...]:
    return tuple(one.name for one in fields(kind))


def _json(value: Any) -> Any:
    """JSON of a value: objects for parts and mappings, lists for tuples."""
    if isinstance(value, _Part):
        return value.to_json()
    if is_dataclass(value):
        return {name: _json(getattr(value, name)) for name in _names(type(value))}
    if isinstance(value, Mapping):
        return {name: _json(one) for name, one in value.items()}
    return [_json(one) for one in value] if isinstance(value, tuple) else value

"""Result of an evaluation: frozen typed parts, and the JSON object that ``metachain evaluate --json`` writes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from pydantic import model_validator

from metachain.evaluation.result_rows import (
    CalibrationRow,
    Harm,
    Part,
    PartWorth,
    Score,
    ShownShares,
    SummaryRow,
    TransferMatrix,
)

__all__ = ["Cost", "Evaluation", "GuardChoice", "MetricResult", "PastResult", "ReaderResult", "RunSettings"]

OPTIONAL = ("transfer", "origins", "calibration", "ablation", "metrics", "readers", "past")
"""Names that the JSON object has only where their part is not empty."""


@dataclass(frozen=True, slots=True)
class Cost(Part):
    """Cost of an evaluation; None where it is unknown."""

    seconds: float | None = None
    model_calls: int | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class MetricResult(Part):
    """Summary by a further metric."""

    summary: tuple[SummaryRow, ...]


@dataclass(frozen=True, slots=True)
class ReaderResult(Part):
    """Scores with a further reader."""

    summary: tuple[SummaryRow, ...]
    scores: tuple[Score, ...] = ()


@dataclass(frozen=True, slots=True)
class PastResult(Part):
    """Scores with a smaller number of past institutions."""

    past: int
    summary: tuple[SummaryRow, ...]
    scores: tuple[Score, ...] = ()


@dataclass(frozen=True, slots=True)
class GuardChoice(Part):
    """Choice of the guard with one institution held out."""

    settings: Mapping[str, float] | None
    """Learned settings by name; None where plain nearest neighbours did best with labels."""
    trusts_consensus: bool
    """False where plain nearest neighbours did best without labels."""


@dataclass(frozen=True, slots=True)
class RunSettings(Part):
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
    skill: tuple[float, ...] = ()
    """Skills of the main reader; empty where only its own answers were scored."""
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
        found = Part.to_json(self)
        further: dict[str, Any] = found.pop("further")
        return {name: one for name, one in found.items() if one not in (None, [], {})} | further


@dataclass(frozen=True, slots=True)
class Evaluation(Part):
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
    """Scores by all metrics, with the main reader and all past institutions; those of higher skill come last."""
    summary: tuple[SummaryRow, ...]
    """Summary by the main metric; rows of higher skill come last."""
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
        return {name: part for name, part in Part.to_json(self).items() if part or name not in OPTIONAL}

    def __getitem__(self, name: str) -> Any:
        """Return one part as JSON, ``result["summary"]``: the documentation showed results as dictionaries.

        Raises KeyError for a part that the JSON object does not have.
        """
        return self.to_json()[name]

    def with_command(self, command: str) -> Self:
        """Return the result with the command line that made it among its settings."""
        return replace(self, settings=replace(self.settings, command=command))

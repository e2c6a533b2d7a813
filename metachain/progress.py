"""Progress reports of long work."""

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["ModelProgress", "ModelProgressCallback", "Progress", "silent", "silent_model"]

Progress = Callable[[str, int, int], None]
"""Function called as ``progress(stage, done, total)``, with the number of items done in a stage and their total."""


@dataclass(frozen=True)
class ModelProgress:
    """Progress of a model's answers, with the usage of this run and of all runs that the budget counts."""

    done: int
    total: int
    calls: int
    tokens: int
    money: float | None
    """None if no prices are known."""


ModelProgressCallback = Callable[[ModelProgress], None]


def silent(stage: str, done: int, total: int) -> None:
    """Ignore progress."""


def silent_model(asked: ModelProgress) -> None:
    """Report nothing."""

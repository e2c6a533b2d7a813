"""Progress reports of long work."""

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["ModelProgress", "ModelProgressCallback", "Progress", "silent", "silent_model"]

Progress = Callable[[str, int, int], None]
"""Called as ``progress(stage, done, total)``."""


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
    """Report nothing."""


def silent_model(asked: ModelProgress) -> None:
    """Report nothing."""

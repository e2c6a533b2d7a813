"""How long work reports where it is."""

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Asked", "AskedProgress", "Progress", "silent", "unasked"]

Progress = Callable[[str, int, int], None]
"""Called as ``progress(stage, done, total)``."""


@dataclass(frozen=True)
class Asked:
    """How far a model has answered, and what that has used, in this and in all runs that the budget counts."""

    done: int
    total: int
    calls: int
    tokens: int
    money: float | None
    """None where no prices are known."""


AskedProgress = Callable[[Asked], None]


def silent(stage: str, done: int, total: int) -> None:
    """Report nothing."""


def unasked(asked: Asked) -> None:
    """Report nothing of a model either."""

"""Where work is done that can be done apart: in this process, or wherever else functions can be sent."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

__all__ = ["HERE", "Here", "Workers"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers(Protocol):
    """What does the same to many items."""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Results in the order of the items, each handed on as soon as it and those before it are there.

        ``function`` is pure and may hold much, for it is sent to a worker once; items are small. All are picklable.
        """


class Here:
    """This process, one item after the other, each when its result is asked for."""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Do what the built-in ``map`` does."""
        return map(function, items)


HERE = Here()

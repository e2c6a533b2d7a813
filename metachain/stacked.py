"""Two arrays as one, without a copy: the first is large and shared by many."""

from dataclasses import dataclass
from typing import Any, TypeVar, Union

import numpy as np
from numpy.typing import NDArray

__all__ = ["Stacked", "taken"]

Number = TypeVar("Number", bound=np.number[Any])


@dataclass(frozen=True, slots=True, eq=False)
class Stacked:
    """The rows of ``first`` (N, d), and after them those of ``further`` (k, d); rows are taken by number."""

    first: Union[NDArray[np.float32], "Stacked"]
    further: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int]:
        """``(N + k, d)``."""
        return len(self), self.further.shape[1]

    def __len__(self) -> int:
        return len(self.first) + len(self.further)

    def __getitem__(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        return taken(rows, self.first, self.further)


def taken(
    rows: NDArray[np.integer], first: Union[NDArray[Number], "Stacked"], further: NDArray[Number]
) -> NDArray[Number]:
    """Rows, whose numbers have any shape, of ``first`` (N, …) or after them of ``further`` (k, …).

    A negative number stands for any row. Raises IndexError where there is no row at all.
    """
    is_further = rows >= len(first)
    found: NDArray[Any] = first[np.where(is_further, 0, np.maximum(rows, 0))]
    found[is_further] = further[rows[is_further] - len(first)]
    return found

"""Policies: the number, choice and order of the demonstrations shown to one model."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from metachain.errors import DataError

__all__ = ["CANDIDATES", "DEFAULT", "Policy"]


@dataclass(frozen=True, slots=True)
class Policy:
    """Settings of selection. Raises DataError where a number is out of its range."""

    shots: int = 8
    """Maximum number of demonstrations, 0 or more."""
    sharpness: float | None = None
    """Exponent of an answer's probability in its share of the demonstrations, over 0; None for the guard's.

    1 is in proportion to the probability; a large one gives all demonstrations to the likeliest answer.
    """
    nearest: bool = False
    """True for plain nearest neighbours, whatever they answer."""
    best_first: bool = False
    """True to put the best first in the prompt, and not next to the query."""
    demoted: frozenset[tuple[str, str]] = frozenset()
    """Institution and id of demonstrations that are never shown because they mislead the model."""

    def __post_init__(self) -> None:
        shots, sharpness = self.shots, self.sharpness
        if not isinstance(shots, int) or isinstance(shots, bool) or shots < 0:
            raise DataError(f"a policy's shots must be a whole number, 0 or more, got {shots!r}")
        if sharpness is not None and not 0 < sharpness < np.inf:
            raise DataError(f"a policy's sharpness must be a number over 0, got {sharpness!r}")

    def sharpness_under(self, guard: float | None) -> float | None:
        """Sharpness to choose with, where ``guard`` is the guard's; None for plain nearest neighbours."""
        if self.nearest:
            return None
        return guard if self.sharpness is None else self.sharpness

    def __str__(self) -> str:
        if not self.shots:
            return "no demonstrations"
        by = "as the guard says" if self.sharpness is None else f"sharpness {self.sharpness:g}"
        demoted = f", {len(self.demoted)} demoted" if self.demoted else ""
        order = "first" if self.best_first else "last"
        return f"{self.shots} {'nearest' if self.nearest else by}, best {order}{demoted}"

    def to_json(self) -> dict[str, Any]:
        """Return the policy as plain JSON."""
        return {**asdict(self), "demoted": sorted(map(list, self.demoted))}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read ``to_json``, or a policy with a ``weight``, as versions before 0.2 wrote it.

        Such a policy keeps its shots, order and demoted demonstrations; a weight of 0 is plain nearest neighbours, and
        any other is the guard's sharpness. Raises KeyError, TypeError or ValueError if damaged, DataError for one out
        of range.
        """
        demoted = frozenset((institution, id) for institution, id in record["demoted"])
        if "weight" in record:
            return cls(record["shots"], None, record["weight"] == 0, record["best_first"], demoted)
        return cls(**{**record, "demoted": demoted})


DEFAULT = Policy()
VERDICT = 20.0
"""Sharpness at which alternatives get no demonstrations, unless they are almost as probable."""

CANDIDATES: tuple[Policy, ...] = (
    Policy(0),
    Policy(1),
    Policy(1, nearest=True),
    Policy(2),
    Policy(4),
    Policy(4, VERDICT),
    Policy(4, nearest=True),
    Policy(4, best_first=True),
    DEFAULT,
    Policy(8, 0.6),
    Policy(8, VERDICT),
    Policy(8, nearest=True),
    Policy(8, nearest=True, best_first=True),
    Policy(8, best_first=True),
    Policy(16),
)
"""Policies tried for a model, shorter prompts first: of two that score alike, the shorter one is kept."""

"""Policies: the number, choice and order of the demonstrations shown to one model."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from metachain.errors import DataError
from metachain.learning.ranking import (
    PLAUSIBILITY_WEIGHT,
    SIMILARITY_SCALE,
    least_share,
    maximal_marginal_relevance,
    nearest_first,
    plausible_alone,
    utility,
)

__all__ = ["CANDIDATES", "DEFAULT", "Policy", "Vectors"]

SPARE_FOR_DIVERSITY = 4
"""Number of candidates considered for each one shown, where diversity counts."""

Floats = NDArray[np.floating]
Vectors = Callable[[NDArray[np.intp]], NDArray[np.float32]]
"""Unit vectors (n, j, d) of the candidates at some positions (n, j)."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Settings of selection. Raises DataError where a number is out of its range."""

    shots: int = 8
    """Maximum number of demonstrations, 0 or more."""
    weight: float | None = None
    """Weight of plausibility, 0 or more: 0 is plain nearest neighbours. None: 10 or 0, as the guard decides."""
    kept_share: float | None = None
    """Minimum plausibility, as a share in [0, 1] of the best one shown. None: 0.8 for labels, 0.5 for texts."""
    diversity: float = 0.0
    """Weight, in [0, 1], of similarity to the demonstrations already chosen, which counts against one (MMR's 1 - λ)."""
    best_first: bool = False
    """True to put the best first in the prompt, and not next to the query."""
    demoted: frozenset[tuple[str, str]] = frozenset()
    """Institution and id of demonstrations that are never shown because they mislead the model."""

    def __post_init__(self) -> None:
        shots, weight, share = self.shots, self.weight, self.kept_share
        if not isinstance(shots, int) or isinstance(shots, bool) or shots < 0:
            raise DataError(f"a policy's shots must be a whole number, 0 or more, got {shots!r}")
        if weight is not None and not 0 <= weight < np.inf:
            raise DataError(f"a policy's weight must be a number, 0 or more, got {weight!r}")
        if share is not None and not 0 <= share <= 1:
            raise DataError(f"a policy's kept_share must be a number from 0 to 1, got {share!r}")
        if not 0 <= self.diversity <= 1:
            raise DataError(f"a policy's diversity must be a number from 0 to 1, got {self.diversity!r}")

    def weighs(self, *, learned: bool) -> float:
        """Weight of plausibility: this policy's own, else 10 where the guard admits learning and 0 where not."""
        learned_weight = PLAUSIBILITY_WEIGHT if learned else 0.0
        return learned_weight if self.weight is None else self.weight

    def choose(
        self,
        similarity: Floats,
        plausibility: NDArray[np.float64],
        shots: int,
        *,
        learned: bool,
        texts: bool,
        vectors: Vectors,
    ) -> tuple[NDArray[np.intp], Floats]:
        """Choose at most ``shots`` of m candidates for each of n queries.

        ``similarity`` and ``plausibility`` are (n, m), -inf and 0 where there is no candidate. ``learned`` is True
        where the guard admits learning, ``texts`` where answers are texts; ``vectors`` is used for diversity only.
        Returns positions (n, min(shots, m)), best first and -1 for none, and scores (n, m): similarity if weight is 0.
        """
        weight = self.weighs(learned=learned)
        score = utility(similarity, plausibility, weight)
        if self.diversity and shots:
            fetched = nearest_first(score, SPARE_FOR_DIVERSITY * shots)
            relevance = SIMILARITY_SCALE * np.take_along_axis(score, fetched, axis=1)
            picked = maximal_marginal_relevance(relevance, vectors(fetched), shots, self.diversity)
            first = np.take_along_axis(fetched, picked, axis=1)
        else:
            first = nearest_first(score, shots)
        if not weight:
            return np.where(np.take_along_axis(similarity, first, axis=1) > -np.inf, first, -1), similarity
        return plausible_alone(first, plausibility, least_share(texts, self.kept_share)), score

    def __str__(self) -> str:
        if not self.shots:
            return "no demonstrations"
        by = f"plausibility {self.weight:g}" if self.weight else "nearest"
        if self.weight is None:
            by = "as the guard says"
        share = "" if self.kept_share is None else f", from {self.kept_share:.0%} of the best"
        diverse = f", diversity {self.diversity:g}" if self.diversity else ""
        demoted = f", {len(self.demoted)} demoted" if self.demoted else ""
        return f"{self.shots} {by}{share}{diverse}, best {'first' if self.best_first else 'last'}{demoted}"

    def to_json(self) -> dict[str, Any]:
        """Return the policy as plain JSON."""
        return {**asdict(self), "demoted": sorted(map(list, self.demoted))}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read ``to_json``. Raises KeyError, TypeError or ValueError if damaged, DataError for one out of range."""
        demoted = frozenset((institution, id) for institution, id in record["demoted"])
        return cls(**{**record, "demoted": demoted})


DEFAULT = Policy()

CANDIDATES: tuple[Policy, ...] = (
    Policy(0),
    Policy(1, 0),
    Policy(1, PLAUSIBILITY_WEIGHT),
    Policy(2, PLAUSIBILITY_WEIGHT),
    Policy(4, 0),
    Policy(4, PLAUSIBILITY_WEIGHT),
    Policy(4, PLAUSIBILITY_WEIGHT, best_first=True),
    DEFAULT,
    Policy(8, 0),
    Policy(8, 0, best_first=True),
    Policy(8, 3.0),
    Policy(8, 30.0),
    Policy(8, PLAUSIBILITY_WEIGHT, kept_share=0.0),
    Policy(8, PLAUSIBILITY_WEIGHT, diversity=0.3),
    Policy(8, PLAUSIBILITY_WEIGHT, best_first=True),
    Policy(16, PLAUSIBILITY_WEIGHT),
)
"""Policies tried for a model, shorter prompts first: of two that score alike, the shorter one is kept."""

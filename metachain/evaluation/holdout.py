"""Institutions that are held out together, and those that stay in training."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from metachain.data.demonstration import Demonstration
from metachain.errors import DataError
from metachain.learning.episodes import rng_for

__all__ = ["PROTOCOLS", "Allowed", "fewer_past", "held_out_together", "past_sizes", "pasts_of"]

PROTOCOLS = ("institution", "group")
PAST_STREAM = 2000
"""Stream of random numbers of its own, apart from those of supports and the guard's episodes."""

Rows = NDArray[np.intp]
Allowed = Mapping[str, frozenset[str]]
"""Names of the institutions that each institution may use; an institution without an entry may use none."""


def held_out_together(demonstrations: Sequence[Demonstration], protocol: str) -> NDArray[np.int64]:
    """Return the (S,) number of the group that each institution, in alphabetical order, is held out with.

    Raises DataError where there is only one group, or ``protocol`` is ``group`` and no record names one.
    """
    institutions = names = sorted({one.institution for one in demonstrations})
    if protocol == "group":
        named = {one.institution: one.metadata.get("group") for one in demonstrations}
        if not any(named.values()):
            raise DataError(
                "no record has metadata.group, which --protocol group holds out by; use --protocol institution"
            )
        names = [f"group {named[name]}" if named[name] else f"institution {name}" for name in institutions]
    numbers = np.unique(np.array(names), return_inverse=True)[1]
    if numbers.max(initial=0) == 0:
        raise DataError(
            f"only one {protocol} ({institutions[0] if institutions else 'none'}): nothing is left to learn "
            "from when it is held out; add demonstrations of others"
        )
    return numbers


def pasts_of(demonstrations: Sequence[Demonstration], groups: NDArray[np.int64], allowed: Allowed | None) -> list[Rows]:
    """Return the numbers of the past institutions of each of S institutions: not held out with it, and allowed.

    ``groups`` (S,) from ``held_out_together``; None for ``allowed`` allows all. Raises DataError where no institution
    may use any.
    """
    names = sorted({one.institution for one in demonstrations})
    pasts = []
    for number, name in enumerate(names):
        may = np.ones(len(names), bool) if allowed is None else np.isin(names, list(allowed.get(name, ())))
        pasts.append(np.flatnonzero((groups != groups[number]) & may))
    if not any(map(len, pasts)):
        raise DataError(
            "no institution shares its demonstrations with another that is not held out with it; "
            "let some: metachain share LIBRARY INSTITUTION --with everyone"
        )
    return pasts


def past_sizes(pasts: Sequence[Rows], wanted: Sequence[int]) -> tuple[int, ...]:
    """Keep the ``wanted`` numbers of past institutions that are smaller than what every institution has.

    Each number is thus evaluated on all institutions that have any past, or on none. ``pasts`` from ``pasts_of``.
    Raises DataError where numbers are wanted and none is kept.
    """
    fewest = min(len(past) for past in pasts if len(past))
    sizes = tuple(size for size in wanted if size < fewest)
    if wanted and not sizes:
        raise DataError(
            f"--past {','.join(map(str, wanted))}: some institution has only {fewest} past institutions in all, "
            "and each number must be smaller than that; give smaller ones or leave --past out"
        )
    return sizes


def fewer_past(past: Rows, size: int, name: str, seed: int) -> Rows:
    """Draw (size,) of the institutions ``past`` (S,), in ascending order.

    The random numbers depend on the name of the held-out institution and on the seed. A smaller draw is part of every
    larger one.
    """
    return np.sort(rng_for(name, PAST_STREAM, seed).permutation(np.sort(past))[:size])

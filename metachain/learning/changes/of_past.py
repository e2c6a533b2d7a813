"""Changes of past institutions: which of their demonstrations learning leaves out, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from metachain.learning.changes.change import Change
from metachain.learning.changes.detector import LENGTHS, find_changes
from metachain.learning.changes.forgetting import forgotten_labels
from metachain.learning.changes.neighbour_sequence import neighbour_sequence
from metachain.learning.own_labels import current_labels, order_of_time
from metachain.learning.pool import Pool
from metachain.library.library import Library

__all__ = ["PastChanges", "past_changes"]

LONGEST = 2048
"""Number of the newest demonstrations of an institution that are tested."""
MORE_LENGTHS = (256, 320, 384, 512, 640, 768, 1024, 1280, 1536, 1792)

Marks = NDArray[np.bool_]


@dataclass(frozen=True)
class PastChanges:
    """Changes of past institutions, and the demonstrations that these or later answers made outdated."""

    of: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)
    """Changes by institution, for those that have some."""
    outdated: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Ids of outdated demonstrations by institution. They are neither learned from nor shown."""

    @property
    def count(self) -> int:
        """Number of outdated demonstrations."""
        return sum(map(len, self.outdated.values()))


def past_changes(library: Library, pool: Pool) -> PastChanges:
    """Find the changes of a pool's institutions from their demonstrations in a library.

    The order of time is that of ``own_labels.order_of_time``. Outdated is what was later answered differently
    (``own_labels.current_labels``), and what was said before a change for which there is evidence enough for an alarm
    (``detector``). Where answers are texts, nothing is outdated. O(n²) for n demonstrations of an institution with an
    order in time, 2,048 at most.
    """
    if pool.meaning is not None:
        return PastChanges()
    of, outdated = {}, {}
    for number, name in enumerate(pool.institutions):
        own, numbers = pool.part([number]), library.change_numbers(name)
        time = order_of_time(own.demonstrations, numbers)
        if not time.any():
            continue
        newest = {one.id for one in current_labels(own.demonstrations, numbers)}
        current = np.array([one.id in newest for one in own.demonstrations])
        gone, changes = _changes(own, pool.vectors[pool.rows[number]], time, current)
        if changes:
            of[name] = changes
        if np.any(gone | ~current):
            outdated[name] = frozenset(own.demonstrations[place].id for place in np.flatnonzero(gone | ~current))
    return PastChanges(of, outdated)


def _changes(
    own: Pool, vectors: NDArray[np.float32], time: NDArray[np.int64], current: Marks
) -> tuple[Marks, tuple[Change, ...]]:
    in_order = np.argsort(time, kind="stable")
    recent = in_order[current[in_order]][-LONGEST:]
    labels = neighbour_sequence(vectors[recent], own.answer[recent], time[recent])
    found = find_changes(labels, lengths=(*LENGTHS, *MORE_LENGTHS), only_sure=True)
    return forgotten_labels(own, time, recent, labels, found)

"""Labels that count no more after the changes that were found, and what these changes are."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from metachain.learning.changes.change import Change
from metachain.learning.changes.detector import Found
from metachain.learning.changes.labels import LabelsInTime
from metachain.learning.pool import Pool

__all__ = ["forgotten_labels"]

MOST_TO_SETTLE = 4

Marks = NDArray[np.bool_]


def forgotten_labels(
    own: Pool, time: NDArray[np.int64], recent: NDArray[np.intp], labels: LabelsInTime, found: Iterable[Found]
) -> tuple[Marks, tuple[Change, ...]]:
    """Mark the labels ``own`` (k,) that count no more, and describe the changes that made them so.

    ``time`` (k,) is their order in time, and ``recent`` are the places of those in ``labels``.
    """
    forgotten = np.zeros(len(own.answer), bool)
    changes = []
    for one in found:
        gone = ~forgotten & (time < time[recent[one.since]])
        if one.answer is not None:
            gone &= own.answer == labels.answers[one.answer]
        changes.append(_described(own, labels, one, recent, gone))
        forgotten |= gone
    return forgotten, tuple(changes)


def _described(own: Pool, labels: LabelsInTime, found: Found, recent: NDArray[np.intp], gone: Marks) -> Change:
    names, first = own.answers, own.demonstrations[recent[found.since]]
    newer = labels.age >= labels.age[found.since]
    told = newer if found.replacement is None else newer & (labels.place == found.replacement)
    asked = recent[_most_alike(labels, gone[recent], told)]
    return Change(
        str(first.metadata["date"]) if first.date else "",
        int(newer.sum()),
        None if found.answer is None else names[labels.answers[found.answer]],
        None if found.replacement is None else names[labels.answers[found.replacement]],
        int(gone.sum()),
        found.evidence,
        found.sure,
        tuple(own.demonstrations[place].id for place in asked.tolist()),
    )


def _most_alike(labels: LabelsInTime, gone: Marks, newer: Marks) -> NDArray[np.intp]:
    """Places of the labels ``gone`` (k,) whose texts are most like those of the ``newer``."""
    alike = labels.kernel[:, newer].max(axis=1, initial=0.0)
    places = np.flatnonzero(gone)
    return places[np.argsort(-alike[places], kind="stable")][:MOST_TO_SETTLE]

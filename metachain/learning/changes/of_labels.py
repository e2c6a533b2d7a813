"""Changes among the labels of one institution's state: which labels count no more, and why."""

import numpy as np
from numpy.typing import NDArray

from metachain.learning.changes.change import Change
from metachain.learning.changes.detector import Found, find_changes
from metachain.learning.changes.sequence import LabelSequence, label_sequence
from metachain.learning.gaussian_process import Settings
from metachain.learning.institution_state import InstitutionState
from metachain.learning.reply_profile import Profile

__all__ = ["own_changes"]

LONGEST = 256
"""Number of the newest labels that are tested."""
MOST_TO_SETTLE = 4

Marks = NDArray[np.bool_]


def own_changes(
    state: InstitutionState, support: Profile, standing: NDArray[np.float64], settings: Settings
) -> tuple[Marks, tuple[Change, ...]]:
    """Mark the labels (k,) that count no more, and describe the changes that made them so.

    ``support`` is the reply profile of the k labels, ``standing`` (S,) as for ``gaussian_process.fit``. Where answers
    are texts, and where the labels have no order in time, nothing is marked.
    """
    forgotten = np.zeros(len(state.support.answer), bool)
    if state.pool.meaning is not None or not state.time.any():
        return forgotten, ()
    recent = np.argsort(state.time, kind="stable")[-LONGEST:]
    answer, time = state.support.answer, state.time
    texts = state.lifted(support.take(recent), state.vectors[recent], settings)
    labels = label_sequence(texts, answer[recent], time[recent], standing, settings)
    changes = []
    for one in find_changes(labels):
        gone = ~forgotten & (time < time[recent[one.since]])
        if one.answer is not None:
            gone &= answer == labels.answers[one.answer]
        changes.append(_described(state, labels, one, recent, gone))
        forgotten |= gone
    return forgotten, tuple(changes)


def _described(
    state: InstitutionState, labels: LabelSequence, found: Found, recent: NDArray[np.intp], gone: Marks
) -> Change:
    names, first = state.pool.answers, state.support.demonstrations[recent[found.since]]
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
        tuple(state.support.demonstrations[place].id for place in asked.tolist()),
    )


def _most_alike(labels: LabelSequence, gone: Marks, newer: Marks) -> NDArray[np.intp]:
    """Places of the labels ``gone`` (k,) whose texts past institutions treat most like those of the ``newer``."""
    alike = labels.kernel[:, newer].max(axis=1, initial=0.0)
    places = np.flatnonzero(gone)
    return places[np.argsort(-alike[places], kind="stable")][:MOST_TO_SETTLE]

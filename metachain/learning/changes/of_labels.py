"""Changes among the labels of one institution's state: which labels count no more, and why."""

import numpy as np
from numpy.typing import NDArray

from metachain.learning.changes.change import Change
from metachain.learning.changes.detector import find_changes
from metachain.learning.changes.forgetting import forgotten_labels
from metachain.learning.changes.sequence import label_sequence
from metachain.learning.gaussian_process import Settings
from metachain.learning.institution_state import InstitutionState
from metachain.learning.reply_profile import Profile

__all__ = ["own_changes"]

LONGEST = 256
"""Number of the newest labels that are tested."""

Marks = NDArray[np.bool_]


def own_changes(
    state: InstitutionState, support: Profile, standing: NDArray[np.float64], settings: Settings
) -> tuple[Marks, tuple[Change, ...]]:
    """Mark the labels (k,) that count no more, and describe the changes that made them so.

    ``support`` is the reply profile of the k labels, ``standing`` (S,) as for ``gaussian_process.fit``. Where answers
    are texts, and where the labels have no order in time, nothing is marked.
    """
    own, time = state.support, state.time
    if state.pool.meaning is not None or not time.any():
        return np.zeros(len(own.answer), bool), ()
    recent = np.argsort(time, kind="stable")[-LONGEST:]
    texts = state.lifted(support.take(recent), state.vectors[recent], settings)
    labels = label_sequence(texts, own.answer[recent], time[recent], standing, settings)
    return forgotten_labels(own, time, recent, labels, find_changes(labels))

"""Detector of changes: sequential tests of whether an institution's older labels still predict its newer ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metachain.learning.changes.labels import LabelsInTime

__all__ = ["Found", "find_changes"]

FEWEST = 8
"""Minimum number of labels before and after a change of everything."""
LENGTHS = (8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64, 80, 96, 128, 160, 192, 224)
"""Numbers of labels after which a change of everything is looked for."""
MOST_A_LABEL = 1.0
"""Maximum evidence of one label for a change of everything, or against it."""
MISTAKEN = 0.05
"""Share of labels that may be anything, for a change of everything."""
FLOOR = 0.005
"""Least probability of an answer, for a replaced one."""
HABIT = 0.1
"""Probability that a replaced answer is given all the same."""
FEWEST_OLD = 2
"""Minimum number of older labels with an answer that is replaced."""
FEWEST_NEW = 4
"""Minimum number of labels with the answer that replaces it."""
MOST_REPLACED = 32
"""Maximum number of replaced answers."""
FORGETS_ANSWER, ALARM_ANSWER = 8.0, 12.5
"""Evidence from which older labels with a replaced answer are forgotten, and from which an alarm is given."""
FORGETS_ALL, ALARM_ALL = 4.0, 10.0
"""The same for a change of everything."""

Floats = NDArray[np.float64]
Marks = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Found:
    """A change in a sequence of labels."""

    since: int
    """Place of the first label after it."""
    answer: int | None
    """Place of the replaced answer in ``LabelsInTime.answers``; None where all older labels are concerned."""
    replacement: int | None
    evidence: float

    @property
    def sure(self) -> bool:
        """True where the evidence suffices for an alarm."""
        return self.evidence > (ALARM_ALL if self.answer is None else ALARM_ANSWER)

    def forgets(self, labels: LabelsInTime) -> Marks:
        """Mark the labels (k,) that count no more."""
        older: Marks = labels.age < labels.age[self.since]
        return older if self.answer is None else older & (labels.place == self.answer)

    def follows(self, labels: LabelsInTime) -> Marks:
        """Mark the labels (k,) that give the replacing answer since then; none after a change of everything."""
        replacing: Marks = (labels.age >= labels.age[self.since]) & (labels.place == self.replacement)
        return replacing


def find_changes(
    labels: LabelsInTime, *, lengths: Sequence[int] = LENGTHS, only_sure: bool = False
) -> tuple[Found, ...]:
    """Find answers that were replaced by others, one after another, and then a change of everything.

    Labels that came in together have no order, so there is no change between them. ``lengths`` are the numbers of
    newest labels after which a change of everything is looked for. With ``only_sure`` evidence for an alarm is needed.
    Takes at most 32 + ``len(lengths)`` predictions (``LabelsInTime.predictions``).
    """
    rows = np.arange(len(labels.age))
    if len(rows) < 2 * FEWEST or labels.age[0] == labels.age[-1]:
        return ()
    found: list[Found] = []
    forgotten, explained = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    enough = ALARM_ANSWER if only_sure else FORGETS_ANSWER
    while len(found) < MOST_REPLACED:
        kept = rows[~forgotten & ~explained]
        replaced = _replaced_answer(labels, kept, labels.predictions(kept), enough)
        if replaced is None:
            break
        found.append(replaced)
        forgotten |= replaced.forgets(labels)
        explained |= replaced.follows(labels)
    everything = _change_of_everything(labels, rows[~forgotten], lengths, ALARM_ALL if only_sure else FORGETS_ALL)
    return (*found, everything) if everything else tuple(found)


def _replaced_answer(labels: LabelsInTime, rows: NDArray[np.intp], probability: Floats, enough: float) -> Found | None:
    """Find the pair of answers a, b with the most evidence that, since some label, b takes the place of a.

    CUSUM (Page 1954, "Continuous inspection schemes"): ``S = max(0, S + log p₁ / p)``, where p₁ moves nine tenths of
    the probability of a to b. A label a after the change counts ``log 0.1``.
    """
    own, said = np.unique(labels.place[rows], return_inverse=True)
    p, age = probability[:, own] + FLOOR, labels.age[rows]
    total, start, count = np.zeros((len(own),) * 2), np.zeros((len(own),) * 2, int), np.zeros((len(own),) * 2, int)
    for t, b in enumerate(said):
        older = np.bincount(said[: np.searchsorted(age, age[t])], minlength=len(own))
        gain = np.log(((1 - HABIT) * p[t] + p[t, b]) / p[t, b])
        gain[b] = 0
        idle = total[:, b] <= 0
        start[idle, b], count[idle, b] = t, 0
        counts = ~idle | (older >= FEWEST_OLD)
        total[counts, b] += gain[counts]
        count[counts, b] += 1
        total[b] = np.maximum(total[b] + np.log(HABIT), 0)
    total[count < FEWEST_NEW] = 0
    a, b = np.unravel_index(total.argmax(), total.shape)
    if total[a, b] <= enough:
        return None
    return Found(int(rows[start[a, b]]), int(own[a]), int(own[b]), float(total[a, b]))


def _change_of_everything(
    labels: LabelsInTime, rows: NDArray[np.intp], lengths: Sequence[int], enough: float
) -> Found | None:
    """Compare the predictions of the newest labels with those from labels of the same time alone."""
    age = labels.age[rows]
    starts = {int(np.searchsorted(age, age[-length])) for length in lengths if length <= len(rows)}
    fits = _log_fits(labels, rows)
    best = None
    for start in sorted(one for one in starts if one >= FEWEST):
        newer = rows[start:]
        gain = _log_fits(labels, newer) - fits[start:]
        evidence = float(np.clip(gain, -MOST_A_LABEL, MOST_A_LABEL).sum())
        if evidence > (best.evidence if best else enough):
            best = Found(int(newer[0]), None, None, evidence)
    return best


def _log_fits(labels: LabelsInTime, rows: NDArray[np.intp]) -> Floats:
    """Log probability (n,) of what was said, with a share of labels that may be anything."""
    probability = labels.predictions(rows)
    said = probability[np.arange(len(rows)), labels.place[rows]]
    return np.asarray(np.log((1 - MISTAKEN) * said + MISTAKEN / probability.shape[1]))

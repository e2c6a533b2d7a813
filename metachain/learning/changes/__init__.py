"""Changes of an institution's answers, noticed from its own answers in the order of time."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.learning.changes.change import Change, describe_change
    from metachain.learning.changes.detector import Found, find_changes
    from metachain.learning.changes.of_labels import own_changes
    from metachain.learning.changes.of_past import PastChanges, past_changes
    from metachain.learning.changes.sequence import LabelSequence, label_sequence

__all__ = ["Change", "Found", "LabelSequence", "PastChanges", "describe_change", "find_changes", "label_sequence"]
__all__ += ["own_changes", "past_changes"]
__getattr__, __dir__ = lazily(
    __name__,
    change="Change describe_change",
    detector="Found find_changes",
    sequence="LabelSequence label_sequence",
    of_labels="own_changes",
    of_past="PastChanges past_changes",
)

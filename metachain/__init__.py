"""metachain: learn which past institutions' demonstrations best transfer to a new one."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily
from metachain._version import __version__ as __version__

if TYPE_CHECKING:
    from metachain.data.demonstration import Demonstration
    from metachain.data.jsonl import read_demonstrations
    from metachain.evaluation.diagnosis import Diagnosis, diagnose
    from metachain.learning.active_learning import Suggestion, suggest_labels
    from metachain.learning.posterior import Posterior, adapt
    from metachain.learning.prior import Prior, learn
    from metachain.library.library import Library
    from metachain.library.sharing import EVERYONE, Audience, Grant
    from metachain.selection.selection import Selection
    from metachain.selection.selector import Selector

__all__ = [
    "EVERYONE",
    "Audience",
    "Demonstration",
    "Diagnosis",
    "Grant",
    "Library",
    "Posterior",
    "Prior",
    "Selection",
    "Selector",
    "Suggestion",
    "adapt",
    "diagnose",
    "learn",
    "read_demonstrations",
    "suggest_labels",
]
_HOMES = {
    "Demonstration": "data.demonstration",
    "read_demonstrations": "data.jsonl",
    "Diagnosis": "evaluation.diagnosis",
    "diagnose": "evaluation.diagnosis",
    "Suggestion": "learning.active_learning",
    "suggest_labels": "learning.active_learning",
    "Posterior": "learning.posterior",
    "adapt": "learning.posterior",
    "Prior": "learning.prior",
    "learn": "learning.prior",
    "Library": "library.library",
    "Audience": "library.sharing",
    "EVERYONE": "library.sharing",
    "Grant": "library.sharing",
    "Selection": "selection.selection",
    "Selector": "selection.selector",
}
__getattr__ = lazily(__name__, _HOMES)

"""metachain: learn which past institutions' demonstrations best transfer to a new one."""

from typing import TYPE_CHECKING

from metachain.lazy import lazily

if TYPE_CHECKING:
    from metachain.demonstration import Demonstration, read_demonstrations
    from metachain.diagnosis import Diagnosis, diagnose
    from metachain.labelling import Suggestion, suggest_labels
    from metachain.library import Library
    from metachain.posterior import Posterior, adapt
    from metachain.prior import Prior, learn
    from metachain.selection import Selection
    from metachain.selector import Selector
    from metachain.sharing import EVERYONE, Audience, Grant

__version__ = "0.1.0"
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
    "Demonstration": "demonstration",
    "read_demonstrations": "demonstration",
    "Diagnosis": "diagnosis",
    "diagnose": "diagnosis",
    "Suggestion": "labelling",
    "suggest_labels": "labelling",
    "Library": "library",
    "Posterior": "posterior",
    "adapt": "posterior",
    "Prior": "prior",
    "learn": "prior",
    "Selection": "selection",
    "Selector": "selector",
    "EVERYONE": "sharing",
    "Audience": "sharing",
    "Grant": "sharing",
}
__getattr__ = lazily(__name__, _HOMES)

"""metachain: learn which past institutions' demonstrations best transfer to a new one."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily
from metachain._version import __version__ as __version__

if TYPE_CHECKING:
    from metachain.data import Demonstration, read_demonstrations
    from metachain.evaluation import Diagnosis, diagnose
    from metachain.learning import Posterior, Prior, Suggestion, adapt, learn, suggest_labels
    from metachain.library import EVERYONE, Audience, Grant, Library
    from metachain.selection import Selection, Selector

__all__ = ["EVERYONE", "Audience", "Demonstration", "Diagnosis", "Grant", "Library", "Posterior", "Prior", "Selection"]
__all__ += ["Selector", "Suggestion", "adapt", "diagnose", "learn", "read_demonstrations", "suggest_labels"]
__getattr__, __dir__ = lazily(
    __name__,
    data="Demonstration read_demonstrations",
    evaluation="Diagnosis diagnose",
    learning="Posterior Prior Suggestion adapt learn suggest_labels",
    library="EVERYONE Audience Grant Library",
    selection="Selection Selector",
)

"""Selection of few-shot examples (demonstrations) for a query, with reasons."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.learning.policy import Policy
    from metachain.selection.learned_policies import LearnedPolicy, load_policy, read_policy, save_policy
    from metachain.selection.selection import Chosen, Selection
    from metachain.selection.selector import Selector

__all__ = ["Chosen", "LearnedPolicy", "Policy", "Selection", "Selector", "load_policy", "read_policy", "save_policy"]
__getattr__, __dir__ = lazily(
    __name__,
    learned_policies="LearnedPolicy Policy load_policy read_policy save_policy",
    selection="Chosen Selection",
    selector="Selector",
)

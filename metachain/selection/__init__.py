"""Selection of few-shot examples (demonstrations) for a query, with reasons."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.learning.policy import Policy
    from metachain.selection.learned_policies import LearnedPolicy, load_policy, read_policy, save_policy
    from metachain.selection.selection import Chosen, Selection
    from metachain.selection.selector import Selector

__all__ = [
    "Chosen",
    "LearnedPolicy",
    "Policy",
    "Selection",
    "Selector",
    "load_policy",
    "read_policy",
    "save_policy",
]
_HOMES = {
    "LearnedPolicy": "learned_policies",
    "Policy": "learned_policies",
    "load_policy": "learned_policies",
    "read_policy": "learned_policies",
    "save_policy": "learned_policies",
    "Chosen": "selection",
    "Selection": "selection",
    "Selector": "selector",
}
__getattr__ = lazily(__name__, _HOMES)

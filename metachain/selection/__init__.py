"""The demonstrations that one query is shown, and why."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.selection.policy import LearnedPolicy, Policy, load_policy, read_policy, save_policy
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
    "LearnedPolicy": "policy",
    "Policy": "policy",
    "load_policy": "policy",
    "read_policy": "policy",
    "save_policy": "policy",
    "Chosen": "selection",
    "Selection": "selection",
    "Selector": "selector",
}
__getattr__ = lazily(__name__, _HOMES)

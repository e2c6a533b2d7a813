"""What the run that selects demonstrations gives: to the prompt, and to traces and callbacks."""

from typing import NotRequired

from typing_extensions import TypedDict  # pydantic takes typing's own from Python 3.12 on

__all__ = ["SELECTION_RUN", "Shown", "ShownDemonstration"]

SELECTION_RUN = "select_demonstrations"
"""The run's name: a callback finds its output in ``on_chain_end``, its name in ``on_chain_start``."""


class ShownDemonstration(TypedDict):
    """One demonstration in the prompt. Of a selector that is not metachain's, only texts and tokens are known."""

    input: str
    output: str
    tokens: int
    """Of both turns, as the prompt's budget counts them."""
    institution: NotRequired[str]
    """Where it comes from."""
    id: NotRequired[str]
    score: NotRequired[float]
    similarity: NotRequired[float]
    plausibility: NotRequired[float]
    """As ``metachain.selection.Chosen`` has them."""


class Shown(TypedDict):
    """All of them, as JSON can say it."""

    selection_id: NotRequired[str]
    """Of the entry in the library's audit; another selector's examples have none."""

    institution: str
    """Who asks; empty where nobody was named."""
    method: str
    """Who chose: ``metachain``, ``nearest``, or the class of another selector."""
    input: str
    """The query."""
    demonstrations: list[ShownDemonstration]
    """In prompt order, the best last (first, where the policy says so)."""

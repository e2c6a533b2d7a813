"""Joining of names that are one: of old libraries, institutions and labels."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.library.joining.rows import Joined
    from metachain.library.joining.spellings import join_institutions, join_labels, join_sets, join_spellings

__all__ = ["Joined", "join_institutions", "join_labels", "join_sets", "join_spellings"]
__getattr__, __dir__ = lazily(
    __name__,
    rows="Joined",
    spellings="join_institutions join_labels join_sets join_spellings",
)

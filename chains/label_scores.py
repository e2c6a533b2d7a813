"""The scores of labels: models that say how likely each of several answers is."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from langchain_core.messages import BaseMessage
from numpy.typing import NDArray

__all__ = ["ScoresLabels"]


@runtime_checkable
class ScoresLabels(Protocol):
    """A model that gives the probability of a label as its whole answer."""

    def label_log_probabilities(
        self, prompts: Sequence[Sequence[BaseMessage]], labels: Sequence[Sequence[str]]
    ) -> list[NDArray[np.float64]]:
        """Log-probability of each of a prompt's labels, as the whole answer (with the end of turn).

        Natural logarithms, each 0 or less; one array a prompt, of shape ``(len(labels[i]),)``.
        """

"""A chat model that scores labels by a simple rule, to tell a chain's parts apart."""

from collections.abc import Sequence
from threading import get_ident
from typing import Any

import numpy as np
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from numpy.typing import NDArray
from pydantic import Field

__all__ = ["RuleScores"]


class RuleScores(BaseChatModel):
    """Writes "words", and scores a label higher if the query has it, plus a bias of its own for each label."""

    bias: dict[str, float] = Field(default_factory=dict)
    read: list[str] = Field(default_factory=list)
    """Queries of all prompts that were scored."""
    threads: list[int] = Field(default_factory=list)
    """Thread of each call."""

    def label_log_probabilities(
        self, prompts: Sequence[Sequence[BaseMessage]], labels: Sequence[Sequence[str]]
    ) -> list[NDArray[np.float64]]:
        """Give 0 for a label in the query and -2 for any other, plus the biases, minus 5."""
        queries = [str(prompt[-1].text) for prompt in prompts]
        self.read.extend(queries)
        self.threads.append(get_ident())
        return [
            np.array([-5.0 - 2.0 * (label not in query) + self.bias.get(label, 0.0) for label in some])
            for query, some in zip(queries, labels, strict=True)
        ]

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage("words"))])

    @property
    def _llm_type(self) -> str:
        return "rule-scores"

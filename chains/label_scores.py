"""The scores of labels: models that say how likely each of several answers is, and one that answers by them."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from numpy.typing import NDArray
from scipy.special import log_softmax

from metachain.chains.local.offline import demonstrations_shown
from metachain.errors import DataError

__all__ = ["CONTENT_FREE", "ScoresLabels", "ScoringChatModel", "label_scores", "scoring_model", "without_content"]

CONTENT_FREE = "N/A"
"""Query without content (Zhao et al. 2021)."""
SCORES = "label_log_probabilities"


@runtime_checkable
class ScoresLabels(Protocol):
    """A model that gives the probability of a label as its whole answer."""

    def label_log_probabilities(
        self, prompts: Sequence[Sequence[BaseMessage]], labels: Sequence[Sequence[str]]
    ) -> list[NDArray[np.float64]]:
        """Log-probability of each of a prompt's labels, as the whole answer (with the end of turn).

        Natural logarithms, each 0 or less; one array a prompt, of shape ``(len(labels[i]),)``.
        """


class ScoringChatModel(BaseChatModel):
    """Answers with the label that a model finds most probable as the whole answer.

    The labels are those bound (``model.bind(labels=[…])``), or else the distinct ones that the prompt's demonstrations
    show; of equally probable ones the first is the answer. A prompt without labels is answered in the model's words.
    With ``calibrated`` each probability is divided by that of the same label for the query "N/A" after the same
    demonstrations (contextual calibration; Zhao et al. 2021, "Calibrate Before Use"), which costs a second reading.
    ``scoring_model`` makes it.
    """

    scored: Any
    """The model: a chat model that is also ``ScoresLabels``."""
    calibrated: bool = False

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        *,
        labels: Iterable[str] | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        shown = (output for _, output in demonstrations_shown(messages)[1])
        asked = list(dict.fromkeys(shown if labels is None else labels))
        if not asked:
            result: ChatResult = self.scored._generate(messages, stop, run_manager, **kwargs)
            return result
        found = self._log_probabilities(messages, asked)
        scores = dict(zip(asked, found.tolist(), strict=True))
        message = AIMessage(asked[int(found.argmax())], response_metadata={SCORES: scores})
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _log_probabilities(self, messages: Sequence[BaseMessage], labels: Sequence[str]) -> NDArray[np.float64]:
        """Log-probabilities (m,), normalised over the labels."""
        prompts = [messages, without_content(messages)][: 1 + self.calibrated]
        scores = self.scored.label_log_probabilities(prompts, [labels] * len(prompts))
        found: NDArray[np.float64] = log_softmax(scores[0] - scores[1] if self.calibrated else scores[0])
        return found

    def get_num_tokens(self, text: str) -> int:
        """Count tokens as the model does."""
        count: int = self.scored.get_num_tokens(text)
        return count

    @property
    def _llm_type(self) -> str:
        return f"{self.scored._llm_type}-scoring-labels"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {**self.scored._identifying_params, "answers_by": "score", "calibrated": self.calibrated}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params: LangSmithParams = self.scored._get_ls_params(stop, **kwargs)
        return params


def scoring_model(model: Any, *, calibrated: bool = False) -> ScoringChatModel:
    """Make a model that answers with the best-scored label. Raises DataError for a model that can't score labels."""
    if isinstance(model, BaseChatModel) and isinstance(model, ScoresLabels):
        return ScoringChatModel(scored=model, calibrated=calibrated)
    raise DataError(
        f"{type(model).__name__} can't score labels, because it gives no probabilities of whole answers; "
        "load_model('local') does, and so does any chat model with metachain.chains.ScoresLabels' method"
    )


def label_scores(message: AIMessage) -> dict[str, float] | None:
    """Log-probabilities of the labels, normalised over them, from a scoring model's message; None for words."""
    return message.response_metadata.get(SCORES)


def without_content(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Replace the query, which is the last message, by one without content."""
    return [*messages[:-1], HumanMessage(CONTENT_FREE)]

"""LangChain Runnables, models, feedback, agents: demonstrations chosen by any selector, shown to any chat model."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.chains.answers.cleaning import Cleaned, Cleaning
    from metachain.chains.call_budget import CallBudget, Prices, Usage
    from metachain.chains.classification import Classification, classification_chain
    from metachain.chains.feedback import FeedbackRecorder, recorded
    from metachain.chains.few_shot import few_shot_chain, few_shot_prompt
    from metachain.chains.judge import Judge, openevals_metric
    from metachain.chains.label_scores import ScoresLabels
    from metachain.chains.local.chat_model import LocalChatModel
    from metachain.chains.local.offline import OfflineChatModel
    from metachain.chains.middleware import DemonstrationMiddleware
    from metachain.chains.model_caller import Answer, ModelCaller
    from metachain.chains.models import load_model
    from metachain.chains.policy_learning import Collected, collect, collect_fusion
    from metachain.chains.structured_output import extraction_chain
    from metachain.chains.summarization import summarization_chain
    from metachain.chains.toolkit import MetaChainToolkit

__all__ = [
    "Answer",
    "CallBudget",
    "Classification",
    "Cleaned",
    "Cleaning",
    "Collected",
    "DemonstrationMiddleware",
    "FeedbackRecorder",
]
__all__ += ["Judge", "LocalChatModel", "MetaChainToolkit", "ModelCaller", "OfflineChatModel", "Prices", "ScoresLabels"]
__all__ += ["Usage", "classification_chain", "collect", "collect_fusion", "extraction_chain", "few_shot_chain"]
__all__ += ["few_shot_prompt", "load_model", "openevals_metric", "recorded", "summarization_chain"]
__getattr__, __dir__ = lazily(
    __name__,
    call_budget="CallBudget Prices Usage",
    classification="Classification classification_chain",
    feedback="FeedbackRecorder recorded",
    few_shot="few_shot_chain few_shot_prompt",
    judge="Judge openevals_metric",
    label_scores="ScoresLabels",
    middleware="DemonstrationMiddleware",
    model_caller="Answer ModelCaller",
    models="load_model",
    policy_learning="Collected collect collect_fusion",
    structured_output="extraction_chain",
    summarization="summarization_chain",
    toolkit="MetaChainToolkit",
    **{
        "answers.cleaning": "Cleaned Cleaning",
        "local.chat_model": "LocalChatModel",
        "local.offline": "OfflineChatModel",
    },
)

"""LangChain Runnables, models, feedback, agents: demonstrations chosen by any selector, shown to any chat model."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.chains.call_budget import CallBudget, Prices, Usage
    from metachain.chains.classification import Classification, classification_chain
    from metachain.chains.feedback import FeedbackRecorder, recorded
    from metachain.chains.few_shot import few_shot_chain, few_shot_prompt
    from metachain.chains.judge import Judge, openevals_metric
    from metachain.chains.middleware import DemonstrationMiddleware
    from metachain.chains.model_caller import Answer, ModelCaller
    from metachain.chains.models import load_model
    from metachain.chains.offline import OfflineChatModel
    from metachain.chains.policy_learning import Collected, collect
    from metachain.chains.structured_output import extraction_chain
    from metachain.chains.summarization import summarization_chain
    from metachain.chains.toolkit import MetaChainToolkit

__all__ = [
    "Answer",
    "CallBudget",
    "Classification",
    "Collected",
    "DemonstrationMiddleware",
    "FeedbackRecorder",
    "Judge",
    "MetaChainToolkit",
    "ModelCaller",
    "OfflineChatModel",
    "Prices",
    "Usage",
    "classification_chain",
    "collect",
    "extraction_chain",
    "few_shot_chain",
    "few_shot_prompt",
    "load_model",
    "openevals_metric",
    "recorded",
    "summarization_chain",
]
_HOMES = {
    "CallBudget": "call_budget",
    "Prices": "call_budget",
    "Usage": "call_budget",
    "Classification": "classification",
    "classification_chain": "classification",
    "FeedbackRecorder": "feedback",
    "recorded": "feedback",
    "few_shot_chain": "few_shot",
    "few_shot_prompt": "few_shot",
    "Judge": "judge",
    "openevals_metric": "judge",
    "DemonstrationMiddleware": "middleware",
    "Answer": "model_caller",
    "ModelCaller": "model_caller",
    "load_model": "models",
    "OfflineChatModel": "offline",
    "Collected": "policy_learning",
    "collect": "policy_learning",
    "extraction_chain": "structured_output",
    "summarization_chain": "summarization",
    "MetaChainToolkit": "toolkit",
}
__getattr__ = lazily(__name__, _HOMES)

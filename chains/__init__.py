"""Functions that return Runnables: demonstrations chosen by any selector, shown to any chat model."""

from typing import TYPE_CHECKING

from metachain.lazy import lazily

if TYPE_CHECKING:
    from metachain.chains.classification import Classification, classification_chain
    from metachain.chains.few_shot import few_shot_chain, few_shot_prompt
    from metachain.chains.models import load_model
    from metachain.chains.offline import OfflineChatModel

__all__ = [
    "Classification",
    "OfflineChatModel",
    "classification_chain",
    "few_shot_chain",
    "few_shot_prompt",
    "load_model",
]
_HOMES = {
    "Classification": "classification",
    "classification_chain": "classification",
    "few_shot_chain": "few_shot",
    "few_shot_prompt": "few_shot",
    "load_model": "models",
    "OfflineChatModel": "offline",
}
__getattr__ = lazily(__name__, _HOMES)

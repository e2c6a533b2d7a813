"""Selection of few-shot examples (demonstrations) for a query, with reasons."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.learning.policy import Policy
    from metachain.selection.fusion import Fusion, FusionTrial, WordTrial, learn_fusion, log_posterior
    from metachain.selection.learned_fusions import load_fusion, save_fusion
    from metachain.selection.learned_policies import LearnedPolicy, load_policy, read_policy, save_policy
    from metachain.selection.selection import AnswerProbability, Chosen, Selection
    from metachain.selection.selector import Selector

__all__ = ["AnswerProbability", "Chosen", "Fusion", "FusionTrial", "LearnedPolicy", "Policy", "Selection", "Selector"]
__all__ += ["WordTrial", "learn_fusion", "load_fusion", "load_policy", "log_posterior", "read_policy", "save_fusion"]
__all__ += ["save_policy"]
__getattr__, __dir__ = lazily(
    __name__,
    fusion="Fusion FusionTrial WordTrial learn_fusion log_posterior",
    learned_fusions="load_fusion save_fusion",
    learned_policies="LearnedPolicy Policy load_policy read_policy save_policy",
    selection="AnswerProbability Chosen Selection",
    selector="Selector",
)

"""Meta-learning: a prior from training institutions, a posterior for a target institution, active learning."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.learning.active_learning import Suggestion, suggest_labels
    from metachain.learning.artifacts import load_posterior, load_prior, save_posterior, save_prior
    from metachain.learning.episodes import LABELS
    from metachain.learning.guard import ARMS, NEAREST, mean_scores
    from metachain.learning.posterior import Posterior, adapt
    from metachain.learning.prior import Prior, learn, learned_from, statistics_of
    from metachain.learning.site_statistics import Contribution, read_contribution
    from metachain.learning.soft_labels import scored_answers
    from metachain.learning.unlearning import Receipt, forget

__all__ = [
    "ARMS",
    "LABELS",
    "NEAREST",
    "Contribution",
    "Posterior",
    "Prior",
    "Receipt",
    "Suggestion",
    "adapt",
    "forget",
    "learn",
    "learned_from",
    "load_posterior",
    "load_prior",
    "mean_scores",
    "read_contribution",
    "save_posterior",
    "save_prior",
    "scored_answers",
    "statistics_of",
    "suggest_labels",
]
_HOMES = {
    "Suggestion": "active_learning",
    "suggest_labels": "active_learning",
    "load_posterior": "artifacts",
    "load_prior": "artifacts",
    "save_posterior": "artifacts",
    "save_prior": "artifacts",
    "LABELS": "episodes",
    "ARMS": "guard",
    "NEAREST": "guard",
    "mean_scores": "guard",
    "Posterior": "posterior",
    "adapt": "posterior",
    "Prior": "prior",
    "learn": "prior",
    "learned_from": "prior",
    "statistics_of": "prior",
    "Contribution": "site_statistics",
    "read_contribution": "site_statistics",
    "scored_answers": "soft_labels",
    "Receipt": "unlearning",
    "forget": "unlearning",
}
__getattr__ = lazily(__name__, _HOMES)

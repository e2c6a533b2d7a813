"""Meta-learning: a prior from training institutions, a posterior for a target institution, active learning."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.learning.active_learning import Suggestion, suggest_labels
    from metachain.learning.artifacts import load_posterior, load_prior, save_posterior, save_prior
    from metachain.learning.changes import Change, describe_change
    from metachain.learning.episodes import LABELS
    from metachain.learning.guard import ARMS, NEAREST, mean_scores
    from metachain.learning.own_labels import Conflict, conflicts, scored_answers
    from metachain.learning.posterior import Posterior, adapt
    from metachain.learning.prior import Prior, learn, learned_from, statistics_of
    from metachain.learning.site_statistics import Contribution, read_contribution
    from metachain.learning.unlearning import Receipt, Renamed, forget, rename

__all__ = ["ARMS", "LABELS", "NEAREST", "Change", "Conflict", "Contribution", "Posterior", "Prior", "Receipt"]
__all__ += ["Renamed", "rename"]
__all__ += ["Suggestion", "adapt", "conflicts", "describe_change", "forget", "learn", "learned_from"]
__all__ += ["load_posterior", "load_prior", "mean_scores", "read_contribution", "save_posterior", "save_prior"]
__all__ += ["scored_answers", "statistics_of", "suggest_labels"]
__getattr__, __dir__ = lazily(
    __name__,
    active_learning="Suggestion suggest_labels",
    artifacts="load_posterior load_prior save_posterior save_prior",
    changes="Change describe_change",
    episodes="LABELS",
    guard="ARMS NEAREST mean_scores",
    own_labels="Conflict conflicts scored_answers",
    posterior="Posterior adapt",
    prior="Prior learn learned_from statistics_of",
    site_statistics="Contribution read_contribution",
    unlearning="Receipt Renamed forget rename",
)

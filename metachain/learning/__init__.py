"""The meta-learner: a prior from past institutions, a posterior for a new one, and which labels to ask for next."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.learning.active_learning import Suggestion, suggest_labels
    from metachain.learning.artifacts import load_posterior, load_prior, save_posterior, save_prior
    from metachain.learning.posterior import Posterior, adapt
    from metachain.learning.prior import Prior, learn, learned_from, statistics_of
    from metachain.learning.site_statistics import Contribution, read_contribution
    from metachain.learning.soft_labels import scored_answers
    from metachain.learning.unlearning import Receipt, forget

__all__ = ["Contribution", "Posterior", "Prior", "Receipt", "Suggestion", "adapt", "forget", "learn", "learned_from"]
__all__ += ["load_posterior", "load_prior", "read_contribution", "save_posterior", "save_prior", "scored_answers"]
__all__ += ["statistics_of", "suggest_labels"]
__getattr__, __dir__ = lazily(
    __name__,
    active_learning="Suggestion suggest_labels",
    artifacts="load_posterior load_prior save_posterior save_prior",
    posterior="Posterior adapt",
    prior="Prior learn learned_from statistics_of",
    site_statistics="Contribution read_contribution",
    soft_labels="scored_answers",
    unlearning="Receipt forget",
)

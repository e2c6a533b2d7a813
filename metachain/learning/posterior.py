"""The posterior of one institution, from its labels and scored answers. Exact, in milliseconds."""

from dataclasses import dataclass

import numpy as np

from metachain.learning.calibration import Calibration
from metachain.learning.changes import Change, own_changes
from metachain.learning.gaussian_process import PLAIN, Fit, fit_of_some
from metachain.learning.institution_state import InstitutionState, SharedPastCache, load_institution
from metachain.learning.prior import Prior, version_of
from metachain.learning.transfer import prior_log_weights, with_listed
from metachain.library.library import Library
from metachain.normal_form import normal_form

__all__ = ["Posterior", "adapt", "adapted", "posterior_of"]


@dataclass(frozen=True)
class Posterior:
    """A prior updated by k ``labels`` and a number of ``scored`` answers of one institution. Made by ``adapt``."""

    institution: str
    prior: Prior
    fit: Fit
    labels: int
    digest: str
    """SHA-256 of the prior and of all other inputs; a different one means that the library has changed."""
    scored: int = 0
    changes: tuple[Change, ...] = ()
    """Changes of the institution's answers, with which some of the labels count no more."""

    @property
    def evidence(self) -> int:
        """Number of labels and scored answers; with 0 the posterior is the prior.

        An answer scored 1 counts as a label, so the guard's result and calibration with labels also apply to an
        institution with scored answers only.
        """
        return self.labels + self.scored

    @property
    def learned(self) -> bool:
        """True where the guard admits learning."""
        return self.prior.lesson.admits(self.evidence)

    @property
    def sharpness(self) -> float | None:
        """Sharpness of the choice; None where plain nearest neighbours choose."""
        return self.prior.lesson.sharpness_with(self.evidence)

    @property
    def calibration(self) -> Calibration:
        """Calibration of its probabilities."""
        return self.prior.lesson.calibration(self.evidence)

    @property
    def method(self) -> str:
        """``metachain`` where the guard admits learning, else ``nearest``."""
        return "metachain" if self.learned else "nearest"


def adapt(prior: Prior, library: Library, institution: str, pasts: SharedPastCache | None = None) -> Posterior:
    """Adapt to an institution; its demonstrations in the library are its labels. Without any, the result is the prior.

    Answers with a score only count too (``own_labels.scored_answers``). Past institutions and errors are those of
    ``institution_state.load_past``. ``pasts`` is a cache for several institutions.
    """
    return adapted(prior, library, institution, pasts)[1]


def adapted(
    prior: Prior, library: Library, institution: str, pasts: SharedPastCache | None = None
) -> tuple[InstitutionState, Posterior]:
    """Read the state of an institution, and adapt to it (``adapt``)."""
    institution = normal_form(institution)
    moment = library.state(institution)
    past = pasts.load(prior, version_of(prior), library, institution, moment.forgotten) if pasts else None
    state = load_institution(prior, library, institution, past, moment=moment)
    return state, posterior_of(prior, state)


def posterior_of(prior: Prior, state: InstitutionState) -> Posterior:
    """Adapt to an institution, given its state."""
    pool, support = state.pool, state.support
    numbers = [prior.institutions.index(name) for name in pool.institutions]
    settings = prior.lesson.settings or PLAIN
    profile = state.profile(state.near)
    number = {name: place for place, name in enumerate(pool.answers)} if state.scored else {}
    scored = np.array([number[one.answer] for one in state.scored], np.int64)
    answer = np.concatenate([support.answer, scored])
    score = np.array([1.0] * len(support.answer) + [one.score for one in state.scored]) if state.scored else None
    standing = prior_log_weights(prior.transfer, numbers)
    weights = with_listed(standing, pool.gives, state.listed)
    k = len(support.answer)
    forgotten, changes = own_changes(state, profile.take(slice(k)), standing, settings)
    counts = np.concatenate([~forgotten, np.ones(len(scored), bool)])
    fitted = fit_of_some(profile, answer, weights, settings, counts, state.listed, score)
    return Posterior(state.institution, prior, fitted, k, state.digest, len(state.scored), changes)

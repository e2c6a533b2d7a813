"""Active learning: the few texts that teach most about the others once they are labelled.

Experimental design for Gaussian processes by expected error over all queries (Cohn, Ghahramani & Jordan 1996, "Active
Learning with Statistical Models", eq. 9; Seo et al. 2000, "Gaussian Process Regression: Active Data Selection and Test
Point Rejection"). Half of the covariance of the true answers is estimated from past institutions.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from metachain.data.demonstration import check_text
from metachain.embedding.encoder import Encoder
from metachain.embedding.similarity import hybrid_vectors, lexical_vectors, normalise_text, unit_rows
from metachain.errors import DataError
from metachain.learning.experimental_design import Departures, InnerProducts, design
from metachain.learning.institution_state import InstitutionState, load_institution
from metachain.learning.neighbours import NEIGHBOURS
from metachain.learning.posterior import Posterior
from metachain.learning.prior import Prior
from metachain.learning.reply_profile import Profile, attention, co_treatment_features, consensus
from metachain.learning.transfer import prior_log_weights
from metachain.library.library import Library
from metachain.progress import Progress, silent

__all__ = ["Suggestion", "suggest_labels"]

TEXTS_AT_ONCE = 1024
KIN = 0.3
"""Co-treatment, in [0, 1], from which the answer to one text counts as informative about another."""
SETTLED = 0.9
"""Share of past institutions' replies from which they count as agreeing on an answer."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One text worth labelling."""

    text: str
    gain: float
    """Share, in [0, 1], of the error expected after all earlier labels that its label removes."""
    reason: str


def suggest_labels(
    library: Library,
    posterior: Posterior,
    texts: Sequence[str],
    budget: int,
    *,
    progress: Progress = silent,
    state: InstitutionState | None = None,
    quoting: bool = True,
) -> tuple[Suggestion, ...]:
    """Choose the ``budget`` texts that are most useful to label, the best first.

    Texts that the institution has labelled in the library are not suggested again. Texts that differ only in letter
    case and white space are one text; a text given n times counts as n queries. The choice does not depend on the
    answers, so asking for one text, labelling it and asking again gives the same as asking for all at once. ``state``
    is the institution's present state where the caller has it; else it is read. Without ``quoting`` the reasons name no
    answer that only other institutions give. Raises DataError that names the position of a text that is blank or no
    text.
    """
    if not isinstance(budget, int) or isinstance(budget, bool) or budget < 0:
        raise DataError(f"budget must be a whole number of labels, 0 or more, got {budget!r}")
    given = _checked_texts(texts)
    state = state or load_institution(posterior.prior, library, posterior.institution)
    named = None if quoting else frozenset({*state.list_given, *(one.label for one in state.support.demonstrations)})
    return _suggestions(state, library.encoder, posterior.prior, given, budget, progress, named)


@dataclass(frozen=True, slots=True)
class _GivenTexts:
    """By normalised text: its first spelling in alphabetical order, and the number of times it was given."""

    spelling: dict[str, str]
    count: Counter[str]


def _suggestions(
    state: InstitutionState,
    encoder: Encoder,
    prior: Prior,
    given: _GivenTexts,
    budget: int,
    progress: Progress,
    named: frozenset[str] | None,
) -> tuple[Suggestion, ...]:
    labelled = {normalise_text(one.input): one.input for one in state.support.demonstrations}
    spelling = {**labelled, **given.spelling}
    names = sorted(spelling)
    free = np.array([name not in labelled for name in names], bool)
    if not budget or not free.any():
        return ()
    spelled = [spelling[name] for name in names]
    profile = _profile(encoder, state, spelled, progress)
    numbers = [prior.institutions.index(name) for name in state.pool.institutions]
    weights = prior_log_weights(prior.transfer, numbers)
    kin = co_treatment_features(profile)
    counts = np.array([max(given.count[name], 1) for name in names], float)
    chosen = design(InnerProducts(kin), Departures.of(profile, weights), counts, free, budget, progress)
    expected = consensus(profile, attention(profile, weights))
    return tuple(
        Suggestion(
            spelled[x], gain, f"{_agreement(expected[x], state.pool.answers, named)}, and {_reach(x, spelled, kin)}"
        )
        for x, gain in chosen
    )


def _checked_texts(texts: Sequence[str]) -> _GivenTexts:
    if isinstance(texts, str):
        raise DataError("texts must be a list of texts, got a single string")
    spelling: dict[str, str] = {}
    count: Counter[str] = Counter()
    for position, text in enumerate(texts):
        check_text(f"texts[{position}]", text)
        name = normalise_text(text)
        count[name] += 1
        spelling[name] = min(text, spelling.get(name, text))
    return _GivenTexts(spelling, count)


def _profile(encoder: Encoder, state: InstitutionState, texts: Sequence[str], progress: Progress) -> Profile:
    """Reply profile of n ≥ 1 texts. The vectors of new ones are not stored: they are not demonstrations yet."""
    place = {name: number for number, name in enumerate(state.inputs)}
    names = [normalise_text(text) for text in texts]
    new = {name: text for name, text in zip(names, texts, strict=True) if name not in place}
    near = state.near
    if new:
        vectors = hybrid_vectors(_embedded(encoder, list(new), progress), lexical_vectors(list(new.values())))
        near = near.followed_by(state.past.index.nearest_of_each(vectors, NEIGHBOURS))
        place |= {name: len(state.inputs) + number for number, name in enumerate(new)}
    pool = state.pool
    every = near.take(np.array([place[name] for name in names]), range(len(pool.institutions)))
    return state.profile(every)


def _embedded(encoder: Encoder, texts: Sequence[str], progress: Progress) -> NDArray[np.float32]:
    dense = []
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        progress("embedding", start, len(texts))
        dense.append(encoder.encode(texts[start : start + TEXTS_AT_ONCE]))
    progress("embedding", len(texts), len(texts))
    return unit_rows(np.concatenate(dense))


def _agreement(expected: Floats, answers: Sequence[str], named: frozenset[str] | None) -> str:
    """Agreement of past institutions; an answer that is not in ``named`` is not told, None tells all."""
    likeliest = int(expected.argmax())
    answer = answers[likeliest]
    told = repr(answer[:30]) if named is None or answer in named else "one answer"
    share = f"{expected[likeliest]:.0%} for {told}"
    split = "agree on it" if expected[likeliest] >= SETTLED else "don't all agree on it"
    return f"past institutions {split} ({share})"


def _reach(x: int, texts: Sequence[str], kin: csr_array) -> str:
    likeness = np.asarray((kin @ kin[[x]].T).toarray()).ravel()
    likeness[x] = 0.0
    others = int((likeness >= KIN).sum())
    if others:
        example = texts[int(np.round(likeness, 9).argmax())][:60]
        noun = "text" if others == 1 else "texts"
        return f"its answer speaks for {others} other {noun}, such as {example!r}"
    return "no other text is answered like it"

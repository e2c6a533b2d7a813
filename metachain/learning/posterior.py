"""What is known about one institution after its labels and scores: exact, and a few milliseconds to compute."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metachain.data.demonstration import Demonstration, check_text
from metachain.embedding.similarity import normalise_text
from metachain.errors import NotFoundError, SharingError
from metachain.learning.gaussian_process import PLAIN, Fit, Listed, fit
from metachain.learning.index import InstitutionIndex, Neighbours
from metachain.learning.neighbours import NEIGHBOURS
from metachain.learning.pool import Pool, make_pool
from metachain.learning.prior import Prior, pool_of
from metachain.learning.reply_profile import reply_profile
from metachain.learning.soft_labels import ScoredAnswer, scored_answers
from metachain.learning.transfer import prior_log_weights, shared_answers
from metachain.library.library import Library
from metachain.library.sharing import Shared

__all__ = [
    "Past",
    "Posterior",
    "Scene",
    "Usable",
    "adapt",
    "past_of",
    "posterior_of",
    "read_past",
    "scene_before",
    "scene_of",
    "usable",
]
SEARCHED_TOGETHER = 16
"""Under 20, from where FAISS multiplies matrices, whose last bits depend on what else is in them."""


@dataclass(frozen=True)
class Posterior:
    """One institution's labels and scored answers, digested against a prior's past institutions. Made by ``adapt``."""

    institution: str
    prior: Prior
    fit: Fit
    labels: int
    """k, the number of labels it was adapted to."""
    digest: str
    """Of the prior and all that it was computed from; another means that the library has moved on."""
    scored: int = 0
    """Number of scored answers it was adapted to beside the labels."""

    @property
    def evidence(self) -> int:
        """Number of labels and scored answers: where it is 0 the posterior is the prior.

        An answer scored 1 is as good as a label, so what the guard and the calibration learned of institutions with
        labels holds for those that have scored answers alone.
        """
        return self.labels + self.scored

    @property
    def method(self) -> str:
        """``metachain`` where the guard lets learning choose, else ``nearest``."""
        lesson = self.prior.lesson
        learned = lesson.settings is not None if self.evidence else lesson.trusts_consensus
        return "metachain" if learned else "nearest"


@dataclass(frozen=True, slots=True)
class Usable:
    """What an institution may use at one moment."""

    shared: Shared
    institutions: tuple[str, ...]
    """Of a prior, those that share their demonstrations with it, in alphabetical order, less itself."""


@dataclass(frozen=True)
class Past:
    """The past institutions that an institution may learn from, read and indexed once."""

    pool: Pool
    """Of the prior's institutions that share their demonstrations with the institution, less itself."""
    index: InstitutionIndex
    digest: str
    shared: Shared
    """What the institution might use when the past was read."""


@dataclass(frozen=True)
class Scene:
    """An institution's own demonstrations and scored answers beside the past institutions it may learn from."""

    past: Pool
    """As in ``Past``, with numbers for the institution's own answers after all others."""
    support: Pool
    """Its own; answers numbered as in ``past``."""
    scored: tuple[ScoredAnswer, ...]
    vectors: NDArray[np.float32]
    """(m, d) hybrid vectors of the support's inputs and then of the scored answers'."""
    near: Neighbours
    """In every past institution, of the same."""
    index: InstitutionIndex
    list_given: tuple[str, ...]
    """The answers that the institution says it gives at all; empty where it gave no list."""
    listed: Listed
    """(C,) which answers of ``past`` are in that list or among its own; None where it gave no list."""
    digest: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """Normalised, of the rows of ``vectors``."""
        own = (normalise_text(one.input) for one in self.support.demonstrations)
        return (*own, *(one.input for one in self.scored))


def adapt(prior: Prior, library: Library, institution: str) -> Posterior:
    """Adapt to an institution, whose demonstrations in the library are its labels; without any that is the prior.

    Answers to it that earned a bare score count too (``scored.scored_answers``).
    Past institutions are those of ``past_of``, which says what it raises.
    """
    return posterior_of(prior, scene_of(prior, library, institution), institution)


def posterior_of(prior: Prior, scene: Scene, institution: str) -> Posterior:
    """Adapt to an institution whose scene is at hand."""
    past, support = scene.past, scene.support
    numbers = [prior.institutions.index(name) for name in past.institutions]
    profile = reply_profile(scene.near, past.answer, len(past.answers), past.meaning)
    number = {name: place for place, name in enumerate(past.answers)} if scene.scored else {}
    told = np.array([number[one.answer] for one in scene.scored], np.int64)
    answer = np.concatenate([support.answer, told])
    score = np.array([1.0] * len(support.answer) + [one.score for one in scene.scored]) if scene.scored else None
    settings = prior.lesson.settings or PLAIN
    weights = prior_log_weights(prior.transfer, numbers)
    if scene.listed is not None:
        weights = weights + shared_answers(past.gives, scene.listed)
    fitted = fit(profile, answer, weights, settings, scene.listed, score)
    return Posterior(institution, prior, fitted, len(support.answer), scene.digest, len(scene.scored))


def scene_of(prior: Prior, library: Library, institution: str) -> Scene:
    """Read what selecting for an institution needs; raises what ``past_of`` does."""
    return scene_before(past_of(prior, library, institution), prior, library, institution)


def past_of(prior: Prior, library: Library, institution: str) -> Past:
    """Read and index what an institution may learn from.

    These are the prior's institutions that share their demonstrations with it now, less the institution itself. Raises
    NotFoundError where there are none, and SharingError where one that the prior was learned from shares not even its
    statistics.
    """
    return read_past(prior, library, institution, usable(prior, library, institution))


def usable(prior: Prior, library: Library, institution: str) -> Usable:
    """What an institution may learn from now; raises SharingError as ``past_of`` does."""
    check_text("institution", institution)
    shared = library.sharing.usable_by(institution)
    among = tuple(name for name in prior.institutions if name in shared.demonstrations and name != institution)
    unshared = sorted({*prior.institutions, *prior.contributors} - shared.statistics - {institution})
    if among and unshared:
        raise SharingError(
            f"the prior was learned from {unshared[0]!r}, which does not share with {institution!r}"
            f"{_for(library.sharing.purpose)} (any more); learn again: metachain learn LIBRARY"
        )
    return Usable(shared, among)


def read_past(prior: Prior, library: Library, institution: str, allowed: Usable) -> Past:
    """Read and index it; raises NotFoundError as ``past_of`` does."""
    demonstrations = library.shared_demonstrations(institution, allowed.institutions) if allowed.institutions else ()
    if not demonstrations:
        raise NotFoundError(
            f"no past institution that was learned from shares its demonstrations with {institution!r}"
            f"{_for(library.sharing.purpose)}; let some: metachain share LIBRARY INSTITUTION --with everyone, and learn"
        )
    pool = pool_of(library, demonstrations)
    return Past(pool, InstitutionIndex(pool), _digest(prior, pool.demonstrations), allowed.shared)


def _for(purpose: str) -> str:
    return f" for {purpose!r}" if purpose else ""


def scene_before(past: Past, prior: Prior, library: Library, institution: str, known: Scene | None = None) -> Scene:
    """Read what is the institution's own, beside a past that is at hand.

    ``known`` is an earlier scene of the same institution and past: texts in it are not embedded or searched for again.
    """
    try:
        own = library.demonstrations(institution)
    except NotFoundError:
        own = ()
    support = make_pool(own, _vectors(past, library, own, known), past.pool.answers)
    outcomes = library.outcomes.of(origin="chain", institution=institution)
    texts = past.pool.meaning is not None
    labelled = [one.input for one in own]
    scored = scored_answers(outcomes, labelled, None if texts else frozenset(support.answers))
    further = sorted({one.answer for one in scored} - set(support.answers))
    pool = past.pool.answering((*support.answers, *further))
    asked = [Demonstration(institution, one.input, one.answer) for one in scored]
    vectors = np.concatenate([support.vectors, _vectors(past, library, asked, known)])
    near = _nearest(past, (*support.demonstrations, *asked), vectors, known)
    list_given = library.listed_answers(institution)
    listed = np.isin(pool.answers, [*list_given, *(one.output for one in own)]) if list_given else None
    digest = sha256(repr((past.digest, list_given, scored)).encode())
    _include(digest, own)
    return Scene(pool, support, scored, vectors, near, past.index, list_given, listed, digest.hexdigest())


def _vectors(past: Past, library: Library, asked: Sequence[Demonstration], known: Scene | None) -> NDArray[np.float32]:
    """Hybrid vectors (n, d) of n inputs; those that are ``known`` are taken over."""
    if not asked:
        return np.zeros((0, past.pool.vectors.shape[1]), np.float32)
    texts = [normalise_text(one.input) for one in asked]
    found = dict(zip(known.inputs, known.vectors, strict=True)) if known is not None else {}
    missing = {text: one for text, one in zip(texts, asked, strict=True) if text not in found}
    if missing:
        found.update(zip(missing, library.hybrid_vectors(list(missing.values())), strict=True))
    return np.array([found[text] for text in texts])


def _nearest(
    past: Past, asked: Sequence[Demonstration], vectors: NDArray[np.float32], known: Scene | None
) -> Neighbours:
    """Neighbours of n inputs, which are the same whether they are searched for alone, with others or were ``known``."""
    texts = [normalise_text(one.input) for one in asked]
    found: dict[str, tuple[NDArray[np.int64], NDArray[np.float32]]] = {}
    if known is not None:
        found.update(zip(known.inputs, zip(known.near.rows, known.near.similarity, strict=True), strict=True))
    missing = {text: vector for text, vector in zip(texts, vectors, strict=True) if text not in found}
    names = list(missing)
    for start in range(0, len(names), SEARCHED_TOGETHER):
        some = names[start : start + SEARCHED_TOGETHER]
        near = past.index.near(np.array([missing[name] for name in some]), NEIGHBOURS)
        found.update(zip(some, zip(near.rows, near.similarity, strict=True), strict=True))
    shape = (len(texts), len(past.pool.institutions), NEIGHBOURS)
    return Neighbours(
        np.array([found[text][0] for text in texts], np.int64).reshape(shape),
        np.array([found[text][1] for text in texts], np.float32).reshape(shape),
    )


def _digest(prior: Prior, demonstrations: Sequence[Demonstration]) -> str:
    """Of what was learned and the past demonstrations at hand."""
    digest = sha256(repr((prior.fingerprint, prior.institutions, prior.lesson.settings)).encode())
    digest.update(prior.transfer.tobytes())
    _include(digest, demonstrations)
    return digest.hexdigest()


def _include(digest: Any, demonstrations: Sequence[Demonstration]) -> None:
    for one in demonstrations:
        digest.update(f"\0{one.institution}\0{one.id}\0{one.input}\0{one.output}".encode())

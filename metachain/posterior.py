"""What is known about one institution after its labels: exact, and a few milliseconds to compute."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from metachain.demonstration import Demonstration, check_text
from metachain.errors import LibraryError, NotFoundError
from metachain.index import InstitutionIndex
from metachain.kriging import PLAIN, Fit, Listed, Settings, fit
from metachain.library import Library
from metachain.pool import Pool
from metachain.prior import Prior, load_prior, pool_of
from metachain.profile import reply_profile
from metachain.study import NEIGHBOURS
from metachain.transfer import shared_answers, standing

__all__ = ["Posterior", "Scene", "adapt", "load_posterior", "save_posterior", "scene_of"]

FORMAT = "metachain-posterior/3"


@dataclass(frozen=True)
class Posterior:
    """One institution's labels, digested against the past institutions of a prior. Made by ``adapt``."""

    institution: str
    prior: Prior
    fit: Fit
    labels: int
    """k, the number of labels it was adapted to."""
    digest: str
    """Of the prior and the demonstrations it was computed from; another means that the library has moved on."""

    @property
    def method(self) -> str:
        """``metachain`` where the guard lets learning choose, else ``nearest``."""
        lesson = self.prior.lesson
        learned = lesson.settings is not None if self.labels else lesson.trusts_consensus
        return "metachain" if learned else "nearest"


@dataclass(frozen=True)
class Scene:
    """An institution's own demonstrations beside those of the past institutions it may learn from."""

    past: Pool
    """Of the prior's institutions that are still in the library, less the institution itself."""
    support: Pool
    """Its own; answers numbered as in ``past``."""
    index: InstitutionIndex
    list_given: tuple[str, ...]
    """The answers that the institution says it gives at all; empty where it gave no list."""
    listed: Listed
    """(C,) which answers of ``past`` are in that list or among its own; None where it gave no list."""
    digest: str


def adapt(prior: Prior, library: Library, institution: str) -> Posterior:
    """Adapt to an institution, whose demonstrations in the library are its labels; without any that is the prior.

    Past institutions are the prior's that are still in the library, less the institution itself. Raises
    NotFoundError where none is left.
    """
    return posterior_of(prior, scene_of(prior, library, institution), institution)


def posterior_of(prior: Prior, scene: Scene, institution: str) -> Posterior:
    """Adapt to an institution whose scene is at hand."""
    past, support = scene.past, scene.support
    numbers = [prior.institutions.index(name) for name in past.institutions]
    near = scene.index.nearest(support.vectors, NEIGHBOURS)
    profile = reply_profile(near, past.answer, len(past.answers), past.meaning)
    settings = prior.lesson.settings or PLAIN
    weights = standing(prior.transfer, numbers)
    if scene.listed is not None:
        weights = weights + shared_answers(past.gives, scene.listed)
    fitted = fit(profile, support.answer, weights, settings, scene.listed)
    return Posterior(institution, prior, fitted, len(support.answer), scene.digest)


def scene_of(prior: Prior, library: Library, institution: str) -> Scene:
    """Read what selecting for an institution needs. Raises NotFoundError where no past institution is left."""
    check_text("institution", institution)
    held = set(library.institutions())
    names = [name for name in prior.institutions if name in held and name != institution]
    if not names:
        raise NotFoundError(
            f"the library holds no past institution to learn from for {institution!r}; add some and learn"
        )
    own = library.demonstrations(institution) if institution in held else ()
    others = library.demonstrations(*names)
    past = pool_of(library, others, [one.output for one in own])
    support = pool_of(library, own, past.answers)
    list_given = library.listed_answers(institution)
    listed = np.isin(past.answers, [*list_given, *(one.output for one in own)]) if list_given else None
    digest = _digest(prior, past.demonstrations + support.demonstrations, list_given)
    return Scene(past, support, InstitutionIndex(past), list_given, listed, digest)


def save_posterior(library: Library, posterior: Posterior) -> None:
    """Store the posterior in the library (JSON and npz), replacing the institution's one before."""
    fitted = posterior.fit
    header = {
        "format": FORMAT,
        "institution": posterior.institution,
        "labels": posterior.labels,
        "digest": posterior.digest,
        "settings": asdict(fitted.settings),
        "shape": list(fitted.features.shape),
    }
    arrays: dict[str, NDArray[Any]] = {
        "standing": fitted.standing,
        "evidence": fitted.evidence,
        "weights": fitted.weights,
        "usage": fitted.usage,
        "features_data": fitted.features.data,
        "features_indices": fitted.features.indices,
        "features_indptr": fitted.features.indptr,
    }
    if fitted.listed is not None:
        arrays["listed"] = fitted.listed
    library.save(_name(posterior.institution), header, arrays)


def load_posterior(library: Library, institution: str) -> Posterior:
    """Read an institution's posterior. Raises NotFoundError where there is none, LibraryError for another format."""
    check_text("institution", institution)
    prior = load_prior(library)
    try:
        header, arrays = library.load(_name(institution))
    except NotFoundError:
        raise NotFoundError(
            f"the library has no posterior for {institution!r}; "
            f"make one with: metachain adapt LIBRARY {institution!r} SUPPORT.jsonl"
        ) from None
    if header.get("format") != FORMAT:
        raise LibraryError(f"the posterior of {institution!r} has format {header.get('format')!r}; adapt again")
    try:
        sparse = (arrays["features_data"], arrays["features_indices"], arrays["features_indptr"])
        features = csr_array(sparse, shape=tuple(header["shape"]))
        settings = Settings(**header["settings"])
        learned = arrays["evidence"], arrays["weights"], arrays["usage"], arrays.get("listed")
        fitted = Fit(settings, arrays["standing"], features, *learned)
        return Posterior(institution, prior, fitted, header["labels"], header["digest"])
    except (KeyError, TypeError, ValueError) as error:
        raise LibraryError(f"the posterior of {institution!r} is damaged ({error!r}); adapt again") from error


def _digest(prior: Prior, demonstrations: Sequence[Demonstration], listed: Sequence[str]) -> str:
    """Of all that a posterior is computed from: what was learned, the demonstrations at hand, the list of answers."""
    digest = sha256(repr((prior.fingerprint, prior.institutions, prior.lesson.settings, tuple(listed))).encode())
    digest.update(prior.transfer.tobytes())
    for one in demonstrations:
        digest.update(f"\0{one.institution}\0{one.id}".encode())
    return digest.hexdigest()


def _name(institution: str) -> str:
    return f"posterior of {institution}"

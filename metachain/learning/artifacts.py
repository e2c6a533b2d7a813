"""Stored artefacts: priors and posteriors, saved in a library and read back."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from numpy.typing import NDArray
from scipy.sparse import csr_array

from metachain.data.demonstration import checked_name
from metachain.errors import LibraryError, NotFoundError, NotLearnedError
from metachain.learning.calibration import Calibration
from metachain.learning.changes import Change, PastChanges
from metachain.learning.gaussian_process import Fit, Settings
from metachain.learning.guard import UNLEARNED_SHARPNESS
from metachain.learning.posterior import Posterior
from metachain.learning.prior import GuardResult, Prior
from metachain.library.library import Library
from metachain.normal_form import normal_form
from metachain.timestamps import now

__all__ = ["OWN_PRIOR", "PRIOR", "has_learned", "learned_at", "load_posterior", "load_prior", "name_of"]
__all__ += ["noticed_changes", "save_posterior", "save_prior"]

PRIOR_FORMAT = "metachain-prior/3"
POSTERIOR_FORMAT = "metachain-posterior/4"
PRIOR = "prior"
BEFORE_NUMBERS = 0
"""Number of the demonstrations that were in a library before changes were counted."""
LEARNED_AT = "time of the common prior"
"""Key of ``Library.cache``."""
POSTERIOR = "posterior of "
"""Start of the name of a posterior; the institution's name follows."""
OWN_PRIOR = "prior of "
"""Start of the name of one institution's own prior; the institution's name follows."""


def save_prior(library: Library, prior: Prior, institution: str | None = None) -> None:
    """Store the common prior, or one institution's own, in the library (JSON and npz), replacing the one before."""
    header = {
        "format": PRIOR_FORMAT,
        "institutions": list(prior.institutions),
        "contributors": list(prior.contributors),
        "settings": prior.lesson.settings.stored() if prior.lesson.settings else None,
        "trusts_consensus": prior.lesson.trusts_consensus,
        "unlabelled": asdict(prior.lesson.unlabelled),
        "labelled": asdict(prior.lesson.labelled),
        "sharpness": prior.lesson.sharpness,
        "fingerprint": prior.fingerprint,
        "until": prior.until,
        "learned": now(),
    }
    if prior.changes.of:
        header["changes"] = {name: [asdict(one) for one in some] for name, some in prior.changes.of.items()}
    if prior.changes.outdated:
        header["outdated"] = {name: sorted(ids) for name, ids in prior.changes.outdated.items()}
    arrays = {"transfer": prior.transfer, "scores": prior.lesson.scores}
    library.save(name_of(institution), header, arrays, counts="learned")


def has_learned(library: Library) -> bool:
    """True if the library holds any prior, the common one or an institution's own."""
    return any(name == PRIOR or name.startswith(OWN_PRIOR) for name in library.learned())


def learned_at(library: Library) -> str:
    """Time at which the library's common prior was learned, UTC, ISO 8601; empty for none, and for an older prior."""
    version = library.content_version().forgotten, library.state(PRIOR).learned
    known: Any = library.cache.get(LEARNED_AT)
    if known is None or known[0] != version:
        try:
            header, _ = library.load(PRIOR)
        except NotFoundError:
            header = {}
        known = library.cache[LEARNED_AT] = version, str(header.get("learned", ""))
    return str(known[1])


def load_prior(library: Library, institution: str | None = None) -> Prior:
    """Read an institution's own prior, else the common one.

    Raises NotFoundError where there is none, LibraryError for another format or encoder, or a damaged one.
    """
    if institution is not None:
        institution = checked_name("institution", institution)
    try:
        header, arrays = _loaded(library, institution)
    except NotFoundError:
        raise NotLearnedError("the library holds no prior; make one with: metachain learn LIBRARY") from None
    if header.get("format") != PRIOR_FORMAT:
        raise LibraryError(
            f"the library's prior has format {header.get('format')!r}, expected {PRIOR_FORMAT!r}; learn again"
        )
    try:
        settings = Settings(**header["settings"]) if header["settings"] else None
        calibrations = Calibration(**header["unlabelled"]), Calibration(**header["labelled"])
        sharpness = header.get("sharpness", UNLEARNED_SHARPNESS)
        lesson = GuardResult(settings, header["trusts_consensus"], arrays["scores"], *calibrations, sharpness)
        named = tuple(header["institutions"]), tuple(header["contributors"])
        until, changes = header.get("until", BEFORE_NUMBERS), _past_changes(header)
        prior = Prior(named[0], arrays["transfer"], lesson, header["fingerprint"], named[1], until, changes)
    except (KeyError, TypeError) as error:
        raise LibraryError(f"the library's prior is damaged ({error!r}); learn again") from error
    if prior.fingerprint != library.encoder.fingerprint:
        raise LibraryError(
            f"the prior was learned with {prior.fingerprint}, the library is open with "
            f"{library.encoder.fingerprint}; open it with that encoder or learn again"
        )
    return prior


def name_of(institution: str | None) -> str:
    """Name under which a library stores the prior of an institution; None for the common prior."""
    return PRIOR if institution is None else f"{OWN_PRIOR}{normal_form(institution)}"


def save_posterior(library: Library, posterior: Posterior) -> None:
    """Store the posterior in the library (JSON and npz), replacing the institution's one before."""
    fitted = posterior.fit
    header = {
        "format": POSTERIOR_FORMAT,
        "institution": posterior.institution,
        "labels": posterior.labels,
        "scored": posterior.scored,
        "digest": posterior.digest,
        "settings": fitted.settings.stored(),
        "shape": list(fitted.features.shape),
    }
    if posterior.changes:
        header["changes"] = [asdict(one) for one in posterior.changes]
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
    library.save(_posterior_name(posterior.institution), header, arrays)


def load_posterior(library: Library, institution: str) -> Posterior:
    """Read an institution's posterior. Raises NotFoundError where there is none, LibraryError for another format."""
    institution = checked_name("institution", institution)
    prior = load_prior(library, institution)
    try:
        header, arrays = library.load(_posterior_name(institution))
    except NotFoundError:
        raise NotFoundError(
            f"the library has no posterior for {institution!r}; "
            f"make one with: metachain adapt LIBRARY {institution!r} SUPPORT.jsonl"
        ) from None
    if header.get("format") != POSTERIOR_FORMAT:
        raise LibraryError(f"the posterior of {institution!r} has format {header.get('format')!r}; adapt again")
    try:
        sparse = (arrays["features_data"], arrays["features_indices"], arrays["features_indptr"])
        features = csr_array(sparse, shape=tuple(header["shape"]))
        settings = Settings(**header["settings"])
        learned = arrays["evidence"], arrays["weights"], arrays["usage"], arrays.get("listed")
        fitted = Fit(settings, arrays["standing"], features, *learned)
        counted = header["labels"], header["digest"], header["scored"]
        return Posterior(institution, prior, fitted, *counted, _changes(header.get("changes", ())))
    except (KeyError, TypeError, ValueError) as error:
        raise LibraryError(f"the posterior of {institution!r} is damaged ({error!r}); adapt again") from error


def learned_changes(library: Library) -> PastChanges:
    """Changes of past institutions in the stored common prior; none without a prior."""
    try:
        header, _ = library.load(PRIOR)
    except NotFoundError:
        return PastChanges()
    return _past_changes(header)


def noticed_changes(library: Library) -> dict[str, tuple[Change, ...]]:
    """Changes in the stored posterior of each institution that has some, by the institution's name."""
    found = {}
    for stored in library.learned():
        if stored.startswith(POSTERIOR):
            header, _ = library.load(stored)
            found[stored.removeprefix(POSTERIOR)] = _changes(header.get("changes", ()))
    return {name: changes for name, changes in sorted(found.items()) if changes}


def _changes(stored: Iterable[Mapping[str, Any]]) -> tuple[Change, ...]:
    return tuple(Change(**{**one, "to_settle": tuple(one["to_settle"])}) for one in stored)


def _past_changes(header: Mapping[str, Any]) -> PastChanges:
    of = {name: _changes(some) for name, some in header.get("changes", {}).items()}
    return PastChanges(of, {name: frozenset(ids) for name, ids in header.get("outdated", {}).items()})


def _loaded(library: Library, institution: str | None) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    try:
        return library.load(name_of(institution))
    except NotFoundError:
        return library.load(name_of(None))


def _posterior_name(institution: str) -> str:
    return f"{POSTERIOR}{institution}"

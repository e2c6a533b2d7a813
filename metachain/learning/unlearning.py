"""Machine unlearning: removes a demonstration, an institution or a patient from the library and all that was learned.

Priors and posteriors are closed-form functions of the demonstrations. So learning again without some of them is exact:
the result is the same as if they had never been there (machine unlearning in the sense of Cao & Yang 2015).
"""

from dataclasses import dataclass
from typing import Literal

from metachain.data.demonstration import checked_name
from metachain.errors import DataError, LibraryError, NotFoundError, SharingError
from metachain.learning.artifacts import OWN_PRIOR, PRIOR, load_prior, name_of, save_posterior, save_prior
from metachain.learning.posterior import adapt
from metachain.learning.prior import MINIMUM, Prior, learn
from metachain.library.erasure import POSTERIOR, Doomed, Erased
from metachain.library.joining import Joined
from metachain.library.library import Library
from metachain.progress import Progress, silent

__all__ = ["Receipt", "Renamed", "forget", "rename"]


KINDS = (POSTERIOR, OWN_PRIOR)
"""Starts of the names of what is learned for one institution."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Record of what was forgotten, and of what was learned again without it."""

    erased: Erased
    """Record of the erasure, also kept in the library (``Library.receipts``)."""
    scrubbed: bool
    """False if another process was already reading: the file's log keeps old bytes until that process is done."""
    learned_again: tuple[str, ...]
    """Names of the priors and posteriors that depended on it and were learned again."""
    lost: tuple[str, ...]
    """Names of what depended on it and can't be made again here: models' policies, statistics from elsewhere, lists."""


@dataclass(frozen=True, slots=True)
class Renamed:
    """Record of what was renamed, and of what was learned again with the new name."""

    joined: Joined
    """The names that became one; the audit has the numbers."""
    learned_again: tuple[str, ...]
    """Names of the priors and posteriors that were learned again."""
    lost: tuple[str, ...]
    """Names of what depended on it and can't be made again here: models' fusions, priors of too few institutions."""


def rename(
    library: Library,
    kind: Literal["institution", "label"],
    old: str,
    new: str,
    *,
    institution: str | None = None,
    progress: Progress = silent,
) -> Renamed:
    """Join an institution, or a label, with another one, in one transaction; then learn again what was learned.

    ``institution`` limits a label to one institution. Raises NotFoundError where the library holds none of ``old``,
    DataError where both look the same.
    """
    priors = {owner: _prior(library, owner) for owner in _owners(library)}
    if kind == "institution":
        if institution is not None:
            raise DataError("an institution's name is the same everywhere; leave out 'institution'")
        joined = library.rename_institution(old, new)
    else:
        joined = library.rename_label(old, new, institution)
    for owner, prior in priors.items():
        if name_of(owner) in joined.removed:
            _learn_again(library, None if owner is None else joined.institutions.get(owner, owner), prior, progress)
    for name in joined.removed:
        adapted = name.removeprefix(POSTERIOR)
        if adapted != name:
            _adapt_again(library, joined.institutions.get(adapted, adapted))
    after = set(library.learned())
    lost = sorted(set(joined.removed) - after - {f"{kind}{name}" for kind in KINDS for name in joined.institutions})
    return Renamed(joined, tuple(sorted(name for name in after if name.startswith((PRIOR, POSTERIOR)))), tuple(lost))


def forget(
    library: Library,
    *,
    institution: str | None = None,
    demonstration: str | None = None,
    patient: str | None = None,
    answer: str | None = None,
    progress: Progress = silent,
) -> Receipt:
    """Forget a demonstration by its id (of an ``institution``, where several have it), an institution, or a patient.

    A patient is all demonstrations with that key in ``metadata.patient``. ``answer`` is the id of one recorded answer,
    with its query and correction. On return they are gone from the database and its files, together with their
    vectors, the models' answers to or from them, and every prior, posterior and policy that depended on them. Priors
    and posteriors have been learned again from the rest. An interrupted call has forgotten all or nothing; priors and
    posteriors may then be missing and must be learned again. Raises DataError where the thing to forget is missing or
    ambiguous, NotFoundError where the library holds none of it.
    """
    doomed = _doomed(library, institution, demonstration, patient, answer)
    institution = doomed.institution
    priors = {owner: _prior(library, owner) for owner in _owners(library)}
    erased = library.erase(doomed)
    scrubbed = library.scrub()
    if erased is None:
        alike = ", ".join(map(repr, library.names_like(institution or "-")[:5])) if doomed.whole_institution else ""
        hint = f"; these look alike: {alike}" if alike else ""
        raise NotFoundError(f"the library holds nothing of that {doomed.kind}; check the name{hint}")
    for owner, prior in priors.items():
        if name_of(owner) in erased.artifacts and not (doomed.whole_institution and owner == institution):
            _learn_again(library, owner, prior, progress)
    for name in erased.artifacts:
        adapted = name.removeprefix(POSTERIOR)
        if adapted != name and not (doomed.whole_institution and adapted == institution):
            _adapt_again(library, adapted)
    after, gone = set(library.learned()), set(erased.artifacts)
    anew = [prior for owner, prior in priors.items() if prior and name_of(owner) in gone]
    given = {f"statistics of {name}" for prior in anew for name in prior.contributors}
    elsewhere = given - {f"statistics of {name}" for name in (*library.institutions(), *erased.demonstrations)}
    return Receipt(erased, scrubbed, tuple(sorted(gone & after)), tuple(sorted((gone - after) | elsewhere)))


def _doomed(
    library: Library, institution: str | None, demonstration: str | None, patient: str | None, answer: str | None
) -> Doomed:
    parts = {"demonstration": demonstration, "patient": patient, "answer": answer}
    given = [name for name, value in parts.items() if value is not None]
    for name, value in {"institution": institution, **parts}.items():
        if value is not None:
            checked_name(name, value)
    if len(given) > 1:
        raise DataError(f"forget one thing at a time, not {' and '.join(given)}")
    if institution is None and not given:
        raise DataError("say what to forget: an institution, a demonstration's id, a patient's key, or an answer's id")
    if answer is not None:
        return Doomed(answer=answer)
    if demonstration is not None and institution is None:
        holders = library.holders(demonstration)
        if len(holders) > 1:
            raise DataError(
                f"several institutions have a demonstration {demonstration!r}; say which one: {', '.join(holders)}"
            )
        institution = holders[0] if holders else None
    return Doomed(institution, demonstration, patient)


def _owners(library: Library) -> list[str | None]:
    """Institutions with a prior of their own; None stands for the common prior."""
    own = [name.removeprefix(OWN_PRIOR) for name in library.learned() if name.startswith(OWN_PRIOR)]
    return [*own, *([None] if PRIOR in library.learned() else [])]


def _prior(library: Library, owner: str | None) -> Prior | None:
    try:
        return load_prior(library, owner)
    except LibraryError:
        return None  # of an older format, or damaged; it is learned anew in any case


def _learn_again(library: Library, owner: str | None, before: Prior | None, progress: Progress) -> None:
    count = len(before.institutions) + len(before.contributors) if before else MINIMUM
    try:
        prior = learn(library, owner, minimum=min(MINIMUM, count), progress=progress)
    except DataError:
        return  # too few institutions are left; the receipt lists the prior as lost
    save_prior(library, prior, owner)


def _adapt_again(library: Library, institution: str) -> None:
    try:
        posterior = adapt(load_prior(library, institution), library, institution)
    except (NotFoundError, SharingError):
        return  # no prior is left, or no institution shares any more
    save_posterior(library, posterior)

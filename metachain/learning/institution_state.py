"""State of the target institution: its own labels and feedback, and the shared past that it may use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from metachain.data.demonstration import Demonstration, checked_name
from metachain.embedding.similarity import normalise_text
from metachain.errors import NotFoundError, SharingError
from metachain.learning.gaussian_process import Listed, Settings
from metachain.learning.index import Neighbours
from metachain.learning.neighbours import NEIGHBOURS
from metachain.learning.own_labels import (
    ScoredAnswer,
    newest_first,
    order_of_time,
    read_current_labels,
    scored_answers,
)
from metachain.learning.pool import Pool, taken
from metachain.learning.prior import Prior
from metachain.learning.reply_profile import Profile, reply_profile
from metachain.learning.shared_past import SharedPast, include, read_shared_past
from metachain.library.library import Library
from metachain.library.origins import Reach
from metachain.library.revisions import State
from metachain.library.sharing import Shared

__all__ = ["InstitutionState", "SharedPastCache", "allowed_sources", "load_institution", "load_past"]

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class InstitutionState:
    """One institution's own demonstrations and scored answers, and the past that it may use. Immutable."""

    institution: str
    moment: State
    """Counters of the library before the state was read."""
    shared: Shared
    past: SharedPast
    pool: Pool
    """Pool of the past; the institution's own answers are numbered after all others."""
    support: Pool
    """Its k own demonstrations, without superseded labels; answers are numbered as in ``pool``."""
    numbers: Mapping[str, int]
    """Number of the change with which each of them came in, by id; empty where their order decides nothing."""
    scored: tuple[ScoredAnswer, ...]
    vectors: NDArray[np.float32]
    """(m, d) hybrid vectors of the support's inputs, then of the scored answers' inputs."""
    near: Neighbours
    """Neighbours of these m inputs in every past institution."""
    list_given: tuple[str, ...]
    """List of all answers that the institution gives; empty without a list."""
    listed: Listed
    """(C,) marks the answers of ``pool`` in that list or in its own demonstrations; None without a list."""
    time: Rows
    """Place (k,) of each label in the order of time, equal for those that came in together; 0 where nobody asks."""
    digest: str
    """SHA-256 of the prior and of all other inputs of a posterior."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Normalised inputs, in the order of ``vectors``."""
        return (*self.own_texts, *(one.input for one in self.scored))

    @cached_property
    def own_texts(self) -> NDArray[np.object_]:
        """(k,) normalised inputs of the support."""
        return np.array([normalise_text(one.input) for one in self.support.demonstrations], object)

    @cached_property
    def said(self) -> dict[str, tuple[int, ...]]:
        """Places in the support of what it said of each text (``same_text``), the newest first."""
        return newest_first(self.support.demonstrations, self.numbers)

    def profile(self, near: Neighbours) -> Profile:
        """Reply profile of n texts over the past institutions, from their neighbours."""
        return reply_profile(near, self.pool.answer, len(self.pool.answers), self.pool.meaning, self.pool.sets)

    def lifted(self, profile: Profile, vectors: NDArray[np.float32], settings: Settings) -> Profile:
        """Add the lift to the profile of n texts with hybrid ``vectors`` (n, d), where ``settings`` use it."""
        if self.pool.meaning is not None or not settings.lift:
            return profile
        return replace(profile, lift=self.past.regression.lift(vectors, self.pool.answers))

    def demonstration(self, row: int) -> Demonstration:
        """Demonstration of a row; the rows of the past come first, then those of the support."""
        past = self.pool.demonstrations
        return past[row] if row < len(past) else self.support.demonstrations[row - len(past)]

    def twins_of(self, rows: Rows) -> Rows:
        """First row (n, j) of the same institution with the same text and answer; undefined for -1."""
        return taken(rows, self.past.pool.twin, self._own_twin)

    @cached_property
    def _own_twin(self) -> Rows:
        return self.support.twin + len(self.pool.demonstrations)

    def answers_of(self, rows: Rows) -> Rows:
        """Answer numbers (n, j) of rows (n, j); undefined for -1."""
        return taken(rows, self.pool.answer, self.support.answer)


class SharedPastCache:
    """Cache of shared pasts: one for all institutions with access to the same sources of the same prior. Thread-safe.

    Institutions that share and ask see parts of one past, without their own demonstrations. Permissions are checked
    anew for each institution. Pasts from before a change of rules or an erasure are dropped.
    """

    def __init__(self) -> None:
        self._pasts: dict[tuple[tuple[str, int | None, int, int], Reach], SharedPast] = {}
        self._reading = Lock()

    def load(
        self, prior: Prior, version: str, library: Library, institution: str, forgotten: int
    ) -> tuple[Shared, SharedPast]:
        """Load as ``load_past`` does, from the cache where possible.

        ``version`` is the prior's version, ``forgotten`` the library's counter of erasures, read before this call.
        """
        shared, names = allowed_sources(prior, library, institution)
        moment = version, prior.until, shared.rules, forgotten
        reach = shared.reach().among(names)
        with self._reading:
            found = self._pasts.get((moment, reach))
            if found is None:
                self._pasts = {known: one for known, one in self._pasts.items() if known[0] == moment}
                whole = _whole(prior, library)
                if not _is_much_of(reach, whole):
                    whole = reach
                read = self._pasts.get((moment, whole)) or _read(prior, library, institution, reach, whole)
                found = read.part(reach)
                if not found.pool.institutions:
                    raise _nothing_shared(library, institution)
                _ = found.pool.twin  # computed here once, before several threads need it
                self._pasts |= {(moment, whole): read, (moment, reach): found}
        return shared, found


def load_past(prior: Prior, library: Library, institution: str) -> tuple[Shared, SharedPast]:
    """Present permissions of an institution, and the past that it may learn from.

    The past holds the prior's institutions that share their demonstrations with it, without itself. Raises
    NotFoundError where there are none, SharingError where an institution behind the prior shares no statistics with it.
    """
    return SharedPastCache().load(prior, "", library, institution, library.content_version().forgotten)


def allowed_sources(prior: Prior, library: Library, institution: str) -> tuple[Shared, tuple[str, ...]]:
    """Present permissions, and the institutions to read; raises SharingError as ``load_past`` does."""
    institution = checked_name("institution", institution)
    shared = library.sharing.usable_by(institution)
    among = tuple(name for name in prior.institutions if name in shared.demonstrations and name != institution)
    unshared = sorted({*prior.institutions, *prior.contributors} - shared.statistics - {institution})
    if among and unshared:
        raise SharingError(
            f"the prior was learned from {unshared[0]!r}, which does not share with {institution!r}"
            f"{_purpose(library)} (any more); learn again: metachain learn LIBRARY"
        )
    return shared, among


def load_institution(
    prior: Prior,
    library: Library,
    institution: str,
    past: tuple[Shared, SharedPast] | None = None,
    known: InstitutionState | None = None,
    moment: State | None = None,
) -> InstitutionState:
    """Read the state of an institution. Raises the errors of ``load_past``.

    ``past`` is a result of ``load_past`` to use again. ``known`` is an earlier state of the same institution and past:
    its texts are neither embedded nor searched again. ``moment`` is the library's state, read before this call.
    """
    moment = moment or library.state(institution)
    shared, past_read = past or load_past(prior, library, institution)
    own, numbers = read_current_labels(library, institution, exclusive=past_read.pool.meaning is None)
    support = past_read.pool.beside(own, _vectors(past_read, library, own, known))
    scored = scored_answers(
        library.outcomes.latest_scored(institution),
        [one.input for one in own],
        *((None, None) if past_read.pool.meaning is not None else (frozenset(support.answers), support.label_sets)),
    )
    pool = past_read.pool.answering((*support.answers, *sorted({one.answer for one in scored} - set(support.answers))))
    asked = [Demonstration(institution, one.input, one.answer) for one in scored]
    vectors = np.concatenate([support.vectors, _vectors(past_read, library, asked, known)])
    near = _nearest(past_read, (*support.demonstrations, *asked), vectors, known)
    list_given = library.listed_answers(institution)
    listed = pool.marks([*list_given, *(one.label for one in own)]) if list_given else None
    time = order_of_time(support.demonstrations, numbers)
    return InstitutionState(
        institution,
        moment,
        shared,
        past_read,
        pool,
        support,
        numbers,
        scored,
        vectors,
        near,
        list_given,
        listed,
        time,
        _digest((past_read.digest(prior.key, prior.hash), list_given, scored, *(time if time.any() else ())), own),
    )


def _digest(inputs: tuple[object, ...], own: Sequence[Demonstration]) -> str:
    """SHA-256 of inputs, by their ``repr``, and of labels."""
    digest = sha256(repr(inputs).encode())
    include(digest, own)
    return digest.hexdigest()


def _whole(prior: Prior, library: Library) -> Reach:
    """All demonstrations of the prior's institutions, with those that nobody released where everybody may use them."""
    live = library.sharing.usable_by(None).live
    return Reach(prior.institutions, tuple(sorted(live))).among(prior.institutions)


def _is_much_of(reach: Reach, whole: Reach) -> bool:
    """True if ``whole`` without some institutions is ``reach``, and these are at most half of them."""
    within = whole.among(reach.released)
    return within == reach and 2 * len(within.released) >= len(whole.released)


def _read(prior: Prior, library: Library, institution: str, reach: Reach, whole: Reach) -> SharedPast:
    """Read the past ``whole``, of which an institution may use ``reach``. Raises NotFoundError where it is empty."""

    def read(until: int) -> Sequence[Demonstration]:
        if whole == reach:  # in the institution's own view of the library
            found = library.shared_demonstrations(institution, reach.released, until) if reach.released else ()
        else:
            found = library.reached_demonstrations(whole, until)
        if not found:
            raise _nothing_shared(library, institution)
        return found

    return read_shared_past(library, whole, prior.until, read, outdated=prior.changes.outdated)


def _nothing_shared(library: Library, institution: str) -> NotFoundError:
    return NotFoundError(
        f"no past institution that was learned from shares its demonstrations with {institution!r}"
        f"{_purpose(library)}; let some: metachain share LIBRARY INSTITUTION --with everyone, and learn"
    )


def _purpose(library: Library) -> str:
    return f" for {library.sharing.purpose!r}" if library.sharing.purpose else ""


def _vectors(
    past: SharedPast, library: Library, asked: Sequence[Demonstration], known: InstitutionState | None
) -> NDArray[np.float32]:
    """Hybrid vectors (n, d) of n inputs of one institution; those in ``known``, or in the past, are used again."""
    if not asked:
        return np.zeros((0, past.pool.vectors.shape[1]), np.float32)
    texts = [normalise_text(one.input) for one in asked]
    if known is not None:
        found = dict(zip(known.inputs, known.vectors, strict=True))
    else:
        found = past.vectors_of(asked[0].institution)
    missing = {text: one for text, one in zip(texts, asked, strict=True) if text not in found}
    if missing:
        found.update(zip(missing, library.hybrid_vectors(list(missing.values())), strict=True))
    return np.array([found[text] for text in texts])


def _nearest(
    past: SharedPast, asked: Sequence[Demonstration], vectors: NDArray[np.float32], known: InstitutionState | None
) -> Neighbours:
    """Neighbours of n inputs; those in ``known`` are used again. They don't depend on the other inputs."""
    texts = [normalise_text(one.input) for one in asked]
    found: dict[str, tuple[Rows, NDArray[np.float32]]] = {}
    if known is not None:
        found.update(zip(known.inputs, zip(known.near.rows, known.near.similarity, strict=True), strict=True))
    missing = {text: vector for text, vector in zip(texts, vectors, strict=True) if text not in found}
    if missing:
        near = past.index.nearest_of_each(np.array(list(missing.values())), NEIGHBOURS)
        found.update(zip(missing, zip(near.rows, near.similarity, strict=True), strict=True))
    shape = (len(texts), len(past.pool.institutions), NEIGHBOURS)
    return Neighbours(
        np.array([found[text][0] for text in texts], np.int64).reshape(shape),
        np.array([found[text][1] for text in texts], np.float32).reshape(shape),
    )

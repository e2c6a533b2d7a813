"""Selector: few-shot examples (demonstrations) for one institution, each selection recorded in the audit."""

from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from dataclasses import asdict, replace
from functools import partial
from threading import Lock
from typing import Any, Self

from sqlalchemy import Connection

from metachain.data.demonstration import Demonstration
from metachain.data.metadata.filters import Condition, condition_of
from metachain.errors import SharingError
from metachain.label_sets import label_sets
from metachain.learning.artifacts import load_prior
from metachain.learning.institution_state import InstitutionState, SharedPastCache, load_institution
from metachain.learning.policy import DEFAULT, Policy
from metachain.learning.posterior import Posterior, posterior_of
from metachain.learning.prior import version_of
from metachain.learning.shared_past import SharedPast
from metachain.library.audit import AuditEntry, new_id
from metachain.library.caller import Caller, caller
from metachain.library.erasure import records_sha256
from metachain.library.library import Library
from metachain.library.revisions import State, state_of
from metachain.library.sharing import Shared, Sharing
from metachain.selection.admitted import Admitted
from metachain.selection.chooser import Chooser, checked_shots
from metachain.selection.selection import Selection
from metachain.timestamps import now

__all__ = ["Selector"]

ATTEMPTS = 5
"""Maximum number of attempts at one selection while the sharing rules keep changing."""


class Selector:
    """Selects for one institution from demonstrations that others share with it, and from its own present labels.

    Labels, lists of answers and feedback of the institution count from the next selection on, also those that another
    process adds. So do changes of the sharing rules, the end of a grant, and erasures. Demonstrations that others add
    later do not count: make another selector for these. ``filter`` admits demonstrations to be shown by their metadata
    (``metachain.data.metadata.filters``), and never more than the sharing rules do. ``k`` ≥ 0 is the maximum number of
    demonstrations, None for the policy's. Where the library has changed since the posterior was computed, the posterior
    is computed anew from the same prior; after an erasure from the prior that the library then holds, and without one
    the selector raises NotFoundError. Safe to share among threads.

    Selectors with the same ``pasts`` keep one copy of the demonstrations that all of them share. ``state`` is the one
    from which the posterior was computed, if at hand. Each selection is recorded in ``library.audit`` before it is
    returned, and must be permitted at the moment of that record. Where the rules have changed meanwhile, the selector
    chooses anew.
    """

    def __init__(
        self,
        library: Library,
        posterior: Posterior,
        k: int | None = None,
        policy: Policy = DEFAULT,
        pasts: SharedPastCache | None = None,
        state: InstitutionState | None = None,
        filter: Mapping[str, Any] | None = None,
    ) -> None:
        self.policy = policy
        self.k = policy.shots if k is None else checked_shots(k)
        self.institution = posterior.institution
        self._library = library
        self._prior = posterior.prior
        self._prior_version = version_of(self._prior)
        self._renewing = Lock()
        self._pasts = pasts or SharedPastCache()
        self._condition = None if filter is None else condition_of(filter)
        self._admitted: Admitted | None = None
        self._now = (state, posterior) if state else self._read(library.state(self.institution), posterior)

    def filtered(self, filter: Mapping[str, Any]) -> Self:
        """The same selector with one more filter: demonstrations must meet both. Raises DataError for another form."""
        more = condition_of(filter)
        narrower = copy(self)
        narrower._condition = more if self._condition is None else Condition((self._condition, more))
        narrower._admitted = None
        return narrower

    def posterior(self) -> Posterior:
        """Posterior of the institution in the library's present state."""
        return self.current()[1]

    def labels(self) -> tuple[str, ...]:
        """Known labels of the institution, from its list and its outputs, in alphabetical order; of sets each label."""
        state, _ = self.current()
        known = {*state.list_given, *(one.label for one in state.support.demonstrations)}
        sets = label_sets(state.pool.separators)
        return tuple(sorted({label for one in known for label in sets.labels(one)} if sets else known))

    def select(self, text: str, k: int | None = None, without: Collection[Demonstration] = ()) -> Selection:
        """Choose for one query. Raises DataError where it is no text or k is negative, and the errors of ``show``."""
        return self.show(lambda chooser: [chooser.choose(text, k, without)])[0]

    def select_many(
        self,
        texts: Sequence[str],
        k: int | None = None,
        without: Collection[Demonstration] = (),
        callers: Sequence[Caller] | None = None,
    ) -> list[Selection]:
        """Choose for n queries at once: at most k demonstrations each, the best last, and none of ``without``.

        ``callers`` are those who ask, one for each query; by default the present caller.
        """
        return self.show(lambda chooser: chooser.choose_many(texts, k, without), callers)

    def show(
        self, choose: Callable[[Chooser], Sequence[Selection]], callers: Sequence[Caller] | None = None
    ) -> list[Selection]:
        """Record the selections that ``choose`` returns in one transaction, and return them.

        ``choose`` is called again where the sharing rules change, or something is forgotten, meanwhile. Raises
        SharingError after 5 such changes, StorageError where a library opened without ``audit=False`` can't be written.
        """
        for _ in range(ATTEMPTS):
            state, posterior = self.current()
            admitted = self._admitted_in(state)
            drafts = choose(Chooser(state, posterior, self._library.encoder, self.policy, self.k, admitted))
            selections = [replace(one, id=new_id()) for one in drafts]
            for one in selections:
                _check_shared(one, state)
            asking = callers or [caller()] * len(selections)
            entries = [self._entry(one, state, who) for one, who in zip(selections, asking, strict=True)]
            if not entries or self._library.audit.record(entries, partial(self._permits, state)):
                return selections
        raise SharingError(
            f"what {self.institution!r} may be shown has changed {ATTEMPTS} times while demonstrations were chosen; "
            "nothing was shown, ask again when the rules have settled"
        )

    def _admitted_in(self, state: InstitutionState) -> Admitted | None:
        """Demonstrations that the filter admits, read once for each state; None without a filter."""
        known = self._admitted
        if self._condition is not None and (known is None or known.state is not state):
            self._admitted = known = Admitted.of(state, self._condition)
        return known

    def _entry(self, one: Selection, state: InstitutionState, asking: Caller) -> AuditEntry:
        return AuditEntry(
            one.id,
            now(),
            one.institution,
            self._library.sharing.purpose,
            one.method,
            tuple(shown.key for shown in one.demonstrations),
            state.moment.rules,
            self._prior_version,
            contents_sha256=records_sha256((*shown.key, shown.input, shown.output) for shown in one.demonstrations),
            **asdict(asking),
        )

    def _permits(self, state: InstitutionState, connection: Connection) -> bool:
        return _same_rules(state.moment, state_of(connection, self.institution)) and not _has_ended(state)

    def current(self) -> tuple[InstitutionState, Posterior]:
        """Present state and posterior; the same objects while the library's state is the same."""
        if not self._is_current():
            with self._renewing:
                # Read the counters first, so that a change during the reading is noticed the next time.
                moment = self._library.state(self.institution)
                if not self._is_current(moment):
                    self._now = self._read(moment, self._now[1], self._now[0])
        return self._now

    def _is_current(self, moment: State | None = None) -> bool:
        state, _ = self._now
        return state.moment == (moment or self._library.state(self.institution)) and not _has_ended(state)

    def _read(
        self, moment: State, posterior: Posterior, known: InstitutionState | None = None
    ) -> tuple[InstitutionState, Posterior]:
        """Read state and posterior at a moment; a past that is still allowed is taken over from the state ``known``."""
        erased = known is not None and known.moment.forgotten != moment.forgotten
        if erased:  # the prior may depend on what was forgotten
            self._prior = load_prior(self._library, self.institution)
            self._prior_version = version_of(self._prior)
        past: tuple[Shared, SharedPast]
        if known is not None and _same_rules(known.moment, moment) and not _has_ended(known):
            past = known.shared, known.past
        else:
            known = None
            past = self._pasts.load(self._prior, self._prior_version, self._library, self.institution, moment.forgotten)
        state = load_institution(self._prior, self._library, self.institution, past, known, moment)
        if erased or posterior.digest != state.digest:
            posterior = posterior_of(self._prior, state)
        return state, posterior


def _same_rules(one: State, other: State) -> bool:
    return (one.rules, one.forgotten) == (other.rules, other.forgotten)


def _has_ended(state: InstitutionState) -> bool:
    until = state.shared.until
    return until is not None and Sharing.now() >= until


def _check_shared(one: Selection, state: InstitutionState) -> None:
    allowed = state.shared.demonstrations | {one.institution}
    for shown in one.demonstrations:
        if shown.institution not in allowed:
            raise SharingError(
                f"a demonstration of {shown.institution!r} was chosen for {one.institution!r}, "
                "with which it is not shared; nothing was shown. This is a fault of metachain: please report it"
            )
